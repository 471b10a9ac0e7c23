"""An engine that writes down what a feed tells it, with books as plain dictionaries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from engine.feed import Levels
from engine.instrument import Instrument
from engine.reading import to_decimal
from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust

Said = tuple[Channel, Trust, Reason]


@dataclass(frozen=True)
class SeenTrade:
    """One trade as the sink got it."""

    id: int
    price: str
    size: str
    side: int
    flags: int
    ts: int


@dataclass
class RecordingSink:
    """`engine.feed.Sink`; the book is {price text: size}, empty while it is not valid."""

    instrument: Instrument
    bids: dict[str, float] = field(default_factory=dict)
    asks: dict[str, float] = field(default_factory=dict)
    valid: bool = False
    seq: int = -1
    trades: list[SeenTrade] = field(default_factory=list)
    holes: list[tuple[int, int]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # trades and holes in the order they came
    said: list[Said] = field(default_factory=list)
    clocks: list[tuple[int, int]] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    liquidations: list[tuple[str, str, int]] = field(default_factory=list)
    readings: dict[Kind, tuple[str, int]] = field(default_factory=dict)  # the newest of each kind: text, when due
    snapshots: int = 0
    t: int = 0
    last_trade_id: int | None = None
    updates: int = 0

    def apply(self, rows: Rows) -> None:
        raise AssertionError("a live connector speaks in messages")

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        self._check(bids, asks)
        self.bids, self.asks = {}, {}
        self.valid, self.snapshots = True, self.snapshots + 1
        self._update(seq, bids, asks)

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        if self.valid:
            self._check(bids, asks)
            self.updates += 1
            self._update(seq, bids, asks)

    def trade(self, recv: int, ts: int, trade_id: int, px: str, size: str, side: int, flags: int = 0) -> None:
        self.instrument.ticks(px)
        self.instrument.lots(size)
        self.trades.append(SeenTrade(trade_id, px, size, side, flags, ts))
        self.last_trade_id = trade_id
        self.events.append(f"{trade_id}{'r' if flags & Flag.RECOVERED else ''}")

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        self.holes.append((first_id, count))
        self.events.append(f"hole {first_id}+{count}")

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        self.said.append((channel, trust, reason))
        if channel is Channel.BOOK and trust not in (Trust.LIVE, Trust.UNVERIFIABLE):
            self._clear()

    def clock(self, recv: int, ts: int) -> None:
        self.clocks.append((recv, ts))

    def day_volume(self, recv: int, ts: int, size: str) -> None:
        self.instrument.lots(size)
        self.volumes.append(size)

    def liquidation(self, recv: int, ts: int, px: str, size: str, side: int) -> None:
        self.instrument.ticks(px)
        self.instrument.lots(size)
        self.liquidations.append((px, size, side))

    def reading(self, recv: int, ts: int, kind: Kind, value: str, due: int = 0) -> None:
        to_decimal(kind, value)
        self.readings[kind] = (value, due)

    @property
    def crossed(self) -> bool:
        return bool(self.bids and self.asks) and max(map(Decimal, self.bids)) >= min(map(Decimal, self.asks))

    # ---- what tests ask

    def trust(self, channel: Channel) -> tuple[Trust, Reason] | None:
        """What was last said of a channel."""
        return next(((t, r) for c, t, r in reversed(self.said) if c is channel), None)

    @property
    def live(self) -> bool:
        """Whether the book is to be relied on."""
        return self.trust(Channel.BOOK) == (Trust.LIVE, Reason.NONE)

    def reasons(self, channel: Channel) -> list[Reason]:
        """Every reason given for a channel, in order."""
        return [r for c, _, r in self.said if c is channel]

    @property
    def ids(self) -> list[int]:
        """Trade ids in the order they came."""
        return [t.id for t in self.trades]

    def _check(self, bids: Levels, asks: Levels) -> None:
        try:
            for price, _ in [*bids, *asks]:
                self.instrument.ticks(price)
        except ValueError:
            self._clear()
            raise

    def _update(self, seq: int, bids: Levels, asks: Levels) -> None:
        self.seq = seq
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def _clear(self) -> None:
        self.bids, self.asks, self.valid = {}, {}, False


class RecordingEngine:
    """`engine.feed.Engine` over recording sinks."""

    def __init__(self) -> None:
        self.sinks: dict[str, RecordingSink] = {}
        self.notices: list[tuple[str, str]] = []

    def open(self, instrument: Instrument) -> RecordingSink:
        known = self.sinks.get(instrument.market)
        if known is None or known.instrument != instrument:
            self.sinks[instrument.market] = known = RecordingSink(instrument)
        return known

    def notice(self, source: str, text: str) -> None:
        self.notices.append((source, text))

    def restart(self, market: str) -> None:
        self.sinks.pop(market, None)

    async def drained(self) -> None:
        await asyncio.sleep(0)

    def told(self, text: str) -> bool:
        """Whether a notice contains this."""
        return any(text in said for _, said in self.notices)
