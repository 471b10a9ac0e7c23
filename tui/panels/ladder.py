"""The depth ladder: resting size on both sides of each price, and what traded there.

Prices stand still while the market moves through them (a centred ladder repaints everything at every tick);
the window is moved when the mid leaves its middle third, when asked, or always (follow).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, TypedDict

from textual.events import Click
from textual.message import Message

from engine.instrument import Instrument
from engine.view import EngineView, MarketView
from tui.panels import format as fmt
from tui.panels.base import RowPanel, Runs, fit
from tui.panels.ladder_rows import (
    GROUPS,
    Columns,
    PriceRow,
    SpreadRow,
    bar_scale,
    columns_for,
    label_row,
    ladder_rows,
    paint_price,
    starting_group,
)

Mode = Literal["auto", "follow", "free"]
LABELLED = 11  # rows below the title from which on the columns have names


class LadderRequest(TypedDict):
    """The fields of `engine.view.ViewRequest` that the ladder decides."""

    ladder_rows: int
    ladder_top: int | None
    group: int


class Ladder(RowPanel):
    """The depth ladder of one market. It also decides which prices the engine should send: `request_fields`."""

    TITLE = "DEPTH"
    CHANNEL = "book"

    def __init__(self, *, id: str | None = None, classes: str | None = None, group: int | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.mode: Mode = "auto"
        self.group = group or 1
        self._default_group = group  # None: by the price
        self._groups: dict[str, int] = {}  # of the markets seen
        self.top: int | None = None  # ticks of the first row; None: the engine centres
        self._scale = 1
        self._columns = Columns(8, 0, 0, 0, 0)
        self._ladder_market = ""
        self._instrument: Instrument | None = None

    def request_fields(self) -> LadderRequest:
        """What the next view should hold."""
        return {"ladder_rows": self._price_rows(), "ladder_top": self.top, "group": self.group}

    def _price_rows(self) -> int:
        # The header, the names of the columns and the spread take a row each.
        return max(1, self.size.height - 2 - (self.size.height > LABELLED))

    # ---- actions

    def coarser(self) -> None:
        """More ticks a row."""
        self._regroup(next((step for step in GROUPS if step > self.group), self.group))

    def finer(self) -> None:
        """Fewer ticks a row."""
        self._regroup(max((step for step in GROUPS if step < self.group), default=1))

    def recentre(self) -> None:
        """Bring the mid to the middle, and keep it about there again."""
        if self.mode == "free":
            self.mode = "auto"
        self._centre()
        self.update_rows()

    def toggle_follow(self) -> None:
        """Keep the mid in the middle at every frame, or stop doing so."""
        self.mode = "auto" if self.mode == "follow" else "follow"
        self._centre()
        self.update_rows()

    def scroll_rows(self, rows: int) -> None:
        """Look at other prices: positive is up. The window then stays until it is recentred."""
        if self.top is not None:
            self.mode = "free"
            self.top = max(self.group, self.top + rows * self.group)
            self.update_rows()

    def _regroup(self, group: int) -> None:
        if group != self.group:
            self.group = self._groups[self._ladder_market] = group
            self._centre()
            self.update_rows()

    class PriceChosen(Message):
        """A price was clicked twice."""

        def __init__(self, panel: str, price: float) -> None:
            super().__init__()
            self.panel = panel
            self.price = price

    def price_at(self, y: int) -> float | None:
        """The price of a row of the panel; None where there is none."""
        key = self._composed[y] if 0 <= y < len(self._composed) else None
        view = self.view
        return view.instrument.price(key.px) if isinstance(key, PriceRow) and view is not None else None

    def on_click(self, event: Click) -> None:
        """Twice on a price: someone wants to be called there."""
        price = self.price_at(event.y) if event.chain == 2 else None
        if price is not None:
            self.post_message(self.PriceChosen(self.id or "", price))

    # ---- where the window stands

    def _mid(self) -> int | None:
        ladder = self.view.ladder if self.view is not None else None
        if ladder is None or not ladder.ok or ladder.best_bid is None or ladder.best_ask is None:
            return None
        return (ladder.best_bid + ladder.best_ask) // 2

    def _centre(self) -> None:
        mid = self._mid()
        self.top = None if mid is None else -(-mid // self.group) * self.group + (self._price_rows() // 2) * self.group

    def _strayed(self, mid: int, top: int) -> bool:
        """Whether the mid has left the middle third of the window."""
        rows = self._price_rows()
        return not rows // 3 <= (top - mid) / self.group <= rows - rows // 3

    def present(self, view: MarketView | None, overview: EngineView | None, *, force: bool = False) -> int:
        """As every panel; the window is moved first, so that the next request already has it."""
        self.view = view
        market = view.instrument.market if view is not None else ""
        if market != self._ladder_market:
            self._ladder_market, self.top, self._scale = market, None, 1
            self.mode = "auto" if self.mode == "free" else self.mode
        mid = self._mid()
        if mid is not None:
            self.group = self._groups.setdefault(market, self._default_group or starting_group(mid))
            if self.top is None or self.mode == "follow" or (self.mode == "auto" and self._strayed(mid, self.top)):
                self._centre()
        return super().present(view, overview, force=force)

    # ---- rows

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Why there is no ladder: a book that is not valid is never drawn."""
        channel = view.book
        if channel.state == "NONE":
            return "this source carries no order book: trades, delta and VPIN still work"
        if not view.ladder.ok or not view.ladder.rows:
            reason = fmt.foreign(channel.reason) or "no data yet"
            return f"no order book now: {reason}. It is hidden rather than shown wrong."
        return None

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """Grouping, and the mode when it is not the usual one."""
        step = fmt.price(view.instrument.price(self.group), view.instrument.price_digits)
        mode = "" if self.mode == "auto" else f" {self.mode}"
        out = f", {fmt.foreign(view.book.reason)}" if view.members and view.book.reason else ""
        return (("dim", f"{step} a row{mode}{out}"),)

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """Names of the columns where there is room, then prices."""
        instrument = view.instrument
        price_width = max(len(instrument.price_text(row.px)) for row in (view.ladder.rows[0], view.ladder.rows[-1]))
        columns = columns_for(width, price_width)
        if columns != self._columns or instrument is not self._instrument:
            self._columns, self._instrument = columns, instrument
            self._strips.clear()
        self._scale = bar_scale(view.ladder.rows, self._scale)
        labels: list[Hashable] = [fit(label_row(columns), width)] if height >= LABELLED else []
        return labels + list(ladder_rows(view, columns, height - len(labels), self._scale, self._glyphs))

    def paint(self, key: Hashable, width: int) -> Runs:
        """A price, the spread, or runs."""
        if isinstance(key, SpreadRow):
            return (("mid", fmt.rule(key.text, width, self._glyphs)),)
        if isinstance(key, PriceRow) and self._instrument is not None:
            return paint_price(key, self._columns, self._instrument, self._glyphs)
        return super().paint(key, width)
