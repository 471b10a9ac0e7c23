"""Where each panel stands at a given size of the terminal: one pure function, and the container that obeys it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from tui.arrangement import DEFAULT, SECOND, Arrangement

#: Below this nothing can be read; a message says so instead.
MIN_WIDTH, MIN_HEIGHT = 60, 16
#: From here on three columns; from there on four, and a second market.
NORMAL_WIDTH, NORMAL_HEIGHT = 100, 30
WIDE_WIDTH, WIDE_HEIGHT = 160, 45

GAP = 1  # columns between panels


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the main screen, as help and keys know it."""

    id: str
    title: str
    about: str  # for the help screen
    least: int  # rows it needs to say anything, its title included
    weight: int  # its share of rows left over; 0: never more than `least`


PANELS: tuple[Panel, ...] = (
    Panel(
        "ladder",
        "Depth ladder",
        "Resting size at each price, bids left and asks right of the price, with bars; outside them what takers sold "
        "and bought there this session. The row between the sides shows the spread. Prices beyond the known depth are "
        "marked, never shown as empty.",
        10,
        1,
    ),
    Panel(
        "cvd",
        "CVD and price",
        "Cumulative volume delta of the session (taker buys minus taker sells) over the price, one column per "
        "timeframe step. Columns in which trades are known to be missing are marked.",
        9,
        3,
    ),
    Panel(
        "imbalance",
        "Imbalance",
        "Book imbalance (bids minus asks over both) of the best 1, 5, 10 and 20 levels and of bands around the mid, "
        "and the trade imbalance of recent windows: -1 all asks or sells, +1 all bids or buys.",
        11,
        0,
    ),
    Panel(
        "toxicity",
        "Toxicity",
        "VPIN at the preset speeds: the value, where it stands in its own history, what pure chance would give, how "
        "far the open bucket is filled, and how old the value is. Andersen & Bondarenko (2014) found that it peaked "
        "after the crash of 2010, is tied to trading intensity by construction, and foretells nothing that volume and "
        "volatility do not: read it as a gauge of the present state.",
        13,
        0,
    ),
    Panel(
        "flow", "Flow", "Trades by window: volume, delta, share of buys, speed, mean size, order-flow imbalance.", 9, 0
    ),
    Panel("alerts", "Alerts", "What fired and what resolved, newest first, then the state of every rule.", 7, 1),
    Panel("tape", "Tape", "Trades as they happen, newest first. Large prints stand out; `x` hides small ones.", 6, 2),
    Panel(
        "cost",
        "Cost and impact",
        "What market orders of several sizes would pay against the mid right now, without and with the venue's taker "
        "fee; then how far the flow moves the price (Kyle, Amihud), what takers paid of late and how the mid went on.",
        12,
        1,
    ),
    Panel(
        "risk",
        "Volatility and risk",
        "Realised volatility, the share of jumps in it and what is known of the next minutes; with a position of "
        "yours (`P`) its profit, its distance to liquidation and what closing it would cost.",
        12,
        1,
    ),
    Panel(
        "signal",
        "Signal",
        "Where the book says the price leans: the micro-price against the mid, and probabilities of the next move "
        "with their measured skill. Without skill over the last day the panel says so and shows no probability.",
        9,
        0,
    ),
    Panel(
        "profile",
        "Profile and pattern",
        "Volume of the session at each price around the market, with the point of control and the value area.",
        10,
        1,
    ),
    Panel(
        "liquidity",
        "Liquidity",
        "What rests near the mid and how hard it is used: depth, turnover, half-life, sizes pulled and stacked, walls.",
        11,
        0,
    ),
    Panel(
        "members",
        "Venues of a composite",
        "The markets that a composite sums: trust, cumulative delta and share of the volume of each, and the best "
        "prices with the taker fee taken off and added. One that is lost or stale is left out, and says so.",
        8,
        0,
    ),
)
TITLES: Mapping[str, str] = {panel.id: panel.title for panel in PANELS}
_LEAST = {panel.id: panel.least for panel in PANELS} | {"ladder2": 14, "cvd2": 9}
_WEIGHT = {panel.id: panel.weight for panel in PANELS} | {"ladder2": 4, "cvd2": 2}
#: What a small screen can show beside the ladder.
BESIDE: tuple[str, ...] = tuple(panel.id for panel in PANELS if panel.id != "ladder")

Plan = dict[str, Region]


def size_class(width: int, height: int) -> str:
    """`small`, `narrow`, `normal` or `wide`."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return "small"
    if width < NORMAL_WIDTH or height < NORMAL_HEIGHT:
        return "narrow"
    return "wide" if width >= WIDE_WIDTH and height >= WIDE_HEIGHT else "normal"


def small_text(width: int, height: int) -> str:
    """What is said instead of panels."""
    return f"enlarge to at least {MIN_WIDTH}×{MIN_HEIGHT} (now {width}×{height})"


def plan(
    width: int,
    height: int,
    beside: str = "cvd",
    zoomed: str | None = None,
    markets: int = 1,
    layout: Arrangement = DEFAULT,
) -> Plan:
    """The region of every visible widget by its id.

    `beside`: the panel next to the layout's first one on a small screen; `zoomed`: the panel that has the screen
    alone; `markets`: how many there are (a wide screen shows a second one). Regions never overlap and stay inside.
    """
    kind = size_class(width, height)
    if kind == "small":
        return {"small": Region(0, 0, max(width, 1), max(height, 1))}
    out = {
        "strip": Region(0, 0, width, 1),
        "status": Region(0, height - 2, width, 1),
        "message": Region(0, height - 1, width, 1),
    }
    top, rows = 1, height - 3
    if zoomed is not None:
        return out | {zoomed: Region(0, top, width, rows)}
    if kind == "narrow":
        columns = _narrow(layout, beside, rows)
    else:
        columns = _columns(layout, kind == "wide" and markets > 1)
        if kind == "normal" and len(columns) > 3:
            columns = [*columns[:2], (*columns[2], *columns[3])]
    x = 0
    for column, panels in zip(_widths(kind, len(columns), width), columns, strict=True):
        out |= _stack(x, top, column, rows, panels)
        x += column + GAP
    return out


def small_order(layout: Arrangement) -> list[str]:
    """The panels that a small screen shows beside the first one, in the order Tab cycles them."""
    return [panel.id for panel in PANELS if panel.id in layout.panels and panel.id != layout.first]


def _narrow(layout: Arrangement, beside: str, rows: int) -> list[tuple[str, ...]]:
    """The first panel and the chosen one beside it; below that, on a high screen, the others of the layout."""
    others = small_order(layout)
    if beside == layout.first:
        beside = layout.beside
    if beside == layout.first:
        return [(beside,)]
    return [(layout.first,), (beside, *(each for each in others if each != beside)) if rows >= 30 else (beside,)]


def _columns(layout: Arrangement, second: bool) -> list[tuple[str, ...]]:
    """The columns as the layout has them, the second market's panels only when it is shown."""
    columns = (tuple(each for each in column if second or each not in SECOND) for column in layout.columns)
    return [column for column in columns if column]


def _widths(kind: str, count: int, width: int) -> list[int]:
    """Columns of the screen for each column of the layout: the ladder's place and the lists fixed, the rest wide."""
    if kind == "narrow":
        fixed = [max(32, min(46, width * 11 // 20))]
    elif kind == "normal":
        fixed = [44 if width <= 120 else min(56, 44 + (width - 120) // 3), max(32, min(44, width * 19 // 60))]
    else:
        fixed = [56, 44, 40] if count == 4 else [56, 52]
    fixed = fixed[: count - 1]
    rest = width - sum(fixed) - len(fixed) * GAP
    return [*fixed[:1], rest, *fixed[1:]] if fixed else [rest]


def _stack(x: int, y: int, width: int, height: int, panels: Sequence[str]) -> Plan:
    """Panels one under the other: as many as fit with their least rows, the first always; then the rest is shared."""
    fitting: list[str] = []
    free = height
    for panel in panels:
        if fitting and _LEAST[panel] > free:
            continue
        fitting.append(panel)
        free -= _LEAST[panel]
    weights = [_WEIGHT[panel] for panel in fitting]
    if not any(weights):
        weights = [0] * (len(fitting) - 1) + [1]
    out: Plan = {}
    total, given, seen = sum(weights), 0, 0
    for panel, weight in zip(fitting, weights, strict=True):
        seen += weight
        share = free * seen // total - given
        given += share
        rows = _LEAST[panel] + share
        out[panel] = Region(x, y, width, rows)
        y += rows
    return out


class PlanLayout(Layout):
    """Places the children of a `Desk` where its plan says."""

    name = "plan"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        assert isinstance(parent, Desk)
        regions = parent.plan_for(size)
        return [
            WidgetPlacement(regions[child.id], NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id in regions
        ]


class Desk(Widget):
    """All panels; the size of the terminal and the user's choice decide which are shown and where.

    A panel that was never shown is not there: `make` is asked for it when a plan has it.
    """

    DEFAULT_CSS = "Desk { width: 1fr; height: 1fr; overflow: hidden; }"

    def __init__(self, *children: Widget, make: Callable[[str], Widget | None] = lambda _: None) -> None:
        super().__init__(*children, id="desk")
        self._plan_layout = PlanLayout()
        self._make = make  # a panel by its id when it is shown for the first time
        self.arrangement = DEFAULT
        self.beside = "cvd"
        self.zoomed: str | None = None
        self.markets = 1

    @property
    def layout(self) -> Layout:
        """The plan: a style sheet cannot name a layout of our own."""
        return self._plan_layout

    def plan_for(self, size: Size) -> Plan:
        """The plan at a size, with what the user chose."""
        return plan(size.width, size.height, self.beside, self.zoomed, self.markets, self.arrangement)

    def on_resize(self) -> None:
        self.rearrange()

    def rearrange(self) -> None:
        """Show exactly the widgets of the plan; call it after a change of what the plan depends on."""
        regions = self.plan_for(self.size)
        there = {child.id for child in self.children}
        new = [made for made in (self._make(each) for each in regions if each not in there) if made is not None]
        if new and self.is_attached:
            self.mount_all(new)
        for child in self.children:
            wanted = child.id in regions
            if child.display != wanted:
                child.display = wanted
        self.refresh(layout=True)

    def shown(self) -> list[str]:
        """Ids of the panels on the screen."""
        return [panel.id for panel in PANELS if panel.id in self.plan_for(self.size)]
