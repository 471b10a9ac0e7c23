"""The markets strip: one cell for each market, with what makes one look there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.cells import cell_len

from engine.view import MarketSummary
from tui.panels import format as fmt
from tui.panels.base import TRUSTED, Role, RowPanel, Run, Runs, message_rows
from tui.panels.glyphs import Glyphs

#: How much a cell says, most first; the first one with which all markets fit is used.
FULL, SHORT, NAME = 2, 1, 0


def trust_word(summary: MarketSummary) -> str:
    """The state of the worse channel when one cannot be trusted, else empty."""
    for name, channel in (("book", summary.book), ("trades", summary.trades)):
        if channel.state not in TRUSTED and channel.state != "NONE":
            return f"{name} {channel.state}"
    return ""


def cell(summary: MarketSummary, selected: bool, detail: int, glyphs: Glyphs) -> Runs:
    """One market: mark, name, SIMULATED, trust, price, delta of a minute, VPIN, number of firing alerts."""
    mark = glyphs.best_ask if selected else " "
    name = fmt.foreign(summary.market, 32 if detail else 16)
    label = (" SIMULATED" if detail == FULL else " SIM") if summary.simulated else ""
    runs: list[Run] = [("focus" if selected else "text", f"{mark}{name}"), ("dim", f"{label} ")]
    trust = trust_word(summary)
    if trust:
        runs += [("alert", trust if detail == FULL else "!"), ("text", " ")]
    elif detail >= SHORT:
        runs.append(("text", f"{fmt.price(summary.last, summary.digits)} "))
    if detail == FULL and not trust:
        delta = summary.delta
        role: Role = "text" if not delta else "buy" if delta > 0 else "sell"
        runs.append((role, f"{fmt.signed(delta, 7)} "))
        runs.append(("text", f"VPIN {fmt.fixed(summary.vpin, 4, 2)} "))
    if summary.firing:
        runs += [("alert", f"{summary.firing} firing" if detail == FULL else f"!{summary.firing}"), ("text", " ")]
    return tuple(runs)


def _cells(runs: Runs) -> int:
    return sum(cell_len(text) for _, text in runs)


def strip_row(markets: Sequence[MarketSummary], selected: str | None, width: int, glyphs: Glyphs) -> Runs:
    """All cells in one row; where they do not fit, those around the selected one, with how many are out of sight."""
    if not markets:
        return (("dim", " no market yet"),)
    at = next((i for i, summary in enumerate(markets) if summary.market == selected), 0)
    shown: list[Runs] = []
    for detail in (FULL, SHORT, NAME):
        shown = [cell(summary, i == at, detail, glyphs) for i, summary in enumerate(markets)]
        if sum(map(_cells, shown)) <= width:
            return tuple(run for runs in shown for run in runs)
    first, last, room = at, at + 1, width - _cells(shown[at]) - 8
    while True:
        if last < len(shown) and _cells(shown[last]) <= room:
            room -= _cells(shown[last])
            last += 1
        elif first > 0 and _cells(shown[first - 1]) <= room:
            first -= 1
            room -= _cells(shown[first])
        else:
            break
    before: Runs = (("dim", f"+{first} "),) if first else ()
    after: Runs = (("dim", f"+{len(shown) - last}"),) if last < len(shown) else ()
    return (*before, *(run for runs in shown[first:last] for run in runs), *after)


class Strip(RowPanel):
    """One row: the markets. The app sets `current` to the market the other panels show."""

    DEFAULT_CSS = "Strip { height: 1; }"
    HZ = 2.0
    can_focus = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.current: str | None = None

    def body(self, width: int, height: int) -> Sequence[Hashable]:
        """The one row; it needs no market to be there."""
        if self.overview is None:
            return message_rows("starting", width, height)
        return [strip_row(self.overview.markets, self.current, width, self._glyphs)][:height]
