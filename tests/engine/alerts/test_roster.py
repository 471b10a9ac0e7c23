"""The rules of a run: what a restart keeps, what the user can say, and the evidence that is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.alert_view import AlertEvent, EvidenceView
from engine.alerts.evidence import AROUND, MOST
from engine.alerts.roster import Roster
from engine.alerts.rule import Rule, compile_rule
from engine.checkpoint import Store
from engine.keeping import Keeper
from engine.market import Market
from engine.tape import Channel, Flag, Trust
from tests.engine.tapes import INSTRUMENT, START, message_cuts, random_messages, to_rows
from tui.config.loading import load
from tui.config.rules import configured_rules, quiet_gate

SECOND = 1_000_000_000
NAME = INSTRUMENT.market


class Memory:
    """A `Store` that keeps checkpoints in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def save(self, market: str, data: bytes) -> None:
        self.held[market] = data

    def load(self, market: str) -> bytes | None:
        return self.held.get(market)

    def set_aside(self, market: str, reason: str) -> str | None:
        raise AssertionError(reason)


class Run:
    """One process: a market with its rules that goes on from a checkpoint."""

    def __init__(self, store: Store, rules: list[Rule], now: int) -> None:
        self.events: list[AlertEvent] = []
        self.notices: list[str] = []
        self._keeper = Keeper(store, lambda source, text: self.notices.append(text))
        self.roster = Roster(rules, lambda source, text: self.notices.append(text))
        self.roster.listen(self.events.append)
        resumed = self._keeper.resumed(lambda: Market(INSTRUMENT), now)
        self.market = resumed or Market(INSTRUMENT)
        self.roster.attach(self.market, self._keeper.alerts.pop(NAME, None))

    def stop(self) -> None:
        taken = self._keeper.take(self.market, lambda: self.roster.carried(NAME))
        assert taken is not None
        assert taken.write() is None

    def book(self, t: int, bid: float) -> None:
        self.market.status(0, t, Channel.BOOK, Trust.LIVE)
        self.market.snapshot(0, t, 1, [("10.00", bid)], [("10.02", 3.0)])

    def wait(self, t: int) -> None:
        self.market.clock(0, t)
        self.market.flush()


def undated(kept: EvidenceView | None) -> EvidenceView:
    """Without what depends on the cut."""
    assert kept is not None
    news = tuple(replace(event, detected=0) for event in kept.news)
    return replace(kept, fired=replace(kept.fired, detected=0), news=news)


def rule(when: str, **more: str) -> Rule:
    return compile_rule("a", when, **more)


@pytest.mark.parametrize("later", [3 * SECOND, 3600 * SECOND, 20 * 3600 * SECOND])
def test_an_episode_is_told_once_across_a_restart(later: int) -> None:
    """Also when the restart is the next day, so that nothing else is gone on with."""
    store, rules = Memory(), [rule("bid_size > 1")]
    first = Run(store, rules, START)
    first.book(START, 5.0)
    first.wait(START + SECOND)
    assert [event.kind for event in first.events] == ["fired"]
    first.stop()

    second = Run(store, rules, START + later)
    assert [view.state for view in second.roster.views(NAME)] == ["firing"]
    assert second.roster.views(NAME)[0].fires == 1
    second.book(START + later, 5.0)
    second.wait(START + later + SECOND)
    assert second.events == []
    second.book(START + later + SECOND, 0.5)
    second.wait(START + later + 2 * SECOND)
    (resolved,) = second.events
    assert (resolved.kind, resolved.reason, resolved.t0, resolved.delivered) == (
        "resolved",
        "back",
        first.events[0].t0,
        True,
    )
    assert resolved.episode == first.events[0].episode


@pytest.mark.parametrize("known", [True, False])
def test_reminders_that_fell_due_while_nobody_watched_are_not_told_all_at_once(known: bool) -> None:
    store, rules = Memory(), [rule("bid_size > 1", repeat="60s")]
    first = Run(store, rules, START)
    first.book(START, 5.0)
    first.wait(START + SECOND)
    first.stop()

    later = START + 3600 * SECOND + 1  # off the grid: what is folded first holds no instant
    second = Run(store, rules, later)
    second.wait(later)
    second.wait(later + 1)
    assert second.events == []
    if known:
        second.book(later + 2, 5.0)
    second.wait(later + 30 * SECOND)
    assert [event.kind for event in second.events] == (["repeated"] if known else ["held", "resolved"])


def test_what_waited_begins_to_wait_anew_and_no_edge_reaches_over_a_restart() -> None:
    store = Memory()
    rules = [compile_rule("wait", "bid_size > 1", hold="3s"), compile_rule("edge", "bid_size crosses up 4")]
    first = Run(store, rules, START)
    first.book(START, 2.0)
    first.wait(START + 2 * SECOND)
    first.stop()
    second = Run(store, rules, START)
    second.book(START + 10 * SECOND, 5.0)
    second.wait(START + 12 * SECOND)
    assert second.events == []
    second.wait(START + 14 * SECOND)
    assert [(event.rule, event.t - START) for event in second.events] == [("wait", 13 * SECOND)]


def test_silence_while_nobody_listened_is_not_the_feeds() -> None:
    store, rules = Memory(), [rule("feed absent for 5s")]
    first = Run(store, rules, START)
    first.book(START, 2.0)
    first.wait(START + SECOND)
    first.stop()
    second = Run(store, rules, START)
    second.wait(START + 100 * SECOND)
    second.wait(START + 104 * SECOND)
    assert second.events == []
    second.wait(START + 106 * SECOND)
    assert [event.t - START for event in second.events] == [105 * SECOND]


def test_a_changed_rule_begins_anew_and_what_is_no_state_is_said() -> None:
    store = Memory()
    first = Run(store, [rule("bid_size > 1")], START)
    first.book(START, 5.0)
    first.wait(START + SECOND)
    first.roster.snooze("a", NAME, 60 * SECOND)
    first.stop()
    for when, state, snoozed in (("bid_size > 1", "firing", True), ("bid_size > 2", "warming", False)):
        views = Run(store, [rule(when)], START).roster.views(NAME)
        assert [(view.state, view.snoozed_until is not None) for view in views] == [(state, snoozed)]
    said: list[str] = []
    roster = Roster([rule("bid_size > 1")], lambda source, text: said.append(text))
    roster.attach(Market(INSTRUMENT), {"kind": "alerts", "version": 99})
    assert "begin anew" in said[0]
    damaged = first.roster.carried(NAME)
    assert damaged is not None
    damaged["rules"]["a"]["state"]["tree"] = [[1]]
    roster.attach(Market(INSTRUMENT), damaged)
    assert [view.state for view in roster.views(NAME)] == ["warming"]


def test_what_the_user_can_say() -> None:
    run = Run(Memory(), [rule("bid_size > 1", repeat="5s")], START)
    roster = run.roster

    def episode(at: int) -> list[AlertEvent]:
        run.events.clear()
        run.book(START + at * SECOND, 5.0)
        run.wait(START + (at + 1) * SECOND)
        run.book(START + (at + 1) * SECOND, 0.5)
        run.wait(START + (at + 2) * SECOND)
        return list(run.events)

    assert [(e.kind, e.delivered, e.suppressed) for e in episode(0)] == [("fired", True, ""), ("resolved", True, "")]
    assert roster.unseen == 1
    roster.muted = True
    assert [(e.delivered, e.suppressed) for e in episode(10)] == [(False, "muted")] * 2
    roster.muted = False
    roster.snooze("a", NAME, 10 * SECOND)
    assert [(e.delivered, e.suppressed) for e in episode(20)] == [(False, "snoozed")] * 2
    assert [e.delivered for e in episode(30)] == [True, True]
    roster.snooze("a", NAME, 1000 * SECOND)
    roster.snooze("a", NAME, 0)
    assert [e.delivered for e in episode(40)] == [True, True]
    assert roster.unseen == 3
    run.events.clear()
    run.book(START + 50 * SECOND, 5.0)
    run.wait(START + 56 * SECOND)
    assert [e.kind for e in run.events] == ["fired", "repeated"]
    roster.acknowledge()
    assert roster.unseen == 0
    assert roster.views(NAME)[0].acknowledged
    run.wait(START + 80 * SECOND)
    assert [e.kind for e in run.events] == ["fired", "repeated"]


@pytest.mark.parametrize(
    ("hours", "zone", "at", "held"),
    [
        (("22:00", "07:00"), "UTC", "2026-01-10T23:30", True),
        (("22:00", "07:00"), "UTC", "2026-01-10T06:59", True),
        (("22:00", "07:00"), "UTC", "2026-01-10T07:00", False),
        (("22:00", "07:00"), "UTC", "2026-01-10T21:59", False),
        (("12:00", "13:00"), "UTC", "2026-01-10T12:30", True),
        (("12:00", "13:00"), "Europe/Berlin", "2026-01-10T11:30", True),
        (("12:00", "13:00"), "Europe/Berlin", "2026-07-10T10:30", True),
        (("12:00", "12:00"), "UTC", "2026-01-10T12:00", False),
    ],
)
def test_quiet_hours(hours: tuple[str, str], zone: str, at: str, held: bool, tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "config.toml"
    file.write_text(
        f'presets = ["drawdown"]\n[quiet_hours]\nfrom = "{hours[0]}"\nto = "{hours[1]}"\nzone = "{zone}"\n'
        '[[alerts]]\nname = "mine"\nwhen = "cvd > 1"\n'
    )
    loaded = load(file, environ={})
    assert loaded.problems == ()
    gate = quiet_gate(loaded.config)
    high, mine = configured_rules(loaded.config)
    t = round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * SECOND
    assert gate(mine, NAME, t) == ("quiet hours" if held else "")
    assert gate(high, NAME, t) == ""  # what is severe comes through


@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_the_minute_before_and_after_however_the_tape_is_cut(seed: int) -> None:
    messages = random_messages(seed, 900)
    rows, rng = to_rows(messages), random.Random(seed)
    rules = [compile_rule("up", "delta(5s) > 4", rearm="0", message="{value} at {mid} in {market}")]

    def run(cut: Callable[[], int] | None) -> tuple[list[AlertEvent], list[EvidenceView]]:
        roster, events = Roster(rules, lambda *_: None), []
        roster.listen(events.append)
        market = Market(INSTRUMENT)
        roster.attach(market)
        for piece in [rows] if cut is None else message_cuts(rows, cut):
            market.apply(piece)
        market.finish()
        found = [roster.evidence(event.episode) for event in events if event.kind == "fired"]
        return [replace(event, detected=0) for event in events], [undated(each) for each in found]

    events, evidence = run(None)
    fired = [event for event in events if event.kind == "fired"]
    assert len(fired) >= 3
    assert run(lambda: rng.randrange(0, 40)) == (events, evidence)
    assert run(lambda: 1) == (events, evidence)
    flow = []
    clock = 0
    for name, args in messages:
        clock = max(clock, args[1])
        if name == "trade" and not args[6] & (Flag.REPLAYED | Flag.NOT_FLOW):
            flow.append((clock, INSTRUMENT.ticks(args[3]), INSTRUMENT.lots(args[4]), args[5]))
    for event, kept in zip(fired, evidence, strict=True):
        wanted = [row for row in flow if event.t - AROUND < row[0] <= event.t + AROUND]
        assert [(t.t, t.px, t.qty, t.side) for t in kept.trades] == wanted
        assert kept.fired == event
        assert "at" in event.message
        assert event.message.endswith(f" in {NAME}")


def test_evidence_is_bounded() -> None:
    run = Run(Memory(), [rule("cvd > 4999.5")], START)
    for i in range(12_000):
        run.market.trade(0, START + i * 1_000_000, i, "10.00", "1", 1)
        if i % 1700 == 0:
            run.market.flush()
    run.wait(START + 50 * SECOND)
    run.wait(START + 75 * SECOND)
    (event,) = run.events
    kept = run.roster.evidence(event.episode)
    assert kept is not None
    assert kept.complete
    assert len(kept.trades) == 2 * MOST
    before = [trade for trade in kept.trades if trade.t <= event.t]
    assert len(before) == MOST
    assert before[-1].t == event.t
    assert kept.before == sum(START + i * 1_000_000 <= event.t for i in range(12_000)) - MOST
    assert kept.after == sum(START + i * 1_000_000 > event.t for i in range(12_000)) - MOST
    assert run.roster.evidence("nothing like that") is None
