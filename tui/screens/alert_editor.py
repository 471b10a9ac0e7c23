"""Write an alert while the market runs: metric, comparison, level by number or percentile, and what it would have done.

Everything that is said of a rule, its values and its past comes from the engine; here it is only put into words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import DescendantBlur, Key
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tui.monitor import AlertFields, Monitor
from tui.panels import glyphs
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.alert_view import RulePreview, Spread
    from tui.alert_book import AlertBook

COMPARISONS: tuple[str, ...] = (">=", "<=", ">", "<", "crosses up", "crosses down", "crosses")
_SHOWN = 60  # options offered at once
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,4})?)")
#: Where ↑ and ↓ go in the level, from one share of the last hour to the next.
_STEPS: tuple[float, ...] = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)
#: A condition that the three fields can hold, and what else must be true.
_GUIDED = re.compile(
    r"(?P<metric>[^<>=]+?)\s*(?P<sign>>=|<=|>|<|crosses up|crosses down|crosses)\s+(?P<level>\S+)(?: and (?P<also>.+))?"
)
_JOINED = re.compile(r"\b(?:and|or|not|then)\b|\bcount\(")
_WORDS = re.compile(r"[<>]|\b(?:crosses|inside|outside|enters|exits|rises|falls|moves|absent)\b")
#: The fields of a rule besides its condition, by the ids of their inputs.
_PLAIN = {
    "on": "on",
    "for": "for_",
    "rearm": "rearm",
    "cooldown": "cooldown",
    "keep": "keep_firing_for",
    "repeat": "repeat",
    "stale": "stale_after",
    "severity": "severity",
    "expires": "expires",
    "message": "message",
}


def split(when: str) -> tuple[str, str, str, str] | None:
    """(metric, comparison, level, what else must be true) of a condition that the fields can hold; else None."""
    match = _GUIDED.fullmatch(" ".join(when.split()))
    if match is None:
        return None
    metric, also = match["metric"].strip(), match["also"] or ""
    if _JOINED.search(metric) or metric.count("(") != metric.count(")") or re.search(r"\b(?:or|then)\b", also):
        return None
    return metric, match["sign"], match["level"], also


def joined(metric: str, comparison: str, level: str, also: str) -> str:
    """The condition that the fields say. A condition of its own may stand where the metric is, without a level."""
    when = metric if not level else f"{metric} {comparison} {level}"
    if not also:
        return when
    first = f"({when})" if not level and re.search(r"\b(?:or|then)\b", when) else when
    return f"{first} and " + (f"({also})" if re.search(r"\b(?:or|then)\b", also) else also)


def value_text(value: float | None) -> str:
    """A metric's value as the editor shows it: enough digits to choose a level by."""
    if value is None or not math.isfinite(value):
        return "unknown now"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"


def rule_name(when: str, taken: Sequence[str]) -> str:
    """A short name made of the condition, not among those taken: `vpin_pct_adv_50_50_0.99`."""
    base = re.sub(r"[^a-z0-9.]+", "_", when.casefold()).strip("_")[:40] or "alert"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def matching(metrics: Sequence[tuple[str, str, str]], typed: str) -> list[tuple[str, str, str]]:
    """Metrics whose example or meaning holds every typed word; names that begin with the text first."""
    text = typed.casefold().strip()
    name = text.partition("(")[0]
    words = name.split()
    found = [metric for metric in metrics if all(word in f"{metric[0]} {metric[2]}".casefold() for word in words)]
    return sorted(found, key=lambda metric: (not metric[0].casefold().startswith(name), not metric[0].startswith(text)))


class Comparison(Static, can_focus=True):
    """One of the comparisons; Space, arrows or the sign itself change it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,right,down", "step(1)", show=False),
        Binding("left,up", "step(-1)", show=False),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(markup=False, id=id)
        self.index = 0

    @property
    def value(self) -> str:
        """The comparison as written in a rule."""
        return COMPARISONS[self.index]

    def on_mount(self) -> None:
        """Show the one it stands at."""
        self.action_step(0)

    def action_step(self, step: int) -> None:
        """The next or previous one."""
        self.index = (self.index + step) % len(COMPARISONS)
        self.update(f" {self.value} ")

    def on_key(self, event: Key) -> None:
        """`<` and `>` choose themselves; `=` adds or takes away the equals sign."""
        if event.character in ("<", ">"):
            event.stop()
            self.index = COMPARISONS.index(event.character)
        elif event.character == "=":
            event.stop()
            sign = self.value[0] if self.value[0] in "<>" else ">"
            self.index = COMPARISONS.index(sign if self.value.endswith("=") else sign + "=")
        else:
            return
        self.action_step(0)

    def choose(self, value: str) -> None:
        """This one."""
        self.index = COMPARISONS.index(value)
        self.action_step(0)

    def on_click(self) -> None:
        """The next one."""
        self.action_step(1)


def length_text(ns: int) -> str:
    """A length of time in words short enough for a line."""
    seconds = ns / 1e9
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def spread_text(spread: Spread | None) -> str:
    """How a number was spread: some quantiles and a picture of its bins."""
    if spread is None or not spread.quantiles:
        return "nothing is remembered of it yet"
    at = dict(spread.quantiles)
    shown = "  ".join(f"{name} {value_text(at[p])}" for p, name in ((0.01, "p1"), (0.5, "p50"), (0.99, "p99")))
    return f"last {length_text(spread.span)}: {shown}  {bins_text(spread.bins)}"


def bins_text(bins: Sequence[int]) -> str:
    """The bins as bars of eight heights."""
    marks = "._-=+*%#" if glyphs.current() is glyphs.ASCII else "▁▂▃▄▅▆▇█"
    most = max(bins, default=0)
    # A bin that holds anything at all is seen.
    return "".join(" " if not n else marks[min(7, -(-8 * n // most) - 1)] for n in bins) if most else ""


def preview_text(preview: RulePreview) -> str:
    """What the rule would have done."""
    if preview.episodes is None:
        return "what it would have done is not known yet: its values are remembered from now on"
    span = length_text(preview.observed)
    if not preview.episodes:
        return f"would not have fired in {span}"
    times = "once" if preview.episodes == 1 else f"{preview.episodes} times"
    text = f"would have fired {times} in {span}"
    if preview.per_day is not None:
        text += f" (about {preview.per_day:,.0f} a day), longest {length_text(preview.longest)}"
    if preview.suppressed:
        text += f", {preview.suppressed} held back by the cooldown"
    return text


class AlertEditor(Dialog[AlertFields]):
    """Returns the rule once it is saved and watched, or None.

    `edit` is the rule to write anew; else `metric`, `comparison` and `level` are what a new one begins with. `steps`
    are levels that ↑ and ↓ go through, such as the prices of a ladder; without them those keys go through percentiles.
    `first` are metrics that are offered before all others.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", show=False)]

    def __init__(
        self,
        monitor: Monitor,
        market: str,
        book: AlertBook,
        *,
        edit: AlertFields | None = None,
        metric: str = "",
        comparison: str = ">=",
        level: str = "",
        steps: Sequence[float] = (),
        first: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._monitor = monitor
        self._market = market
        self._book = book
        self._edit = edit
        self._start = (metric, comparison, level, "")
        self._steps = sorted(steps)
        self._metrics = list(monitor.metric_names())
        if first:  # what the panel shows comes before all else
            known = {example: (example, unit, meaning) for example, unit, meaning in self._metrics}
            shown = [known.pop(name, (name, "", "on the panel")) for name in first]
            self._metrics = [*shown, *known.values()]
        self._found: list[tuple[str, str, str]] = []
        self._picked = ""  # what was last taken from the list: it does not open the list again

    def compose(self) -> ComposeResult:
        edit, default = self._edit, self._market
        if edit is not None:
            self._start = split(edit.when) or (edit.when, ">=", "", "")
        metric, _, level, also = self._start
        values = {id: (getattr(edit, name) or "") if edit else "" for id, name in _PLAIN.items()}
        if edit is None:
            values["on"] = default
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = "Add alert" if edit is None else "Edit alert"
            box.border_subtitle = "Enter saves · Tab next · Esc closes"
            with Horizontal(classes="field"):
                yield Label("When")
                yield Input(value=metric, placeholder="metric, such as vpin, or a condition", compact=True, id="metric")
                yield Comparison(id="comparison")
                yield Input(value=level, placeholder="level, or p99", compact=True, id="level")
            yield Static("", markup=False, id="now")
            yield OptionList(compact=True, id="metrics")
            yield from self._row(("and", "also", also, "nothing else"))
            yield from self._row(
                ("On", "on", values["on"], "every market"),
                ("name", "name", edit.name if edit else "", "made from the rule"),
            )
            yield from self._row(
                ("For", "for", values["for"], "at once"),
                ("re-arm at", "rearm", values["rearm"], "the level"),
                ("cooldown", "cooldown", values["cooldown"], "none"),
            )
            yield from self._row(
                ("Keep", "keep", values["keep"], "0s"),
                ("repeat", "repeat", values["repeat"], "never"),
                ("unknown", "stale", values["stale"], "10s"),
                ("severity", "severity", values["severity"], "warning"),
            )
            yield from self._row(
                ("Until", "expires", values["expires"], "2030-12-31"),
                ("message", "message", values["message"], "{value} at {mid}"),
            )
            yield Static("", markup=False, id="preview")
            yield Static("", markup=False, id="problem")

    def _row(self, *fields: tuple[str, str, str, str]) -> ComposeResult:
        with Horizontal(classes="field"):
            for i, (label, id, value, placeholder) in enumerate(fields):
                yield Label(label, classes="second" if i else "")
                yield Input(value=value, placeholder=placeholder, compact=True, id=id)

    def on_mount(self) -> None:
        """The value beside the metric is live, and so is what the rule would have done."""
        self.query_one(Comparison).choose(self._start[1])
        self._picked = self._start[0]
        self._fill("")
        self.query_one("#level" if self._start[0] and not self._edit else "#metric").focus()
        self.set_interval(0.5, self.show_value)
        self.set_interval(1.0, self.show_preview)

    def on_resize(self) -> None:
        """A low screen shows fewer metrics, so that every field stays in sight."""
        self.set_class(self.size.height < 32, "-short")
        self.set_class(self.size.height < 22, "-low")

    def _text(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()

    # ---- the metric and its list

    @on(Input.Changed, "#metric")
    def _metric_typed(self, event: Input.Changed) -> None:
        if event.value != self._picked:
            self._fill(event.value)
        self.show_value()

    def _fill(self, typed: str) -> None:
        self._found = matching(self._metrics, typed)[:_SHOWN]
        options = self.query_one("#metrics", OptionList)
        options.clear_options()
        for example, unit, meaning in self._found:
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(f"{escape_text(example, 24):<24} ", "bold")
            line.append(f"{escape_text(unit, 7):<7} ", "dim")
            line.append(escape_text(meaning, 120))
            options.add_option(Option(line))
        if not self._found:
            text = "" if _WORDS.search(typed) else "no metric like that"
            options.add_option(Option(Text(text, "dim"), disabled=True))
        elif options.has_focus:
            options.highlighted = 0  # keys ran ahead of the text: the list was entered before it was filled

    def on_key(self, event: Key) -> None:
        """From the metric's text, down enters its list; in the level, up and down go to other levels."""
        focused = self.focused.id if self.focused is not None else None
        if event.key == "down" and focused == "metric" and self._found:
            event.stop()
            options = self.query_one("#metrics", OptionList)
            options.focus()
            options.highlighted = 0
        elif event.key in ("up", "down") and focused == "level":
            event.stop()
            self._step_level(1 if event.key == "up" else -1)

    @on(OptionList.OptionSelected, "#metrics")
    def _metric_picked(self, event: OptionList.OptionSelected) -> None:
        if self._found:
            self._picked = self._found[event.option_index][0]
            self.query_one("#metric", Input).value = self._picked
            self.query_one("#level").focus()

    # ---- the level

    def _step_level(self, step: int) -> None:
        """The next higher or lower level worth looking at."""
        levels = self._steps
        if not levels:
            told = (self._level_at(share) for share in _STEPS)
            levels = sorted({value for value in told if value is not None})
        try:
            now = float(self._text("level"))
        except ValueError:
            now = levels[len(levels) // 2] if levels else 0.0
        beyond = [level for level in levels if (level > now if step > 0 else level < now)]
        if beyond:
            self.query_one("#level", Input).value = f"{beyond[0] if step > 0 else beyond[-1]:.10g}"

    def _level_at(self, share: float) -> float | None:
        value = self._monitor.level_at(self._on_market(), self._text("metric"), share)
        return value if value is None or not value else float(f"{value:.4g}")

    @on(DescendantBlur)
    def _level_left(self, event: DescendantBlur) -> None:
        """A percentile becomes the number it stands for."""
        if event.widget.id == "level":
            self._settle_level()

    def _settle_level(self) -> None:
        level = self.query_one("#level", Input)
        match = _PERCENTILE.fullmatch(level.value.strip())
        if match is not None and (value := self._level_at(float(match[1]) / 100)) is not None:
            level.value = f"{value:.10g}"

    # ---- what is known of it

    def _on_market(self) -> str:
        on_market = self._text("on")
        return on_market if on_market in self._monitor.markets() else self._market

    def show_value(self) -> None:
        """What is measured, now and of late, in the market that the rule is for (or the one on screen)."""
        metric = self._text("metric")
        text = ""
        if metric and not _WORDS.search(metric):
            preview = self._monitor.preview(self._on_market(), metric, None)
            if preview.value is not None or preview.spread is not None:
                text = f"now {value_text(preview.value)}  {spread_text(preview.spread)}"
        self.query_one("#now", Static).update(text)

    def show_preview(self) -> None:
        """How often the rule would have fired; nothing while it is not complete."""
        text = ""
        try:
            preview = self._monitor.preview(self._on_market(), "", self.fields())
        except ValueError:
            pass
        else:
            text = f"not a rule yet: {preview.problem}" if preview.problem else preview_text(preview)
        self.query_one("#preview", Static).update(escape_text(text, 300))

    # ---- saving

    def fields(self) -> AlertFields:
        """The rule as filled in; raises ValueError that says what is missing."""
        self._settle_level()
        metric, level = self._text("metric"), self._text("level")
        if not metric:
            raise ValueError("When: pick a metric from the list, or type one")
        if not level and not _WORDS.search(metric):
            raise ValueError("When: a level to compare with is missing, such as 0.7 or p99")
        if _PERCENTILE.fullmatch(level):
            raise ValueError(f"When: {level} is not known yet; nothing is remembered of the metric")
        when = joined(metric, self.query_one(Comparison).value, level, self._text("also"))
        taken = [name for name in self._book.names if self._edit is None or name != self._edit.name]
        name = self._text("name") or rule_name(when, taken)
        return AlertFields(name=name, when=when, **{field: self._text(id) or None for id, field in _PLAIN.items()})

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check, watch, save; stay open and say why when that fails."""
        try:
            fields = self.fields()
            if self._edit is None:
                self._book.add(fields)
            else:
                self._book.replace(self._edit.name, fields)
        except (ValueError, OSError) as error:
            self.query_one("#problem", Static).update(escape_text(str(error), 300))
            return
        self.dismiss(fields)
