"""Composites beside their members: feeds whose markets are summed, and the engine they see."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.composite.definition import VENUE, Composite
from connectors.composite.joined import Joined
from engine.codes import Channel, Kind, Reason, Trust
from engine.feed import Engine, Feed, Levels, Sink
from engine.history import Bars, History, HistoryError
from engine.instrument import Instrument
from engine.tape import Rows

#: Price texts of a member whose ticks are remembered.
_CACHE = 20_000


class Told:
    """The sink of a market that is summed somewhere: tells everything on."""

    def __init__(self, sink: Sink, instrument: Instrument, joined: Sequence[Joined]) -> None:
        self.sink, self.instrument, self._joined = sink, instrument, joined
        self._ticks: dict[str, int] = {}

    def apply(self, rows: Rows) -> None:
        """See Sink."""
        self.sink.apply(rows)
        for joined in self._joined:
            joined.rows(self.instrument, rows)

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink."""
        self.sink.snapshot(recv, ts, seq, bids, asks)

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink."""
        self.sink.book(recv, ts, seq, bids, asks)

    def trade(self, recv: int, ts: int, trade_id: int, px: str, size: str, side: int, flags: int = 0) -> None:
        """See Sink."""
        self.sink.trade(recv, ts, trade_id, px, size, side, flags)  # refuses what is off the grid
        ticks = self._ticks.get(px)
        if ticks is None:
            if len(self._ticks) > _CACHE:
                self._ticks.clear()
            ticks = self._ticks[px] = self.instrument.ticks(px)
        lots = self.instrument.lots(size)
        for joined in self._joined:
            joined.trade(self.instrument, recv, ts, ticks, lots, side, flags)

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """See Sink."""
        self.sink.hole(recv, ts, first_id, count)
        for joined in self._joined:
            joined.hole(self.instrument, recv, ts, count)

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        """See Sink."""
        self.sink.status(recv, ts, channel, trust, reason, percent)
        if channel is Channel.TRADES:
            for joined in self._joined:
                joined.status(self.instrument, recv, ts, trust, reason)

    def clock(self, recv: int, ts: int) -> None:
        """See Sink."""
        self.sink.clock(recv, ts)

    def day_volume(self, recv: int, ts: int, size: str) -> None:
        """See Sink."""
        self.sink.day_volume(recv, ts, size)
        for joined in self._joined:
            joined.day_volume(self.instrument, recv, ts, self.instrument.lots(size))

    def liquidation(self, recv: int, ts: int, px: str, size: str, side: int) -> None:
        """See Sink."""
        self.sink.liquidation(recv, ts, px, size, side)

    def reading(self, recv: int, ts: int, kind: Kind, value: str, due: int = 0) -> None:
        """See Sink."""
        self.sink.reading(recv, ts, kind, value, due)

    @property
    def crossed(self) -> bool:
        """See Sink."""
        return self.sink.crossed

    @property
    def t(self) -> int:
        """See Sink."""
        return self.sink.t

    @property
    def last_trade_id(self) -> int | None:
        """See Sink."""
        return self.sink.last_trade_id


class Hub:
    """The composites of a run, shared by the feeds of their members. An `Engine` in front of the engine."""

    def __init__(self, composites: Sequence[Composite]) -> None:
        self.composites = tuple(composites)
        self._engine: Engine | None = None
        self._joined: list[Joined] = []
        self._told: dict[str, Told] = {}

    def over(self, engine: Engine) -> Hub:
        """Stand in front of this engine."""
        if self._engine is not engine:
            self._engine = engine
            self._joined = [Joined(composite, engine) for composite in self.composites]
            self._told.clear()
        return self

    def open(self, instrument: Instrument) -> Sink:
        """See Engine."""
        assert self._engine is not None
        sink = self._engine.open(instrument)
        joined = [j for j in self._joined if instrument.market in j.composite.sources]
        if not joined:
            return sink
        known = self._told.get(instrument.market)
        if known is None or known.sink is not sink or known.instrument != instrument:
            self._told[instrument.market] = known = Told(sink, instrument, joined)
            for each in joined:
                each.opened(instrument)
        return known

    def notice(self, source: str, text: str) -> None:
        """See Engine."""
        assert self._engine is not None
        self._engine.notice(source, text)

    def restart(self, market: str) -> None:
        """See Engine."""
        assert self._engine is not None
        self._told.pop(market, None)
        self._engine.restart(market)

    async def drained(self) -> None:
        """See Engine."""
        assert self._engine is not None
        await self._engine.drained()


class Tapped:
    """A feed whose markets are summed; the first of them also answers for the composites."""

    def __init__(self, feed: Feed, hub: Hub, *, first: bool) -> None:
        self._feed, self._hub, self._first = feed, hub, first

    @property
    def name(self) -> str:
        """The feed's."""
        return self._feed.name

    @property
    def live(self) -> bool:
        """As the feed."""
        return self._feed.live

    @property
    def markets(self) -> Sequence[str]:
        """Those of the feed, and the composites."""
        return [*self._feed.markets, *(c.market for c in self._hub.composites if self._first)]

    async def run(self, engine: Engine) -> None:
        """As the feed."""
        await self._feed.run(self._hub.over(engine))


class TappedHistory(Tapped):
    """The same of a feed that knows what traded before."""

    def __init__(self, feed: Feed, hub: Hub, *, first: bool) -> None:
        super().__init__(feed, hub, first=first)
        assert isinstance(feed, History)
        self._history: History = feed

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """As the feed; of a composite nobody has kept bars."""
        if instrument.venue == VENUE:
            raise HistoryError("nobody keeps bars of a composite")
        return await self._history.history(instrument, step, count)


def tap(feeds: Sequence[Feed], composites: Sequence[Composite]) -> list[Feed]:
    """The feeds, with the composites of their markets."""
    if not composites:
        return list(feeds)
    hub = Hub(composites)
    return [
        (TappedHistory if isinstance(feed, History) else Tapped)(feed, hub, first=i == 0)
        for i, feed in enumerate(feeds)
    ]
