"""The tape: prints, newest first; those of one taker order are one row.

Nobody reads ten screens of prints a second, and a scrolling list is the dearest thing to send: the tape looks at
a new view five times a second at most.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypedDict

from engine.codes import Flag
from engine.instrument import Instrument
from engine.view import EngineView, MarketView, TradeView
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.glyphs import Glyphs

MILLISECOND = 1_000_000
#: The engine is asked for no more prints than this, however high the panel.
MOST_PRINTS = 400
#: Below so many prints a percentile says nothing.
ENOUGH = 20
#: Smallest prints to show, in quote currency.
MINIMA = (0.0, 1e3, 1e4, 1e5, 1e6)
SIZE = 7


class TapeRequest(TypedDict):
    """The fields of `engine.view.ViewRequest` that the tape decides."""

    tape_rows: int
    tape_min: int


class Print(NamedTuple):
    """Key of one row: prints of the same millisecond, side and kind, together."""

    t: int
    px: int  # of the newest
    far: int  # of the oldest: a sweep moved from here
    qty: int
    prints: int
    side: int
    flags: int
    id: int  # of the newest: two rows never share a key
    large: bool


def aggregate(trades: Sequence[TradeView], rows: int) -> list[Print]:
    """At most `rows` prints, newest first, out of trades newest first."""
    out: list[Print] = []
    for trade in trades:
        flags = trade.flags & ~Flag.LAST
        if out:
            last = out[-1]
            if last.t // MILLISECOND == trade.t // MILLISECOND and (last.side, last.flags) == (trade.side, flags):
                out[-1] = last._replace(far=trade.px, qty=last.qty + trade.qty, prints=last.prints + 1)
                continue
        if len(out) == rows:
            break
        out.append(Print(trade.t, trade.px, trade.px, trade.qty, 1, trade.side, flags, trade.id, False))
    return out


def mark_large(prints: Sequence[Print], threshold: int | None) -> list[Print]:
    """The same prints; those of at least `threshold` lots (None: the 99th percentile of these) are large."""
    if threshold is None:
        if len(prints) < ENOUGH:
            return list(prints)
        sizes = sorted(each.qty for each in prints)
        threshold = sizes[min(len(sizes) - 1, len(sizes) * 99 // 100)]
    return [each._replace(large=True) if each.qty >= threshold else each for each in prints]


def minimum_lots(quote: float, view: MarketView) -> int | None:
    """The least lots worth `quote` units of the quote currency at the last price; None while that is unknown."""
    instrument = view.instrument
    lot = instrument.amount(1)
    if instrument.kind != "inverse":
        px = view.tape[0].px if view.tape else view.ladder.best_bid
        if not px or px <= 0:
            return None
        lot *= instrument.price(px)
    return math.ceil(quote / lot)


def mark_of(flags: int) -> str:
    """What sets a print apart: N not order flow, H replayed history, L liquidation, R recovered by REST."""
    if flags & Flag.NOT_FLOW:
        return "N"
    if flags & Flag.REPLAYED:
        return "H"
    if flags & Flag.LIQUIDATED:
        return "L"
    return "R" if flags & Flag.RECOVERED else " "


def paint_print(key: Print, width: int, price_width: int, instrument: Instrument, glyphs: Glyphs) -> Runs:
    """time | arrow, letter of the side, price, size | count and marks; large prints bold, with a mark."""
    counted = bool(key.flags & (Flag.NOT_FLOW | Flag.REPLAYED))
    role: Role = "dim"
    if not counted:
        role = "large" if key.large else "buy" if key.side > 0 else "sell" if key.side < 0 else "text"
    arrow, letter = (glyphs.up, "B") if key.side > 0 else (glyphs.down, "S") if key.side < 0 else (" ", "?")
    time = fmt.clock(key.t, millis=width >= price_width + SIZE + 24)
    size = fmt.size(instrument.amount(key.qty), SIZE)
    price = instrument.price_text(key.px).rjust(price_width)
    large = glyphs.poc if key.large else " "
    count = f"{glyphs.times}{key.prints}" if key.prints > 1 else ""
    start, trade, end = f" {time} ", f"{arrow}{letter} {price} {size}{large}", f"{mark_of(key.flags)} {count}"
    if key.px != key.far:
        ticks = abs(key.px - key.far)
        swept = f" {ticks} tick{'s' if ticks > 1 else ''}"
        if len(start) + len(trade) + len(end) + len(swept) <= width:
            end += swept
    return (("dim", start), (role, trade), ("dim", end))


class Tape(RowPanel):
    """Prints of one market."""

    TITLE = "TAPE"
    CHANNEL = "trades"
    HZ = 5.0

    def __init__(self, *, id: str | None = None, classes: str | None = None, minimum: float = 0.0) -> None:
        super().__init__(id=id, classes=classes)
        self.minimum = minimum  # of a print, in quote currency
        # The limit in lots stays while the price is unknown: it is, when the filter hides every print.
        self._filtered: tuple[str, float] = ("", 0.0)
        self._lots = 0
        self.large_lots: int | None = None  # None: the 99th percentile of what is shown
        self._instrument: Instrument | None = None
        self._price_width = 8

    def request_fields(self) -> TapeRequest:
        """What the next view should hold: some more prints than rows, as several make one row."""
        rows = min(MOST_PRINTS, max(ENOUGH, 4 * self.size.height))
        if self.view is None:
            return {"tape_rows": rows, "tape_min": 0}
        filtered = (self.view.instrument.market, self.minimum)
        lots = minimum_lots(self.minimum, self.view)
        if lots is not None or filtered != self._filtered:
            self._filtered, self._lots = filtered, lots or 0
        return {"tape_rows": rows, "tape_min": self._lots}

    def cycle_minimum(self) -> None:
        """The next higher of MINIMA, round and round."""
        self.minimum = next((minimum for minimum in MINIMA if minimum > self.minimum), MINIMA[0])
        self.update_rows()

    def _minimum_text(self) -> str:
        unit = fmt.foreign(self.view.instrument.quote, 8) if self.view is not None else ""
        return f"{fmt.size(self.minimum, 5).strip()} {unit}".rstrip()

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The filter, and what is known to be missing."""
        parts = [f"{self._glyphs.at_least} {self._minimum_text()}"] if self.minimum else []
        if view.holes:
            parts.append(f"{fmt.count(view.holes)} missing")
        return (("dim", ", ".join(parts) or "B buy  S sell"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Whether there is any print."""
        if view.tape:
            return None
        if view.trades.state == "NONE":
            return "this source carries no trades"
        if self.minimum:
            return f"no trade of at least {self._minimum_text()} yet: x shows smaller ones"
        return f"no trades yet: {fmt.foreign(view.trades.reason) or 'waiting for the first one'}"

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """Prints, newest first."""
        instrument = view.instrument
        # Wide enough for every price that is shown, and never narrower again: columns must not jump.
        price_width = max(len(instrument.price_text(trade.px)) for trade in (view.tape[0], view.tape[-1]))
        if instrument is not self._instrument:
            self._instrument, self._price_width = instrument, price_width
            self._strips.clear()
        elif price_width > self._price_width:
            self._price_width = price_width
            self._strips.clear()
        return mark_large(aggregate(view.tape, height), self.large_lots)

    def paint(self, key: Hashable, width: int) -> Runs:
        """A print, or runs."""
        if isinstance(key, Print) and self._instrument is not None:
            return paint_print(key, width, self._price_width, self._instrument, self._glyphs)
        return super().paint(key, width)
