"""One instrument on several venues: what the members are told is on the composite's tape, in base units and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.composite import Composite, Hub, checked, parse, tap
from connectors.simulator import SimulatedFeed
from engine.codes import Channel, Flag, Kind, Reason, Trust
from engine.feed import Engine, SourceError
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import parse_metric
from engine.runtime import Runtime
from engine.tape import Rows
from engine.view import ViewRequest
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.engine.tapes import to_rows

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def instrument(market: str, tick: str, lot: str, kind: str = "spot", contract: str = "1") -> Instrument:
    venue, _, symbol = market.partition(":")
    base, quote = symbol.partition(":")[0].split("/")
    return Instrument(
        venue, symbol, Decimal(tick), Decimal(lot), kind, Decimal(contract), base=base, quote=quote, taker_bps=5.0
    )  # type: ignore[arg-type]


A = instrument("one:BTC/USDT", "0.1", "0.001")
B = instrument("two:BTC/USDT", "0.25", "0.01", "linear", "0.1")
INVERSE = instrument("three:BTC/USD:BTC", "0.5", "1", "inverse", "100")
RATE = instrument("four:USDT/USD", "0.0001", "0.01")
TWO = Composite("X", (A.market, B.market))


def opened(composite: Composite, *members: Instrument) -> tuple[RecordingEngine, Hub, list[RecordingSink]]:
    engine = RecordingEngine()
    hub = Hub([composite]).over(engine)
    return engine, hub, [hub.open(member) for member in members]


def sum_of(engine: RecordingEngine) -> RecordingSink:
    return engine.sinks["composite:X"]


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("BTC/USDT@binance+bybit", ("binance:BTC/USDT", "bybit:BTC/USDT")),
        ("BTC/USDT@a+b:BTC/USDT:USDT", ("a:BTC/USDT", "b:BTC/USDT:USDT")),
        ("BTC/USDT@a+b+a", ("a:BTC/USDT", "b:BTC/USDT")),
    ],
)
def test_members_are_written_with_or_without_their_symbol(text: str, members: tuple[str, ...]) -> None:
    assert parse(text).members == members


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: parse("BTC"), "write composite:BTC/USDT@binance"),
        (lambda: parse("BTV", ("BTC",)), "did you mean BTC"),
        (lambda: parse("BTC/USDT@a"), "two members or more"),
        (lambda: parse("BTC/USDT@a+"), "neither a venue nor venue:SYMBOL"),
        (lambda: parse("BTC/USDT@a+composite:BTC/USDT"), "cannot be a member"),
        (lambda: parse("BTC/USDT@a+b:ETH/USDT"), "trades ETH, the first member BTC"),
        (lambda: parse("BTC/USDT@a+b:BTC/USDC"), "name the market that tells the rate"),
        (lambda: parse("BTC/USDT@a+b:BTC"), "is no symbol"),
        (
            lambda: checked(Composite("X", ("a:BTC/USDT", "b:BTC/USD"), {"USD": "c:EUR/USD"})),
            "tells no rate between USD and USDT",
        ),
    ],
)
def test_what_cannot_be_summed_is_refused_with_a_reason(make: Callable[[], object], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        make()


def test_the_grid_holds_every_trade_of_every_member_exactly() -> None:
    engine, _, (a, b) = opened(TWO, A, B)
    assert (sum_of(engine).instrument.tick, sum_of(engine).instrument.lot) == (Decimal("0.05"), Decimal("0.001"))
    a.trade(T0, T0, 7, "100.1", "0.003", 1)
    b.trade(T0, T0 + 1, 7, "100.25", "1.23", -1, int(Flag.RECOVERED))
    told = sum_of(engine)
    assert [(t.id, Decimal(t.price), Decimal(t.size), t.side, t.flags) for t in told.trades] == [
        (1, Decimal("100.10"), Decimal("0.003"), 1, 0),
        (2, Decimal("100.25"), Decimal("0.123"), -1, int(Flag.RECOVERED)),
    ]
    assert [t.id for t in engine.sinks[A.market].trades] == [7]  # the member is told as before


trades = st.lists(
    st.tuples(st.booleans(), st.integers(900, 1100), st.integers(1, 10**7), st.sampled_from((1, -1, 0))),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(trades, st.integers(0, 5))
def test_nothing_is_lost_or_counted_twice_by_rows_or_messages(told: list[tuple[bool, int, int, int]], cut: int) -> None:
    def run(by_rows: bool) -> RecordingSink | Market:
        runtime = Runtime([])
        hub = Hub([TWO]).over(runtime)
        sinks = {A.market: hub.open(A), B.market: hub.open(B)}
        total = runtime.markets["composite:X"]
        for name in ("cvd(start)", "volume(24h)", "trades(24h)", "vwap(24h)"):
            total.ensure(parse_metric(name))
        for i, (first, ticks, lots, side) in enumerate(told):
            member = A if first else B
            px, size = member.price_text(ticks).replace(",", ""), f"{lots * member.lot:f}"
            if by_rows:
                sinks[member.market].apply(_row(i, ticks, lots, side))
            else:
                sinks[member.market].trade(T0, T0 + i, i, px, size, side)
            if cut and i % cut == 0:
                total.flush()
        total.flush()
        return total

    def read(market: Market) -> list[float | None]:
        return [market.value(parse_metric(name)) for name in ("cvd(start)", "volume(24h)", "trades(24h)", "vwap(24h)")]

    live, rows = run(False), run(True)
    assert read(live) == read(rows)
    amounts = [(Fraction((A if f else B).lot) * Fraction((A if f else B).contract) * n, s) for f, _, n, s in told]
    assert read(live)[0] == float(sum(amount * side for amount, side in amounts))
    assert read(live)[1] == float(sum(amount for amount, _ in amounts))
    assert read(live)[2] == len(told)


@pytest.mark.parametrize("by_rows", [False, True])
def test_what_is_beyond_all_measure_in_our_lots_is_missing_here_alone(by_rows: bool) -> None:
    """A lot of an inverse member is 1e-8 of ours: sizes that a member may well have are too many of them."""
    spot = instrument("one:XRP/USD", "0.0001", "0.1")
    inverse = instrument("two:XRP/USD:XRP", "0.0001", "1", "inverse", "10")
    runtime = Runtime([])
    hub = Hub([Composite("X", (spot.market, inverse.market))]).over(runtime)
    a, b = hub.open(spot), hub.open(inverse)
    total, alone = runtime.markets["composite:X"], runtime.markets[spot.market]
    total.ensure(parse_metric("cvd(start)"))
    if by_rows:
        a.apply(_row(1, 20_000, 10**13, 1))
    else:
        a.trade(T0, T0, 1, "2.0000", "1000000000000", 1)
    assert (total.missing, alone.missing) == (1, 0)
    b.trade(T0, T0, 1, "2.0000", "1", 1)
    b.day_volume(T0, T0, "20000000")
    a.day_volume(T0, T0, "200000000")
    total.flush()
    assert total.value(parse_metric("cvd(start)")) == 5.0


def _row(i: int, ticks: int, lots: int, side: int) -> Rows:
    rows = to_rows([("trade", (T0, T0 + i, i, "1.00", "0.001", side, 0))])
    rows["px"], rows["qty"] = ticks, lots
    return rows


def test_trust_is_that_of_those_who_are_in_and_says_when_some_are_out() -> None:
    engine, _, (a, b) = opened(TWO, A, B)

    def said() -> tuple[Trust, Reason] | None:
        return sum_of(engine).trust(Channel.TRADES)

    a.status(T0, T0, Channel.TRADES, Trust.WARMING, Reason.CONNECTING)
    assert said() == (Trust.WARMING, Reason.CONNECTING)
    a.status(T0, T0, Channel.TRADES, Trust.LIVE)
    assert said() == (Trust.LIVE, Reason.MEMBERS_OUT)
    b.status(T0, T0, Channel.TRADES, Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)
    assert said() == (Trust.LIVE, Reason.NONE)
    b.status(T0, T0, Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)
    assert said() == (Trust.LIVE, Reason.NONE)
    b.status(T0, T0, Channel.TRADES, Trust.STALE, Reason.DISCONNECTED)
    assert said() == (Trust.LIVE, Reason.MEMBERS_OUT)
    a.status(T0, T0, Channel.TRADES, Trust.STALE, Reason.DISCONNECTED)
    assert said() == (Trust.STALE, Reason.DISCONNECTED)
    a.hole(T0, T0, 5, 3)
    assert sum_of(engine).holes == [(-1, 3)]


def test_a_member_that_does_not_come_is_left_out_until_it_does() -> None:
    engine, hub, (a,) = opened(TWO, A)
    a.trade(T0, T0, 1, "100.0", "1", 1)
    assert "composite:X" not in engine.sinks
    a.trade(T0 + 11 * SECOND, T0 + 11 * SECOND, 2, "100.0", "1", 1)
    assert sum_of(engine).instrument.tick == A.tick
    assert len(sum_of(engine).trades) == 1
    b = hub.open(B)
    assert sum_of(engine).instrument.tick == Decimal("0.05")  # its grid is finer: a new segment
    b.trade(T0 + 12 * SECOND, T0 + 12 * SECOND, 1, "100.25", "1", -1)
    assert [Decimal(t.price) for t in sum_of(engine).trades] == [Decimal("100.25")]


def test_other_quotes_are_converted_by_an_observed_rate_that_is_fresh() -> None:
    composite = checked(Composite("X", (A.market, INVERSE.market), {"USD": RATE.market}))
    engine, _, (_, inverse, rate) = opened(composite, A, INVERSE, RATE)
    inverse.trade(T0, T0, 1, "100.0", "2", 1)
    assert sum_of(engine).holes == [(-1, 1)]
    rate.trade(T0, T0, 1, "0.8000", "5", 1)  # a USDT is worth 0.8 USD
    inverse.trade(T0, T0 + 1, 2, "100.0", "2", 1)
    (told,) = sum_of(engine).trades
    assert Decimal(told.price) == Decimal("125.0")
    assert Decimal(told.size) == Decimal(2)  # two contracts of 100 USD at 100 USD
    inverse.trade(T0, T0 + 400 * SECOND, 3, "100.0", "2", 1)
    assert len(sum_of(engine).holes) == 2
    assert [t.price for t in engine.sinks[RATE.market].trades] == ["0.8000"]


def test_the_average_day_is_the_sum_of_the_members() -> None:
    engine, _, (a, b) = opened(TWO, A, B)
    a.day_volume(T0, T0, "1000")
    assert sum_of(engine).volumes == []
    b.day_volume(T0, T0, "50")
    assert [Decimal(v) for v in sum_of(engine).volumes] == [Decimal(1005)]


def test_what_else_a_member_is_told_reaches_it() -> None:
    engine, hub, (a, _) = opened(TWO, A, B)
    a.snapshot(T0, T0, 1, [("100.0", 1.0)], [("100.1", 2.0)])
    a.book(T0, T0, 2, [("100.0", 3.0)], [])
    a.clock(T0, T0 + 5)
    a.liquidation(T0, T0, "100.0", "1", -1)
    a.reading(T0, T0, Kind.MARK, "100.05")
    own = engine.sinks[A.market]
    assert (own.bids, own.clocks, own.liquidations) == ({"100.0": 3.0}, [(T0, T0 + 5)], [("100.0", "1", -1)])
    assert (a.crossed, a.t, a.last_trade_id) == (own.crossed, own.t, own.last_trade_id)
    other = instrument("five:ETH/USDT", "0.1", "0.1")
    assert hub.open(other) is engine.sinks[other.market]


async def test_a_composite_of_simulated_markets_is_one_market_with_a_merged_book() -> None:
    composite = checked(Composite("X", ("sim:BTC/USDT", "sim:BTC/USDC"), {"USDC": "sim:USDC/USDT"}))
    feed = SimulatedFeed(composite.sources, start_ns=T0, speed=0, duration_ns=20 * SECOND)
    feeds = tap([feed], [composite])
    assert "composite:X" in feeds[0].markets
    runtime = Runtime(feeds, metrics=[parse_metric(n) for n in ("cvd(start)", "volume(1h)")], chart=True)
    await asyncio.wait_for(runtime.run(), 60)
    total = runtime.markets["composite:X"]
    members = [runtime.markets[name] for name in composite.members]
    summed = sum(m.value(parse_metric("volume(1h)")) or 0.0 for m in members)
    assert total.missing + len(total.prints) == sum(len(m.prints) for m in members)
    assert total.value(parse_metric("volume(1h)")) == pytest.approx(summed, rel=0.5)
    view = runtime.view("composite:X", ViewRequest(metrics=("cvd",)))
    assert view is not None
    assert [m.market for m in view.members] == list(composite.members)
    assert all(m.counted for m in view.members)
    assert sum(m.share or 0 for m in view.members) == pytest.approx(1)
    assert view.members[0].best_bid
    assert view.members[1].bid is None  # its prices are in another currency
    assert view.book.reason == "without sim"
    assert view.ladder.best_bid == members[0].order_book.best_bid
    assert {row.held_by for row in view.ladder.rows} <= {"", "S"}


class Silent:
    """A feed without history."""

    name, live, markets = "one", True, (A.market,)

    async def run(self, engine: Engine) -> None:
        engine.open(A)


async def test_feeds_stay_what_they_are() -> None:
    feeds: Sequence[object] = tap([Silent(), SimulatedFeed(["BTC/USDT"])], [TWO])
    assert not hasattr(feeds[0], "history")
    assert hasattr(feeds[1], "history")
    assert feeds[0].markets == [A.market, "composite:X"]
    assert feeds[1].markets == ["sim:BTC/USDT"]
    assert tap([Silent()], []) != []
