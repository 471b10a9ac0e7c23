"""One composite while it runs: what its members are told, on one tape in the order it came."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from connectors.composite.definition import VENUE, Composite, currencies
from engine.codes import Channel, Flag, Kind, Reason, Trust
from engine.feed import Engine, Sink
from engine.instrument import MAX_UNITS, Instrument
from engine.metrics.batch import Bools
from engine.tape import ROW, Rows

#: An observed rate so old no longer converts.
RATE_NS = 300_000_000_000
#: A member that has not been listed so long after the first is left out until it is.
PATIENCE_NS = 10_000_000_000
#: Base units of a lot where the amount of a trade depends on its price.
ROUNDED = Fraction(1, 10**8)
_CACHE = 20_000
_GOOD = (Trust.LIVE, Trust.UNVERIFIABLE)


class Joined:
    """One composite while it runs: takes what its members are told, and tells it to its own sink."""

    def __init__(self, composite: Composite, engine: Engine) -> None:
        self.composite = composite
        self._engine = engine
        self._base, self._quote = currencies(composite.members[0].partition(":")[2])
        self._known: dict[str, Instrument] = {}
        self._sink: Sink | None = None
        self._instrument: Instrument | None = None
        self._trust: dict[str, tuple[Trust, Reason]] = {}
        self._said: tuple[Trust, Reason] | None = None
        self._rates: dict[str, tuple[float, int]] = {}  # currency: (its worth in our quote, when)
        self._first = 0  # receive time of the first news
        self._days: dict[str, Fraction] = {}
        self._prices: dict[str, Fraction] = {}  # of inverse members
        self._id = 0
        self._texts: dict[int, str] = {}

    # ---- members

    def opened(self, instrument: Instrument) -> None:
        """A member's grid is known, or has changed."""
        if instrument.market in self.composite.members and self._known.get(instrument.market) != instrument:
            self._known[instrument.market] = instrument
            if self._sink is not None or len(self._known) == len(self.composite.members):
                self._open()

    def _open(self) -> None:
        known = self._known.values()
        tick = _common([Fraction(i.tick) for i in known if i.quote == self._quote] or [ROUNDED])
        lots = [Fraction(i.lot) * Fraction(i.contract) for i in known if i.kind != "inverse"]
        lots += [ROUNDED] if any(i.kind == "inverse" for i in known) else []
        before = self._instrument
        self._instrument = Instrument(
            VENUE,
            self.composite.symbol,
            _decimal(tick),
            _decimal(_common(lots)),
            "spot" if all(i.kind == "spot" for i in known) else "linear",
            base=self._base,
            quote=self._quote,
            simulated=all(i.simulated for i in known),
            members=self.composite.members,
        )
        if self._sink is None or before != self._instrument:
            self._sink = self._engine.open(self._instrument)
            self._texts.clear()
            self._said = None

    def _ready(self, recv: int) -> Sink | None:
        """Where to tell it; None while members are waited for."""
        if self._sink is None:
            self._first = self._first or recv
            if recv - self._first >= PATIENCE_NS and self._known:
                self._open()
        return self._sink

    # ---- what members are told

    def trade(self, member: Instrument, recv: int, ts: int, px: int, qty: int, side: int, flags: int) -> None:
        """A trade of `qty` lots at `px` ticks of a member, or of a market that tells a rate."""
        self._note_rate(member, ts, px, flags)
        if member.market not in self.composite.members or (sink := self._ready(recv)) is None:
            return
        if self._said is None:
            self._say(sink, recv, ts)
        converted = self._convert(member, ts, px, qty)
        if converted is None or max(converted) > MAX_UNITS:
            sink.hole(recv, ts, -1, 1)  # how much it was of ours nobody can say now, or it is absurd
            return
        self._id += 1
        sink.trade(recv, ts, self._id, self._price_text(converted[0]), self._size_text(converted[1]), side, flags)

    def rows(self, member: Instrument, rows: Rows) -> None:
        """What a member was told as rows: all of it at once where every trade converts the same way."""
        exact = member.quote == self._quote and member.kind != "inverse" and not self.composite.rates
        told = rows[_of_trades(rows)]
        if not len(told):
            return
        sink = self._ready(int(told["recv"][0]))
        ticks, lots = (1, 1) if sink is None or not exact else self._ratios(member)
        fits = int(told["px"].max()) * ticks <= MAX_UNITS and int(told["qty"].max()) * lots <= MAX_UNITS
        if not exact or sink is None or not fits or not (told["kind"] == Kind.TRADE).all():
            for r in told:
                self._row(member, r)
            return
        if self._said is None:
            self._say(sink, int(told["recv"][0]), int(told["ts"][0]))
        ours = np.zeros(len(told), ROW)
        for name in ("recv", "ts", "side", "kind", "channel"):
            ours[name] = told[name]
        ours["px"], ours["qty"] = told["px"] * ticks, told["qty"] * lots
        ours["flags"] = told["flags"] | Flag.LAST
        ours["id"] = self._id + 1 + np.arange(len(told))
        self._id += len(told)
        sink.apply(ours)

    def _row(self, member: Instrument, r: np.void) -> None:
        recv, ts, kind = int(r["recv"]), int(r["ts"]), int(r["kind"])
        if kind == Kind.TRADE:
            self.trade(member, recv, ts, int(r["px"]), int(r["qty"]), int(r["side"]), int(r["flags"]) & ~Flag.LAST)
        elif kind == Kind.HOLE:
            self.hole(member, recv, ts, int(r["qty"]))
        elif kind == Kind.DAY_VOLUME:
            self.day_volume(member, recv, ts, int(r["qty"]))
        else:
            aux = int(r["aux"])
            self.status(member, recv, ts, Trust(aux & 0xFF), Reason(aux >> 8))

    def hole(self, member: Instrument, recv: int, ts: int, count: int) -> None:
        """Trades of a member are missing."""
        if member.market in self.composite.members and (sink := self._ready(recv)) is not None:
            sink.hole(recv, ts, -1, count)

    def status(self, member: Instrument, recv: int, ts: int, trust: Trust, reason: Reason) -> None:
        """The trades of a member are to be relied on so far. The sum is LIVE while one of them is, and says when it is
        not all of them."""
        if member.market not in self.composite.members:
            return
        self._trust[member.market] = (trust, reason)
        if (sink := self._ready(recv)) is not None:
            self._say(sink, recv, ts)

    def _say(self, sink: Sink, recv: int, ts: int) -> None:
        states = list(self._trust.values())
        good = sum(trust in _GOOD for trust, _ in states)
        if good == len(self.composite.members):
            said = (Trust.LIVE, Reason.NONE)
        elif good:
            said = (Trust.LIVE, Reason.MEMBERS_OUT)
        else:
            said = states[-1] if states else (Trust.WARMING, Reason.NO_DATA_YET)
        if said != self._said:
            self._said = said
            sink.status(recv, ts, Channel.TRADES, *said)

    def day_volume(self, member: Instrument, recv: int, ts: int, lots: int) -> None:
        """A member's volume of 24 hours; the sum is told when all have told theirs."""
        if member.market not in self.composite.members:
            return
        amount = lots * Fraction(member.lot) * Fraction(member.contract)
        if member.kind == "inverse":
            price = self._prices.get(member.market)
            if price is None:
                return  # it is told again within the hour
            amount /= price
        self._days[member.market] = amount
        if len(self._days) == len(self.composite.members) and (sink := self._ready(recv)) is not None:
            assert self._instrument is not None
            total = round(sum(self._days.values()) / Fraction(self._instrument.lot))
            if total <= MAX_UNITS:  # else it stays unknown; the member's own is none the worse
                sink.day_volume(recv, ts, self._size_text(total))

    # ---- units

    def _ratios(self, member: Instrument) -> tuple[int, int]:
        """Our ticks and lots in one of a member's."""
        assert self._instrument is not None
        ticks = Fraction(member.tick) / Fraction(self._instrument.tick)
        lots = Fraction(member.lot) * Fraction(member.contract) / Fraction(self._instrument.lot)
        return int(ticks), int(lots)

    def _convert(self, member: Instrument, ts: int, px: int, qty: int) -> tuple[int, int] | None:
        """(ticks, lots) of ours; None while the rate is not known."""
        assert self._instrument is not None
        price = Fraction(member.tick) * px
        if member.kind == "inverse":
            if px <= 0:
                return None
            self._prices[member.market] = price
            lots = round(
                qty * Fraction(member.lot) * Fraction(member.contract) / price / Fraction(self._instrument.lot)
            )
        else:
            lots = qty * self._ratios(member)[1]
        if member.quote == self._quote:
            return px * self._ratios(member)[0], lots
        worth, at = self._rates.get(member.quote, (0.0, 0))
        if not worth or ts - at > RATE_NS:
            return None
        return round(price * Fraction(worth) / Fraction(self._instrument.tick)), lots

    def _note_rate(self, told: Instrument, ts: int, px: int, flags: int) -> None:
        for currency, market in self.composite.rates.items():
            if market == told.market and px > 0 and not flags & (Flag.NOT_FLOW | Flag.REPLAYED):
                price = told.price(px)
                self._rates[currency] = (price if told.base == currency else 1 / price, ts)

    def _price_text(self, ticks: int) -> str:
        text = self._texts.get(ticks)
        if text is None:
            assert self._instrument is not None
            if len(self._texts) > _CACHE:
                self._texts.clear()
            text = self._texts[ticks] = f"{ticks * self._instrument.tick:f}"
        return text

    def _size_text(self, lots: int) -> str:
        assert self._instrument is not None
        return f"{lots * self._instrument.lot:f}"


def _common(steps: Sequence[Fraction]) -> Fraction:
    """The largest step that all of them are multiples of."""
    down = lcm(*(step.denominator for step in steps))
    return Fraction(gcd(*(int(step * down) for step in steps)), down)


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


def _of_trades(rows: Rows) -> Bools:
    """Which rows are trades, or tell of them."""
    said: Bools = (rows["kind"] == Kind.STATUS) & (rows["channel"] == Channel.TRADES)
    return said | np.isin(rows["kind"], (Kind.TRADE, Kind.HOLE, Kind.DAY_VOLUME))
