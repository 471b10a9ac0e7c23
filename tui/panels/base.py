"""A panel: rows as plain data, compared with those on screen, and only the changed ones painted again.

A panel subclasses `RowPanel` and says, as pure functions of the view and the size, which rows it shows. A row is
any hashable key; `paint` turns a key into runs of (role, text). Roles are names of the field (bid, ask, toxic);
their colours come from the theme's variables of the same names.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from engine.view import ChannelView, EngineView, MarketView
from tui.panels import glyphs
from tui.panels.format import age, left
from tui.untrusted import escape_text

Role = Literal[
    "text", "dim", "title", "focus", "bid", "ask", "buy", "sell", "bid-bar", "ask-bar",
    "mid", "toxic", "large", "alert", "flash-up", "flash-down", "stale",
]  # fmt: skip
Run = tuple[Role, str]
Runs = tuple[Run, ...]

#: Theme variables of a role's colour and, where it has its own, its background; and how it is written.
_LOOK: Mapping[Role, tuple[str, str | None, Style]] = {
    "text": ("foreground", None, Style()),
    "dim": ("flow-dim", None, Style()),
    "title": ("foreground", None, Style(bold=True)),
    "focus": ("foreground", None, Style(bold=True, reverse=True)),
    "bid": ("flow-bid", None, Style()),
    "ask": ("flow-ask", None, Style()),
    "buy": ("flow-buy", None, Style()),
    "sell": ("flow-sell", None, Style()),
    "bid-bar": ("flow-bid-bar", None, Style()),
    "ask-bar": ("flow-ask-bar", None, Style()),
    "mid": ("flow-mid", None, Style()),
    "toxic": ("flow-toxic", None, Style(bold=True)),
    "large": ("flow-large", None, Style(bold=True)),
    "alert": ("flow-alert", None, Style(bold=True, reverse=True)),
    "flash-up": ("foreground", "flow-flash-up", Style()),
    "flash-down": ("foreground", "flow-flash-down", Style()),
    "stale": ("flow-dim", None, Style()),
}
ROLES: tuple[Role, ...] = tuple(_LOOK)
_COLORS = tuple(sorted({"panel"}.union(*({front, back or front} for front, back, _ in _LOOK.values()))))
#: Roles with a background of their own or in reverse video: a space in them can be seen.
FILLED: frozenset[Role] = frozenset({"focus", "alert", "flash-up", "flash-down"})
#: States of a channel whose numbers may be shown as current.
TRUSTED = frozenset({"LIVE", "UNVERIFIABLE"})


@lru_cache(maxsize=32)
def _looks(values: tuple[str, ...], ground: Color) -> tuple[Mapping[str, Style], Style]:
    """Styles of the roles and of the header's band on a background; `values` belong to _COLORS.

    From the theme's variables and not by component classes: matching eighteen of those to the style sheet for every
    panel would take a third of the time until the first frame.
    """
    colors = {name: Color.parse(value) for name, value in zip(_COLORS, values, strict=True)}
    styles: dict[str, Style] = {}
    for role, (front, back, look) in _LOOK.items():
        behind = ground if back is None else ground + colors[back]
        styles[role] = look + Style.from_color(
            (behind + colors[front]).rich_color, behind.rich_color if behind.a else None
        )
    return styles, Style(bgcolor=(ground + colors["panel"]).rich_color)


def fit(runs: Runs, width: int) -> Runs:
    """`runs` cut or padded to exactly `width` cells, in as few runs as look the same; a cut word or number is marked.

    Every run costs a colour sequence on the wire, so blanks join a neighbour wherever they cannot be seen.
    """
    fitted: list[list[str]] = []  # role, text
    used, cut, ended = 0, False, False
    for role, text in runs:
        cells = len(text) if text.isascii() else cell_len(text)
        if used + cells > width:
            whole, text = text, set_cell_size(text, width - used)
            kept = text or (fitted[-1][1] if fitted else "")
            cut = cut or not (ended or kept[-1:].isspace() or whole[len(text) : len(text) + 1].isspace())
            ended = True
            cells = width - used
        if not cells:
            continue
        used += cells
        if fitted and (
            fitted[-1][0] == role or (text.isspace() and role not in FILLED and fitted[-1][0] not in FILLED)
        ):
            fitted[-1][1] += text
        elif fitted and fitted[-1][1].isspace() and fitted[-1][0] not in FILLED and role not in FILLED:
            fitted[-1] = [role, fitted[-1][1] + text]
        else:
            fitted.append([role, text])
    if cut and fitted:  # a number without its last digits would be another number
        fitted[-1][1] = set_cell_size(fitted[-1][1], cell_len(fitted[-1][1]) - 1) + glyphs.current().ellipsis
    if used < width:
        if fitted and fitted[-1][0] not in FILLED:
            fitted[-1][1] += " " * (width - used)
        else:
            fitted.append(["text", " " * (width - used)])
    return tuple((role, text) for role, text in fitted)  # type: ignore[misc]  # the roles came in as roles


def trust_text(channel: ChannelView, now: int) -> str:
    """State, age and reason of a channel that is not plainly LIVE, empty for one that is."""
    if channel.state == "LIVE":
        return ""
    if channel.state == "UNVERIFIABLE":
        return "UNVERIFIED"
    if channel.state == "NONE":
        return "NOT CARRIED"
    parts = [channel.state]
    if channel.state == "WARMING":
        parts.append(f"{channel.percent}%")
    elif now > 0:
        parts.append(age(now - (channel.since if channel.last is None else channel.last)))
    reason = escape_text(channel.reason, 60)
    return " ".join(parts) + (f": {reason}" if reason else "")


def spread_row(start: Runs, end: Runs, width: int) -> Runs:
    """`start` at the left edge and `end` at the right one; where there is no room for both, `end` gives way."""
    taken = sum(cell_len(text) for _, text in start)
    wanted = sum(cell_len(text) for _, text in end)
    if not end or taken + 1 >= width:
        return fit(start, width)
    if taken + 1 + wanted > width:
        role, text = end[0] if len(end) == 1 else ("dim", "".join(text for _, text in end))
        return fit((*start, ("text", " "), (role, left(text, width - taken - 1))), width)
    return fit((*start, ("text", " " * (width - taken - wanted)), *end), width)


def message_rows(text: str, width: int, height: int) -> list[Runs]:
    """A sentence in the place of data, wrapped, beginning on the second row where there is room."""
    if width < 1 or height < 1:
        return []
    lines = textwrap.wrap(text, max(1, width - 2)) or [""]
    rows: list[Runs] = [()] if height > len(lines) else []
    rows += [(("dim", left(" " + line, width)),) for line in lines]
    return rows[:height]


class RowPanel(Widget):
    """A widget whose rows are keys. Subclasses give `rows`, and `paint` where a key is not already its runs.

    The app calls `present` at every tick of its one clock. Nothing here computes a metric or does I/O.
    """

    DEFAULT_CSS = "RowPanel { height: 1fr; width: 1fr; }"
    can_focus = True

    #: Drawn in the first row; empty: the panel has no header row.
    TITLE: ClassVar[str] = ""
    #: The channel whose trust decides whether the panel may look current.
    CHANNEL: ClassVar[Literal["book", "trades"] | None] = None
    #: How often the panel looks at a new view, per second.
    HZ: ClassVar[float] = 10.0
    #: Metric keys the panel needs in `ViewRequest.metrics`.
    METRICS: ClassVar[tuple[str, ...]] = ()
    #: Metrics that say where the numbers of a panel without any come from.
    NUMBERS: ClassVar[tuple[str, ...]] = ("last", "mid", "spread_bps", "cvd", "delta(60s)")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view: MarketView | None = None
        self.overview: EngineView | None = None
        self.divisor = max(1, round(10 / self.HZ))
        self._turn = 0
        self._market: str | None = None
        self._composed: list[Hashable] = []
        self._composed_for = Size(0, 0)
        self._stale = False
        self._styles: Mapping[str, Style] | None = None
        self._lines: tuple[Region, list[Strip]] | None = None  # as last rendered, while nothing has changed
        self._band = Style()  # background of the header
        self._strips: LRUCache[Hashable, Strip] = LRUCache(1024)
        self._glyphs = glyphs.current()

    # ---- what a panel says about itself

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """Keys of at most `height` rows below the header, top first. Pure but for the panel's own settings."""
        raise NotImplementedError(f"{type(self).__name__} has no rows")

    def paint(self, key: Hashable, width: int) -> Runs:
        """The runs of a row; here the key is the runs already."""
        return key  # type: ignore[return-value]  # panels whose keys are no runs override this

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """What stands beside the title."""
        return ()

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """A sentence in place of the rows when there is nothing to show, None when there is."""
        return None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metric keys the panel needs now."""
        return self.METRICS

    def body(self, width: int, height: int) -> Sequence[Hashable]:
        """All that stands below the header: the rows of the view, or a sentence why there are none."""
        view, overview = self.view, self.overview
        if view is None or overview is None:
            return message_rows("no data yet: waiting for a market", width, height)
        text = self.missing(view, overview)
        if text is not None:
            return message_rows(text, width, height)
        channel = self._channel(view)
        self._stale = channel is not None and channel.state not in TRUSTED
        return list(self.rows(view, overview, width, height))[: max(0, height)]

    # ---- what the app calls

    def set_clock(self, hz: float) -> None:
        """Tell the rate at which `present` will be called; the panel takes every n-th call to keep to its HZ."""
        self.divisor = max(1, round(hz / self.HZ))

    def present(self, view: MarketView | None, overview: EngineView | None, *, force: bool = False) -> int:
        """Show a view; returns the number of rows that had to be painted again.

        Slow panels skip calls, but never the first one of a market, and never with `force`.
        """
        self.view, self.overview = view, overview
        market = view.instrument.market if view is not None else None
        self._turn += 1
        if not force and market == self._market and self._composed and self._turn % self.divisor:
            return 0
        self._market = market
        return self.update_rows()

    def update_rows(self) -> int:
        """Compose the rows of the last view anew (after a setting changed); returns how many differ."""
        old, old_size, old_stale = self._composed, self._composed_for, self._stale
        self._compose_rows()
        new = self._composed
        if old_size != self._composed_for or old_stale != self._stale or len(old) != len(new):
            self.refresh()
            return len(new)
        top, width = self.gutter.top, self.outer_size.width
        changed = [y for y, key in enumerate(new) if key != old[y]]
        if changed:
            self.refresh(*(Region(0, top + y, width, 1) for y in changed))
        return len(changed)

    def texts(self) -> list[str]:
        """The rows as plain text, exactly as wide as the panel: what a screen reader or a test reads."""
        width, height = self.size
        if self._composed_for != self.size:
            self._compose_rows()
        painted = ("".join(text for _, text in fit(self.paint(key, width), width)) for key in self._composed)
        return [*painted][:height]

    # ---- composing and painting

    def _channel(self, view: MarketView) -> ChannelView | None:
        return getattr(view, self.CHANNEL) if self.CHANNEL else None

    def _compose_rows(self) -> None:
        self._composed_for = self.size
        width, height = self.size
        if glyphs.current() is not self._glyphs:
            self._glyphs = glyphs.current()
            self._strips.clear()
        rows: list[Hashable] = []
        self._stale = False
        if width > 0 and height > 0:
            if self.TITLE:
                rows.append(self._header(width))
            rows += self.body(width, height - len(rows))
            rows += [()] * (height - len(rows))
        self._composed = rows[:height]

    def _header(self, width: int) -> Runs:
        role: Role = "focus" if self.has_focus else "title"
        start: Runs = ((role, self.TITLE),)
        if self.view is None or self.overview is None:
            return fit(start, width)
        note = self.note(self.view, self.overview, width)
        if note:
            start = (*start, ("text", " "), *note)
        channel = self._channel(self.view)
        trust = trust_text(channel, self.view.t) if channel is not None else ""
        end: Runs = (("alert" if channel and channel.state not in TRUSTED else "dim", trust),) if trust else ()
        return spread_row(start, end, width)

    def render_line(self, y: int) -> Strip:
        """One line of the widget, out of the memo when it was painted before."""
        if self._composed_for != self.size:
            self._compose_rows()
        width = self.size.width
        key = self._composed[y] if 0 <= y < len(self._composed) else ()
        header = y == 0 and bool(self.TITLE)
        stale = self._stale and not header
        memo = (width, stale, header, key)
        strip = self._strips.get(memo)
        if strip is None:
            runs = self.paint(key, width)
            if stale:
                runs = (("stale", "".join(text for _, text in runs)),)
            styles = self._role_styles()
            strip = Strip([Segment(text, styles[role]) for role, text in fit(runs, width)], width)
            if header:
                # A band across the panel: it parts panels without spending a row on a rule.
                strip = Strip([Segment(text, (style or Style()) + self._band) for text, style, _ in strip], width)
            self._strips.set(memo, strip)
        return strip

    def refresh(self, *regions: Region, **how: Any) -> Self:
        """See Widget."""
        self._lines = None
        return super().refresh(*regions, **how)

    def render_lines(self, crop: Region) -> list[Strip]:
        """See Widget; Textual asks every panel at every frame, whether or not anything in it has changed."""
        if self._lines is None or self._lines[0] != crop:
            self._lines = (crop, super().render_lines(crop))
        return self._lines[1]

    def _role_styles(self) -> Mapping[str, Style]:
        if self._styles is None:
            variables = self.app.theme_variables
            colors = tuple(variables[name] for name in _COLORS)
            self._styles, self._band = _looks(colors, self.background_colors[1])
        return self._styles

    def notify_style_update(self) -> None:
        """The theme or a class changed: styles and painted rows are void."""
        self._styles = self._lines = None
        self._strips.clear()
        super().notify_style_update()

    def watch_has_focus(self, value: bool) -> None:
        """Show in the title whether keys go here."""
        super().watch_has_focus(value)
        self.update_rows()
