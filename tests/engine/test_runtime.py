"""The runtime contains what a feed or a market does wrong, and keeps views, rules, alerts and notices together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from engine import runtime as module
from engine.alert_view import AlertEvent
from engine.alerts.roster import KEPT_ALERTS
from engine.alerts.rule import compile_rule
from engine.feed import Engine, SourceError
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import parse_metrics
from engine.runtime import KEPT_NOTICES, RESTART_CAP_S, Runtime
from engine.tape import Channel, Trust
from engine.view import Notice, ViewRequest
from tests.engine.tapes import INSTRUMENT, START, Recorder

SECOND = 1_000_000_000
OTHER = Instrument("test", "C/D", Decimal("0.01"), Decimal("0.001"), base="C", quote="D")
Script = Callable[[Engine], Awaitable[None]]


class FakeFeed:
    """Runs one script after the other, each time it is started."""

    def __init__(self, *scripts: Script, live: bool = True, name: str = "fake") -> None:
        self._scripts = list(scripts)
        self.name, self.live, self.markets = name, live, ()
        self.starts = 0

    async def run(self, engine: Engine) -> None:
        self.starts += 1
        await self._scripts[min(self.starts, len(self._scripts)) - 1](engine)


async def crash(engine: Engine) -> None:
    raise RuntimeError("bug")


async def unusable(engine: Engine) -> None:
    raise SourceError("fake: there is no market X/Y; did you mean X/Z?")


async def trades(engine: Engine) -> None:
    sink = engine.open(INSTRUMENT)
    for i in range(5):
        sink.trade(0, START + i * SECOND, i, "10.00", "1", 1)
    await engine.drained()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses of a second and more are noted instead of waited for."""
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(delay: float, result: object = None) -> object:
        if delay >= 1:
            waits.append(delay)
            delay = 0
        return await real(delay, result)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return waits


# ---- feeds


async def test_a_crash_is_contained_told_and_followed_by_another_start(slept: list[float]) -> None:
    told: list[Notice] = []
    bad = FakeFeed(*[crash] * 9, trades, name="bad")
    good = FakeFeed(trades, name="good")
    runtime = Runtime([bad, good], on_notice=told.append)
    await runtime.run()
    assert (bad.starts, good.starts) == (10, 1)
    assert slept == [1, 2, 4, 8, 16, 32, RESTART_CAP_S, RESTART_CAP_S, RESTART_CAP_S]
    assert {notice.source for notice in told} == {"bad"}
    assert told[0].text == "crashed (RuntimeError: bug); starting it again in 1 s"
    assert runtime.failures == []
    assert runtime.markets[INSTRUMENT.market].t == START + 4 * SECOND


async def test_after_a_good_while_the_waiting_begins_anew(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    async def long_and_crash(engine: Engine) -> None:
        now[0] += RESTART_CAP_S + 1
        await crash(engine)

    await Runtime([FakeFeed(crash, crash, long_and_crash, crash, trades)]).run()
    assert slept == [1, 2, 1, 2]


async def test_a_source_that_cannot_be_used_ends_alone(slept: list[float]) -> None:
    lost, good = FakeFeed(unusable, name="lost"), FakeFeed(trades, name="good")
    runtime = Runtime([lost, good])
    await runtime.run()
    assert (lost.starts, good.starts, slept) == (1, 1, [])
    assert runtime.failures == ["fake: there is no market X/Y; did you mean X/Z?"]
    assert runtime.overview().notices[0].source == "lost"
    assert runtime.markets[INSTRUMENT.market].messages == 5


async def test_the_crash_of_a_recording_is_a_failure(slept: list[float]) -> None:
    async def half(engine: Engine) -> None:
        await trades(engine)
        await crash(engine)

    feed = FakeFeed(half, live=False, name="file.gz")
    runtime = Runtime([feed])
    await runtime.run()
    assert feed.starts == 1
    assert slept == []
    assert runtime.failures == ["file.gz: RuntimeError: bug"]
    assert "stopped by an internal error: RuntimeError: bug" in runtime.overview().notices[0].text
    assert runtime.markets[INSTRUMENT.market].messages == 5


async def test_a_tape_that_ended_is_folded_to_its_last_row() -> None:
    recorder = Recorder("last,trades(1h)")
    await Runtime([FakeFeed(trades, live=False)], samplers=lambda _: [recorder]).run()
    assert [row[0] for row in recorder.read] == [START + i * SECOND for i in range(5)]
    assert float.fromhex(recorder.read[-1][2]) == 5


async def test_cancelled_it_ends_its_feeds_and_folds_the_rest() -> None:
    reached, ended, recorder = asyncio.Event(), [], Recorder("last")

    async def forever(engine: Engine) -> None:
        engine.open(INSTRUMENT).trade(0, START, 1, "10.00", "1", 1)
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(Runtime([FakeFeed(forever)], samplers=lambda _: [recorder]).run())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
    assert len(recorder.read) == 1


async def test_live_messages_are_folded_without_anyone_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.001)
    recorder, seen = Recorder("last", every=SECOND), asyncio.Event()

    async def quiet(engine: Engine) -> None:
        sink = engine.open(INSTRUMENT)
        sink.trade(0, START, 1, "10.00", "1", 1)
        sink.clock(0, START + SECOND)
        while not recorder.read:
            await asyncio.sleep(0.001)
        seen.set()

    await asyncio.wait_for(Runtime([FakeFeed(quiet)], samplers=lambda _: [recorder]).run(), 10)
    assert seen.is_set()


async def test_folding_many_markets_lets_the_sockets_have_their_turn_and_then_pauses_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, turns, folded, slept = [0.0], [0], [], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    real = asyncio.sleep

    async def sleep(delay: float) -> None:
        slept.append(delay)
        now[0] += delay
        await real(0)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)

    async def other() -> None:
        while True:
            turns[0] += 1
            await real(0)

    async def many(engine: Engine) -> None:
        def fold(name: str) -> None:
            folded.append((name, turns[0]))
            now[0] += 0.02  # what a market costs

        for i in range(10):
            market = engine.open(replace(INSTRUMENT, symbol=f"M{i}/B"))
            market.__dict__["flush"] = lambda name=f"M{i}": fold(name)
        while len(folded) < 30:
            await real(0)

    beside = asyncio.create_task(other())
    await Runtime([FakeFeed(many)]).run()
    beside.cancel()
    first = folded[:10]
    assert [name for name, _ in first] == [f"M{i}" for i in range(10)]
    assert len({turn for _, turn in first}) == 10, "others ran between them"
    # Ten markets cost 0.2 s: that is FLUSH_SHARE of the time from one round to the next.
    pauses = [delay for delay in slept if delay > 0]
    assert pauses[1] == pytest.approx(0.2 / module.FLUSH_SHARE - 0.2)


async def test_a_fault_in_one_markets_numbers_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.001)
    recorder, told = Recorder("last"), []

    class Broken(Recorder):
        def take(self, *_: object) -> None:
            raise ZeroDivisionError("metric")

    async def both(engine: Engine) -> None:
        first, second = engine.open(INSTRUMENT), engine.open(OTHER)
        for t in range(3):
            first.trade(0, START + t * SECOND, t, "10.00", "1", 1)
            second.trade(0, START + t * SECOND, t, "10.00", "1", 1)
        while not (recorder.read and told):
            await asyncio.sleep(0.001)
        first.__dict__["flush"] = first.__dict__["finish"] = lambda: None  # let it end

    def samplers(instrument: Instrument) -> list[Recorder]:
        return [Broken("last") if instrument is INSTRUMENT else recorder]

    runtime = Runtime([FakeFeed(both)], samplers=samplers, on_notice=told.append)
    await asyncio.wait_for(runtime.run(), 10)
    assert [(n.source, n.text) for n in told] == [
        (INSTRUMENT.market, "its numbers stopped: ZeroDivisionError: metric")
    ]  # however often it was tried
    assert recorder.read


# ---- markets


def test_the_same_market_has_one_sink_until_its_grid_changes() -> None:
    recorders: list[Recorder] = []

    def samplers(_: Instrument) -> list[Recorder]:
        recorders.append(Recorder("last"))
        return recorders[-1:]

    runtime = Runtime([], samplers=samplers, metrics=parse_metrics("cvd"))
    first = runtime.open(INSTRUMENT)
    first.trade(0, START, 1, "10.00", "1", 1)
    assert runtime.open(INSTRUMENT) is first
    assert runtime.open(replace(INSTRUMENT, taker_bps=9.0)) is first
    finer = replace(INSTRUMENT, tick=Decimal("0.001"))
    second = runtime.open(finer)
    assert second is not first
    assert second.instrument is finer
    assert len(recorders[0].read) == 1  # the old segment was folded to its end
    assert "changed" in runtime.overview().notices[0].text
    second.trade(0, START + SECOND, 2, "10.001", "3", 1)
    view = runtime.view(INSTRUMENT.market, ViewRequest(metrics=("cvd",)))
    assert view is not None
    assert (view.instrument, view.metrics["cvd"]) == (finer, 3.0)


def test_views_and_overview_show_the_present() -> None:
    runtime = Runtime([], chart=True, rules=[compile_rule("big", "cvd > 2")], metrics=parse_metrics("last"))
    assert runtime.view("test:A/B", ViewRequest()) is None
    assert runtime.overview().markets == ()
    sink = runtime.open(INSTRUMENT)
    sink.status(0, START, Channel.TRADES, Trust.LIVE)
    sink.trade(0, START, 1, "10.00", "3", 1)
    sink.clock(0, START + SECOND)
    view = runtime.view("test:A/B", ViewRequest(metrics=("last", "vpin(1,1)")))
    assert view is not None
    assert view.metrics["last"] == 10.0
    assert [rule.state for rule in view.rules] == ["firing"]
    assert [trade.id for trade in view.tape] == [1]
    (summary,) = runtime.overview().markets
    assert (summary.market, summary.last, summary.firing, summary.trades.state) == ("test:A/B", 10.0, 1, "LIVE")


def test_a_restarted_market_forgets_what_it_told() -> None:
    runtime = Runtime([], rules=[compile_rule("big", "cvd > 2")])
    for instrument in (INSTRUMENT, OTHER):
        sink = runtime.open(instrument)
        sink.trade(0, START, 1, "10.00", "3", 1)
        sink.clock(0, START + SECOND)
        sink.flush()
    assert (len(runtime.overview().alerts), runtime.overview().unseen) == (2, 2)
    runtime.restart(INSTRUMENT.market)
    picture = runtime.overview()
    assert [alert.market for alert in picture.alerts] == [OTHER.market]
    assert picture.unseen == 1
    assert [summary.market for summary in picture.markets] == [OTHER.market]
    again = runtime.open(INSTRUMENT)
    again.trade(0, START, 1, "10.00", "3", 1)
    again.clock(0, START + SECOND)
    again.flush()
    assert (len(runtime.overview().alerts), runtime.overview().unseen) == (2, 2)
    runtime.restart("test:never/opened")


# ---- rules, alerts, notices


def swing(market: Market, at: int, sizes: str) -> None:
    """Trades a second apart: b buys 3, s sells 3."""
    for i, letter in enumerate(sizes):
        market.trade(0, START + (at + i) * SECOND, at + i, "10.00", "3", 1 if letter == "b" else -1)
    market.flush()


def test_listeners_hear_every_alert_and_cannot_break_the_fold() -> None:
    heard: list[AlertEvent] = []

    def broken(event: AlertEvent) -> None:
        raise OSError("no sound")

    runtime = Runtime([], rules=[compile_rule("up", "cvd > 2", cooldown="1h"), compile_rule("x", "cvd > 0", on="no:*")])
    runtime.listen(broken)
    runtime.listen(heard.append)
    swing(runtime.open(INSTRUMENT), 0, "bsbsb")
    assert [(e.kind, e.delivered) for e in heard] == [
        ("fired", True),
        ("resolved", True),
        ("fired", False),
        ("resolved", False),
    ]
    picture = runtime.overview()
    assert picture.alerts == tuple(reversed(heard))
    assert picture.unseen == 1  # what the cooldown holds back calls nobody
    assert [n.text for n in picture.notices] == ["telling of an alert failed: OSError: no sound"]
    runtime.acknowledge()
    assert runtime.overview().unseen == 0


def test_rules_come_and_go_while_others_keep_their_state() -> None:
    up, down = compile_rule("up", "cvd > 2"), compile_rule("down", "cvd < -2", on="test:A/*")
    runtime = Runtime([], rules=[up])
    market = runtime.open(INSTRUMENT)
    swing(market, 0, "bb")
    # Not yet folded when the rules change: still read by the rules as they were.
    market.trade(0, START + 2 * SECOND, 2, "10.00", "9", -1)
    market.clock(0, START + 3 * SECOND)
    runtime.set_rules([up, down])
    assert runtime.rules == (up, down)
    view = runtime.view(INSTRUMENT.market, ViewRequest())
    assert view is not None
    assert [(rule.rule, rule.state, rule.fires) for rule in view.rules] == [
        ("up", "inactive", 1),
        ("down", "warming", 0),
    ]
    assert [alert.kind for alert in runtime.overview().alerts] == ["resolved", "fired"]
    swing(market, 4, "s")
    market.clock(0, START + 5 * SECOND)
    view = runtime.view(INSTRUMENT.market, ViewRequest())
    assert view is not None
    assert [(rule.rule, rule.state) for rule in view.rules] == [("up", "inactive"), ("down", "firing")]
    runtime.set_rules([])
    view = runtime.view(INSTRUMENT.market, ViewRequest())
    assert view is not None
    assert view.rules == ()


def test_lists_are_bounded() -> None:
    runtime = Runtime([], rules=[compile_rule("up", "cvd > 2")])
    market = runtime.open(INSTRUMENT)
    swing(market, 0, "bs" * KEPT_ALERTS)
    for i in range(KEPT_NOTICES + 7):
        runtime.notice("source", str(i))
    picture = runtime.overview()
    assert len(picture.alerts) == KEPT_ALERTS
    assert [n.text for n in picture.notices][:2] == [str(KEPT_NOTICES + 6), str(KEPT_NOTICES + 5)]
    assert len(picture.notices) == KEPT_NOTICES
