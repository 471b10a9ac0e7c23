"""What a contract has besides book and trades: liquidations on a socket of their own, and figures asked for by REST."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from connectors.live.session import MarketSession
from connectors.live.timing import VenueClock
from connectors.live.wire import BookMessage, Figures, Liquidation, TradeMessage
from engine.codes import Channel, Kind, Reason, Trust
from engine.feed import Engine
from engine.instrument import Instrument, OffGridError


class ContractSession:
    """One market on the connection that carries liquidations (a `connectors.live.connection.Served`).

    `market` is the session of its trades and book, which may change its grid while it runs.
    """

    def __init__(
        self,
        market: MarketSession,
        engine: Engine,
        venue_clock: VenueClock,
        *,
        clock: Callable[[], int],
        hears: bool,
    ) -> None:
        self._market, self._engine = market, engine
        self._venue_clock, self._clock = venue_clock, clock
        self.channels = (Channel.LIQUIDATIONS,)
        self.resubscribe: Callable[[ContractSession, Channel], None] = lambda _session, _channel: None
        self._bad = False
        if hears:  # liquidations come as trades
            self._say(Trust.LIVE)

    @property
    def instrument(self) -> Instrument:
        """The market."""
        return self._market.instrument

    # ---- liquidations

    def connecting(self) -> None:
        """See Served."""
        self._say(Trust.WARMING, Reason.CONNECTING)

    def subscribed(self) -> None:
        """See Served. None for hours is nothing unusual, so the acknowledgement is all the proof there can be."""
        self._say(Trust.LIVE)

    def disconnected(self) -> None:
        """See Served."""
        self._say(Trust.STALE, Reason.DISCONNECTED)

    def ended(self) -> None:
        """See Served."""
        self._say(Trust.STALE, Reason.DELISTED)

    def liquidation(self, recv: int, m: Liquidation) -> None:
        """See Served."""
        try:
            price = self._nearest(m.price) if m.average else m.price
            self._engine.open(self.instrument).liquidation(recv, m.ts, price, m.size, m.side)
        except OffGridError as e:
            self._tell_once(f"a liquidation was skipped: {e}")

    def _nearest(self, price: str) -> str:
        """An average of fills lies between the ticks."""
        try:
            value = Decimal(price)
        except InvalidOperation:
            return price  # the sink says what is wrong with it
        if not value.is_finite() or value.adjusted() > 20:
            return price
        tick = self.instrument.tick
        return str((value / tick).to_integral_value() * tick)

    def unreadable(self, channel: Channel | None, error: Exception) -> None:
        """See Served. What was lost was one of few: that some are missing is known anyway."""
        self._tell_once(f"a liquidation could not be read: {error}")

    def tainted(self, reason: Reason) -> None:
        """See Served. Liquidations are a lower bound as it is."""
        self._tell_once("liquidations may be missing: the venue skipped messages")

    def book(self, recv: int, m: BookMessage) -> None:
        """Not asked for on this socket."""

    def trades(self, recv: int, m: TradeMessage) -> None:
        """Not asked for on this socket."""

    # ---- figures

    def figures(self, told: Figures) -> None:
        """What REST has told."""
        recv = self._clock()
        ts = told.ts or self._venue_clock.now(recv)
        sink = self._engine.open(self.instrument)
        for kind, text, due in (
            (Kind.MARK, told.mark, 0),
            (Kind.INDEX, told.index, 0),
            (Kind.FUNDING, told.funding, told.due),
            (Kind.OPEN_INTEREST, told.open_interest, 0),
        ):
            if text is not None:
                try:
                    sink.reading(recv, ts, kind, text, due)
                except ValueError as e:
                    self._tell_once(f"the venue tells what is no figure: {e}")

    def _say(self, trust: Trust, reason: Reason = Reason.NONE) -> None:
        recv = self._clock()
        self._engine.open(self.instrument).status(
            recv, self._venue_clock.now(recv), Channel.LIQUIDATIONS, trust, reason
        )

    def _tell_once(self, text: str) -> None:
        if not self._bad:
            self._bad = True
            self._engine.notice(self.instrument.market, text)
