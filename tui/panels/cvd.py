"""Cumulative volume delta under the price, on one time axis.

Each column is a bucket of time on an absolute grid, so that only the newest one changes between two scrolls.
The part of the CVD line above zero has the colour of buys, the part below that of sells.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypedDict

from engine.view import EngineView, MarketView, SeriesView
from tui.panels import canvas
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.glyphs import Glyphs

#: Timeframes: ns a column stands for.
STEPS = (1 * fmt.NS, 5 * fmt.NS, 15 * fmt.NS, 60 * fmt.NS, 300 * fmt.NS)
LABEL = 10  # cells of the axis labels
Bounds = tuple[float, float]


class SeriesRequest(TypedDict):
    """The fields of `engine.view.ViewRequest` that the chart decides."""

    series_step: int
    series_columns: int


def step_text(step: int) -> str:
    """A timeframe as people write it: 5s, 1m."""
    seconds = step / fmt.NS
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    return f"{seconds / 60:.0f}m" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g}s"


def extremes(*columns: Sequence[float | None]) -> Bounds | None:
    """Least and greatest of what is known, None when nothing is."""
    values = [value for column in columns for value in column if fmt.known(value) and value is not None]
    return (min(values), max(values)) if values else None


def last_known(values: Sequence[float | None]) -> float | None:
    """The newest value there is."""
    return next((value for value in reversed(values) if fmt.known(value)), None)


def direction(values: Sequence[float | None]) -> int:
    """+1 when the last known value is above the first one, -1 below, 0 equal or unknown."""
    seen = [value for value in values if value is not None]
    return (seen[-1] > seen[0]) - (seen[-1] < seen[0]) if seen else 0


def clip_series(series: SeriesView, columns: int) -> SeriesView:
    """The newest `columns` buckets; fewer are padded on the left, so that now is always at the right edge."""
    have = len(series.price)
    if have == columns:
        return series
    spare = max(0, columns - have)
    cut = max(0, have - columns)

    def values(column: tuple[float | None, ...]) -> tuple[float | None, ...]:
        return (None,) * spare + column[cut:]

    return SeriesView(
        step=series.step,
        start=series.start + (cut - spare) * series.step,
        price=values(series.price),
        high=values(series.high),
        low=values(series.low),
        cvd=values(series.cvd),
        cvd_high=values(series.cvd_high),
        cvd_low=values(series.cvd_low),
        buy=(0.0,) * spare + series.buy[cut:],
        sell=(0.0,) * spare + series.sell[cut:],
        hole=(False,) * spare + series.hole[cut:],
    )


def chart_rows(
    values: tuple[Sequence[float | None], Sequence[float | None], Sequence[float | None]],
    bounds: Bounds,
    width: int,
    height: int,
    glyphs: Glyphs,
    labels: tuple[str, str],
    roles: tuple[Role, Role],
    zero: bool,
) -> list[Runs]:
    """One chart: (close, low, high) as a line, labels (top, bottom) right of it; roles above and below zero."""
    strokes = canvas.spans(*values, bounds, height, glyphs.name)
    level = canvas.level_dot(0.0, bounds, height, glyphs.name) if zero else None
    texts = canvas.draw(strokes, width, height, glyphs.name, level)
    down = canvas.DOTS[glyphs.name][1]
    if zero and bounds[1] <= 0:
        zero_row = -1  # all below
    elif zero and level is not None:
        zero_row = height - 1 - level // down
    else:
        zero_row = height
    rows: list[Runs] = []
    for index, text in enumerate(texts):
        label = labels[0] if index == 0 else labels[1] if index == height - 1 else ""
        if not label and index == zero_row:
            label = "0"
        role = roles[0] if index <= zero_row else roles[1]
        rows.append(((role, text), ("dim", fmt.right(label, LABEL))))
    return rows


def axis_row(series: SeriesView, width: int, glyphs: Glyphs) -> Runs:
    """Times of both ends and of the middle; holes in the trades are marked in their column."""
    across = canvas.DOTS[glyphs.name][0]
    end = series.start + series.step * len(series.price)
    chars = list(fmt.left(fmt.clock(series.start), width)) if width >= 8 else [" "] * width
    for at, text in ((width // 2 - 4, fmt.clock((series.start + end) // 2)), (width - 8, fmt.clock(end))):
        if at >= 10 and (at == width - 8 or width >= 34):
            chars[at : at + 8] = text
    marked = {index // across for index, hole in enumerate(series.hole) if hole and index // across < width}
    if not marked:
        return (("dim", "".join(chars)),)
    runs: list[tuple[Role, str]] = []
    for index, char in enumerate(chars):
        role: Role = "alert" if index in marked else "dim"
        shown = glyphs.hole if index in marked else char
        if runs and runs[-1][0] == role:
            runs[-1] = (role, runs[-1][1] + shown)
        else:
            runs.append((role, shown))
    return tuple(runs)


class CvdChart(RowPanel):
    """Price and CVD of the session, or CVD alone where there is little room."""

    TITLE = "CVD"
    CHANNEL = "trades"
    HZ = 5.0

    def __init__(self, *, id: str | None = None, classes: str | None = None, step: int = STEPS[0]) -> None:
        super().__init__(id=id, classes=classes)
        self.step = step
        self._bounds: dict[tuple[str, str, int], Bounds] = {}  # of the axes in use: market, what, step

    def request_fields(self) -> SeriesRequest:
        """What the next view should hold."""
        return {"series_step": self.step, "series_columns": max(1, self._buckets(self.size.width))}

    def _buckets(self, width: int) -> int:
        return canvas.dot_columns(max(1, width - LABEL), self._glyphs.name)

    def shift_step(self, by: int) -> None:
        """A shorter (negative) or longer timeframe, out of STEPS."""
        nearest = min(range(len(STEPS)), key=lambda i: abs(STEPS[i] - self.step))
        self.step = STEPS[max(0, min(len(STEPS) - 1, nearest + by))]

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Whether any trade was seen."""
        if view.trades.state == "NONE":
            return "this source carries no trades: there is no delta to show"
        if extremes(view.series.cvd) is None:
            return f"no trades yet: {fmt.foreign(view.trades.reason) or 'waiting for the first one'}"
        return None

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """Value and direction of the CVD, the price, the timeframe."""
        series, glyphs = view.series, self._glyphs
        value = last_known(series.cvd)
        if value is None:
            return (("dim", step_text(self.step)),)
        turn = direction(series.cvd)
        arrow = glyphs.up if turn > 0 else glyphs.down if turn < 0 else " "
        role: Role = "buy" if turn > 0 else "sell" if turn < 0 else "text"
        last = fmt.price(last_known(series.price), view.instrument.price_digits)
        unit = fmt.foreign(view.instrument.unit, 8)
        shown = fmt.signed(value, 7)
        if series.warmed:
            shown = "~" + shown.strip()
        return ((role, f"{shown} {unit} {arrow}"), ("dim", f" {last} {step_text(series.step)}"))

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """Price over CVD from 9 rows on, each at least 4 high; the last row is the time axis."""
        glyphs = self._glyphs
        plot = max(1, width - LABEL)
        series = clip_series(view.series, self._buckets(width))
        if height <= 1:
            return []
        room = height - 1
        price_height = room * 11 // 20 if room >= 8 else 0
        rows: list[Hashable] = []
        if price_height:
            rows += self._price_rows(view, series, plot, price_height)
        rows += self._cvd_rows(view, series, plot, room - price_height)
        rows.append((*axis_row(series, plot, glyphs), ("dim", fmt.right("UTC", LABEL))))
        return rows

    def _axis(self, view: MarketView, what: str, found: Bounds, least: float) -> Bounds:
        key = (view.instrument.market, what, view.series.step)
        if key not in self._bounds and len(self._bounds) > 64:
            self._bounds.clear()
        bounds = canvas.nice_range(*found, self._bounds.get(key), least)
        self._bounds[key] = bounds
        return bounds

    def _price_rows(self, view: MarketView, series: SeriesView, width: int, height: int) -> list[Runs]:
        found = extremes(series.price, series.low, series.high)
        if found is None:
            return [()] * height
        bounds = self._axis(view, "price", found, 4 * view.instrument.price(1))
        digits = view.instrument.price_digits
        labels = (fmt.price(bounds[1], digits), fmt.price(bounds[0], digits))
        values = (series.price, series.low, series.high)
        return chart_rows(values, bounds, width, height, self._glyphs, labels, ("mid", "mid"), zero=False)

    def _cvd_rows(self, view: MarketView, series: SeriesView, width: int, height: int) -> list[Runs]:
        found = extremes(series.cvd, series.cvd_low, series.cvd_high)
        if found is None:
            return [()] * height
        bounds = self._axis(view, "cvd", found, 4 * view.instrument.amount(1))
        labels = (fmt.signed(bounds[1], 8), fmt.signed(bounds[0], 8))
        values = (series.cvd, series.cvd_low, series.cvd_high)
        return chart_rows(values, bounds, width, height, self._glyphs, labels, ("buy", "sell"), zero=True)
