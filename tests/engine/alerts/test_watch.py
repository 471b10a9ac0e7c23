"""Rules on a market: what fires is the same by rows and by messages and however the tape is cut."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from engine.alert_view import AlertEvent
from engine.alerts.rule import Rule, compile_rule
from engine.alerts.watch import EVERY, Watch
from engine.market import Market
from engine.metrics.names import parse_metric
from engine.tape import Channel, Reason, Trust
from tests.engine.alerts.cases import short
from tests.engine.alerts.reference import Meaning, Tape, compared, constant, series, told
from tests.engine.tapes import INSTRUMENT, START, Message, message_cuts, push, random_messages, to_rows

SECOND = 1_000_000_000
TEXTS = (
    ("cvd > 3", "0s", None),
    ("abs(delta(5s)) > 8", "250ms", "4"),
    ("ti(2s) <= -0.5", "150ms", "0"),
    ("vpin(20,3) >= 0.4", "0s", "0.3"),
    ("vpin_fill(20) > 0.5", "100ms", None),
    ("vpin(4,2) < 0.5", "1300ms", None),
    ("imbalance(5) > 0.2", "0s", "0"),
    ("spread_bps > 0.3", "50ms", None),
    ("imbalance_tw(3,2s) < 0", "1s", "0.1"),
    ("slip(buy,1000) > 0.01bps", "0s", None),
    ("abs(ofi(5s)) > 0.5", "0s", "0.2"),
    ("last > 2680", "3s", None),
    ("vpin(20,3) >= 0.4 and spread_bps > 0.3", "0s", "0.3"),
    ("mid crosses 2680", "0s", None),
    ("last crosses up 2680", "100ms", "2679.9"),
    ("imbalance(5) outside [-0.2, 0.2]", "0s", "imbalance(5) inside [-0.1, 0.1]"),
    ("last moves by 0.02% within 5s", "50ms", None),
    ("count(delta(5s) > 0 or vpin(4,2) > 0.5, 20s) >= 2", "0s", None),
    ("delta(5s) > 2 then imbalance(5) < 0 within 3s", "0s", None),
    ("trades absent for 2s and not (spread_bps > 1)", "0s", None),
    ("volume(2s) > 90% * max(volume(2s), 30s)", "0s", None),
)


def rules() -> list[Rule]:
    return [
        compile_rule(f"rule {i}", when, hold=hold, rearm=rearm, cooldown="10s" if i % 2 else None)
        for i, (when, hold, rearm) in enumerate(TEXTS)
    ]


class Told:
    """A market that is watched, and what it tells."""

    def __init__(self, watched: list[Rule]) -> None:
        self.events: list[AlertEvent] = []
        self.watch = Watch(INSTRUMENT.market, watched, self.events.append)
        self.market = Market(INSTRUMENT, [self.watch])

    def facts(self) -> list[AlertEvent]:
        """In the order they were told; when each was found out depends on the cut, and on nothing else."""
        return [replace(event, detected=0) for event in self.events]


def by_rows(messages: list[Message], cut: Callable[[], int] | None = None) -> Told:
    case = Told(rules())
    rows = to_rows(messages)
    for piece in [rows] if cut is None else message_cuts(rows, cut):
        case.market.apply(piece)
    case.market.finish()
    return case


@pytest.mark.parametrize("seed", range(3))
def test_live_tells_what_a_replay_tells(seed: int) -> None:
    messages, rng = random_messages(seed, 300), random.Random(seed)
    whole = by_rows(messages)
    facts = whole.facts()
    fired = {event.rule for event in facts if event.kind == "fired"}
    assert len(fired) >= 12, fired
    assert all(a.t <= b.t for a, b in pairwise(facts))
    for cut in (lambda: 1, lambda: rng.randrange(0, 5), lambda: rng.randrange(0, 150)):
        assert by_rows(messages, cut).facts() == facts
    for share in (0.0, 0.1, 1.0):
        live = Told(rules())
        for message in messages:
            push(live.market, message)
            if rng.random() < share:
                live.market.flush()
        live.market.finish()
        assert live.facts() == facts
        assert live.watch.views() == whole.watch.views()


@pytest.mark.parametrize("seed", range(3))
def test_the_machine_sees_what_stands_in_the_market(seed: int) -> None:
    """Against values read from a second market that was stopped at every instant, for a metric without buckets."""
    messages = random_messages(seed, 300)
    delta = series("delta(3s)", absolute=True)
    meaning = Meaning(
        compared(delta, ">", constant(2.0)),
        series("delta(3s)"),
        None,
        200_000_000,
        compared(delta, "<", constant(1.0)).holds,
    )
    case = Told([compile_rule("r", "abs(delta(3s)) > 2", hold="200ms", rearm="1")])
    plain = Market(INSTRUMENT, metrics=[parse_metric("delta(3s)")])
    instants: list[int] = []
    values: list[float | None] = []
    grid = -(-START // EVERY) * EVERY
    for message in messages:
        t = message[1][1]
        while grid < t:
            # Everything up to this instant has been told; only time passes until it.
            plain.clock(grid, grid)
            plain.flush()
            instants.append(grid)
            values.append(plain.value(parse_metric("delta(3s)")))
            grid += EVERY
        push(plain, message)
        push(case.market, message)
    case.market.flush()
    tape = Tape(instants, {"delta(3s)": values}, [0] * len(instants))
    expected = told(meaning, tape, case.market.t, EVERY)
    assert len(expected) > 4
    assert short(case.events, None) == expected


def test_buckets_are_looked_at_when_they_close() -> None:
    case = Told([compile_rule("toxic", "vpin(1,1) >= 1", rearm="0.9")])
    at = START + 12_345_678
    for i, (side, after) in enumerate(((1, 0), (-1, 7), (1, 9), (-1, 11))):
        # A bucket all bought, then one half bought, and so on.
        case.market.trade(0, at + after, 2 * i, "10.00", "0.5", 1)
        case.market.trade(0, at + after, 2 * i + 1, "10.00", "0.5", side)
    case.market.flush()
    assert [(e.kind, e.t - at) for e in case.events] == [("fired", 0), ("resolved", 7), ("fired", 9)]
    case.market.finish()
    assert [(e.kind, e.t - at) for e in case.events][3:] == [("resolved", 11)]


def test_a_rule_may_come_while_the_market_runs() -> None:
    messages = random_messages(5, 400)
    rows, kept = to_rows(messages), rules()
    new = compile_rule("newcomer", "cvd < 100000")
    expected = by_rows(messages).facts()
    for at in (1, 3, 7):
        case, watches = Told(kept), 0
        for i, piece in enumerate(message_cuts(rows, lambda: 40)):
            if i == at:
                follower = Watch(INSTRUMENT.market, [*kept, new], case.events.append)
                case.market.forget(case.watch)
                follower.adopt(case.watch)
                case.market.sample_for(follower)
                watches, began = watches + 1, case.market.t
            case.market.apply(piece)
        case.market.finish()
        facts = case.facts()
        assert watches == 1
        assert [event for event in facts if event.rule != "newcomer"] == expected
        ours = [event for event in facts if event.rule == "newcomer"]
        assert [event.kind for event in ours][:1] == ["fired"]
        assert ours[0].t >= began


def test_state_is_kept_only_for_what_is_unchanged() -> None:
    same, other = compile_rule("a", "cvd > 1"), compile_rule("b", "cvd > 2")
    before = Told([same, other])
    before.market.trade(0, START, 1, "10.00", "5", 1)
    before.market.clock(0, START + SECOND)
    before.market.flush()
    assert [view.state for view in before.watch.views()] == ["firing", "firing"]
    after = Watch(INSTRUMENT.market, [compile_rule("b", "cvd > 3"), same], before.events.append)
    after.adopt(before.watch)
    assert [(view.rule, view.state, view.fires) for view in after.views()] == [("b", "warming", 0), ("a", "firing", 1)]


def test_a_channel_that_cannot_be_trusted_makes_its_metrics_unknown() -> None:
    case = Told([compile_rule("flow", "volume(1h) > 1"), compile_rule("book", "bid_size > 1")])
    market = case.market
    market.status(0, START, Channel.TRADES, Trust.LIVE)
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 5.0)], [("10.02", 3.0)])
    market.trade(0, START, 1, "10.00", "2", 1)
    market.clock(0, START + SECOND)
    market.flush()
    assert [view.state for view in case.watch.views()] == ["firing", "firing"]
    market.status(0, START + SECOND + 1, Channel.TRADES, Trust.STALE, Reason.DISCONNECTED)
    market.clock(0, START + 30 * SECOND)
    market.flush()
    # The hour still holds its volume, but nobody knows what has been traded since.
    assert market.value(parse_metric("volume(1h)")) == 2.0
    reason = "no data: trades STALE"
    assert [(e.rule, e.kind, e.reason) for e in case.events[2:]] == [
        ("flow", "held", reason),
        ("flow", "resolved", reason),
    ]
    first_unknown = (START + SECOND) // EVERY * EVERY + EVERY
    assert [e.t for e in case.events[2:]] == [first_unknown, first_unknown + 10 * SECOND]
    assert case.events[2].surroundings.trades == "STALE"
    assert [view.value for view in case.watch.views()] == [None, 5.0]


def test_nothing_is_read_before_the_tape_begins() -> None:
    case = Told([compile_rule("a", "cvd > 1")])
    case.market.flush()
    case.watch.take(np.empty(0, np.int64), 0, _NoReader())
    assert case.events == []
    assert case.watch.views()[0].state == "warming"


class _NoReader:
    """A market of which nothing is known yet."""

    until = 0

    def values(self, metric: object, times: object) -> np.ndarray:  # type: ignore[type-arg]
        raise AssertionError("there is nothing to read")

    def closings(self, metric: object, since: int) -> None:
        return None

    def trust(self, times: object) -> tuple[list[str | None], list[str | None]]:
        raise AssertionError("there is nothing to read")

    def epochs(self, times: object) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        raise AssertionError("there is nothing to read")

    def silent(self, times: object) -> None:
        raise AssertionError("there is nothing to read")


def fired(case: Told, rule: str) -> list[int]:
    """Seconds after the start at which a rule fired."""
    return [(event.t - START) // SECOND for event in case.events if event.kind == "fired" and event.rule == rule]


def test_a_jump_of_the_clock_neither_fires_nor_loses() -> None:
    """Nothing at all was heard for an hour, and nobody said why: a machine that slept. What waited begins anew."""
    case = Told(
        [
            compile_rule("wait", "cvd > 1", hold="90s"),
            compile_rule("now", "cvd > 1"),
            compile_rule("up", "cvd crosses up 4"),
        ]
    )
    market = case.market
    market.trade(0, START, 1, "10.00", "3", 1)
    market.clock(0, START + SECOND)
    market.flush()
    later = START + 3600 * SECOND
    market.trade(0, later, 2, "10.00", "3", 1)
    market.flush()
    # A minute is believed; then the one that fired is held, and over when nothing is known for ten seconds more.
    assert [(e.rule, e.kind, (e.t - START) // SECOND) for e in case.events] == [
        ("now", "fired", 0),
        ("now", "held", 61),
        ("now", "resolved", 71),
    ]
    for second in range(1, 100, 30):
        market.clock(0, later + second * SECOND)
    market.flush()
    assert fired(case, "now") == [0, 3600]
    assert fired(case, "wait") == [3600 + 90]
    assert fired(case, "up") == []  # it went from 3 to 6 while nobody listened


def test_edges_do_not_reach_over_a_resync_or_missing_trades() -> None:
    """Not even where the channel was live again before the next look."""
    rules = [compile_rule("bid", "bid_size crosses up 4"), compile_rule("flow", "cvd crosses up 4")]

    def run(broken: bool) -> Told:
        case = Told(rules)
        market = case.market
        market.status(0, START, Channel.BOOK, Trust.LIVE)
        market.snapshot(0, START, 1, [("10.00", 2.0)], [("10.02", 3.0)])
        market.trade(0, START, 1, "10.00", "2", 1)
        market.clock(0, START + SECOND)
        at = START + SECOND + 20_000_000
        if broken:
            market.status(0, at, Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)
            market.status(0, at + 1, Channel.BOOK, Trust.LIVE)
            market.snapshot(0, at + 2, 1, [("10.00", 5.0)], [("10.02", 3.0)])
            market.hole(0, at + 2, 2, 3)
        else:
            market.book(0, at, 2, [("10.00", 5.0)], [])
        market.trade(0, at + 3, 9, "10.00", "3", 1)
        market.clock(0, START + 3 * SECOND)
        market.flush()
        return case

    assert {event.rule for event in run(broken=False).events} == {"bid", "flow"}
    assert run(broken=True).events == []


def test_a_storm_is_bounded() -> None:
    """A condition that flips at every look for ten minutes: cooldown bounds what is announced, re-arm what fires."""
    case = Told(
        [
            compile_rule("bare", "cvd > 0", cooldown="1m"),
            compile_rule("calm", "cvd > 0", rearm="-5", repeat="2m"),
            compile_rule("lazy", "cvd > 0", keep_firing_for="1s"),
        ]
    )
    for i in range(6000):
        case.market.trade(0, START + i * EVERY, i, "10.00", "1", -1 if i % 2 else 1)
        if i % 500 == 0:
            case.market.flush()
    case.market.finish()
    kinds = [(event.rule, event.kind, event.delivered) for event in case.events]
    assert kinds.count(("bare", "fired", True)) == 10
    assert kinds.count(("bare", "fired", False)) == 2990
    assert [kind for kind in kinds if kind[0] == "lazy"] == [("lazy", "fired", True)]
    assert kinds.count(("calm", "fired", True)) == 1
    assert kinds.count(("calm", "repeated", True)) == 4


def test_a_rule_ends_with_its_time() -> None:
    over = compile_rule("r", "cvd > 0", expires="2023-11-14T22:13:25")
    assert over.expires == START + 5 * SECOND
    case = Told([over, compile_rule("old", "cvd > 0", expires="2020-01-01")])
    case.market.trade(0, START, 1, "10.00", "1", 1)
    case.market.clock(0, START + 20 * SECOND)
    case.market.trade(0, START + 20 * SECOND, 2, "10.00", "5", -1)
    case.market.trade(0, START + 21 * SECOND, 3, "10.00", "9", 1)
    case.market.clock(0, START + 30 * SECOND)
    case.market.flush()
    assert [(e.rule, e.kind, e.reason, e.t - START) for e in case.events] == [
        ("r", "fired", "", 0),
        ("r", "resolved", "expired", 5 * SECOND),
    ]
    assert [view.state for view in case.watch.views()] == ["expired", "expired"]


def test_lots_are_those_of_the_market() -> None:
    events: list[AlertEvent] = []
    watch = Watch("m", [compile_rule("r", "bid_size > 5000 lots")], events.append, lot=INSTRUMENT.amount(1))
    market = Market(INSTRUMENT, [watch])
    market.snapshot(0, START, 1, [("10.00", 5.001)], [("10.02", 3.0)])
    market.clock(0, START + SECOND)
    market.flush()
    assert [(event.kind, event.level) for event in events] == [("fired", 5.0)]
