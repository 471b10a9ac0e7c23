"""Add an alert while the market runs: metric, comparison, level, with the present value beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tui.monitor import AlertFields, Monitor
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

COMPARISONS: tuple[str, ...] = (">=", "<=", ">", "<")
_DURATION = re.compile(r"\d+(\.\d+)?(ms|s|m|h|d)")
_SHOWN = 60  # options offered at once


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
        """Show the first one."""
        self.action_step(0)

    def action_step(self, step: int) -> None:
        """The next or previous one."""
        self.index = (self.index + step) % len(COMPARISONS)
        self.update(f" {self.value:<2} ")

    def on_key(self, event: Key) -> None:
        """`<` and `>` choose themselves; `=` adds or takes away the equals sign."""
        if event.character in ("<", ">"):
            event.stop()
            self.index = COMPARISONS.index(event.character)
        elif event.character == "=":
            event.stop()
            sign = self.value[0]
            self.index = COMPARISONS.index(sign if self.value.endswith("=") else sign + "=")
        else:
            return
        self.action_step(0)

    def on_click(self) -> None:
        """The next one."""
        self.action_step(1)


class AlertEditor(Dialog[AlertFields]):
    """Returns the rule once it is saved and watched, or None.

    `save` puts the rule into the user's configuration; it raises ValueError or OSError with a text for the user.
    Without it the rule lives until the monitor ends, and the dialog says so.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", show=False)]

    def __init__(
        self,
        monitor: Monitor,
        market: str,
        taken: Sequence[str] = (),
        save: Callable[[AlertFields], None] | None = None,
    ) -> None:
        super().__init__()
        self._monitor = monitor
        self._market = market
        self._taken = taken
        self._save = save
        self._metrics = list(monitor.metric_names())
        self._found: list[tuple[str, str, str]] = []
        self._picked = ""  # what was last taken from the list: it does not open the list again

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = "Add alert"
            box.border_subtitle = "Enter saves · Tab next · Esc closes"
            with Horizontal(classes="field"):
                yield Label("When")
                yield Input(placeholder="metric, such as vpin", compact=True, id="metric")
                yield Comparison(id="comparison")
                yield Input(placeholder="level", compact=True, id="level")
            yield Static("", markup=False, id="now")
            yield OptionList(compact=True, id="metrics")
            with Horizontal(classes="field"):
                yield Label("On")
                yield Input(value=self._market, compact=True, id="on")
                yield Label("name", classes="second")
                yield Input(placeholder="made from the rule", compact=True, id="name")
            with Horizontal(classes="field"):
                yield Label("For")
                yield Input(placeholder="at once", compact=True, id="for")
                yield Label("re-arm at", classes="second")
                yield Input(placeholder="the level", compact=True, id="rearm")
                yield Label("cooldown", classes="second")
                yield Input(placeholder="none", compact=True, id="cooldown")
            yield Static("", markup=False, id="problem")

    def on_mount(self) -> None:
        """The value beside the metric is live."""
        self._fill("")
        self.query_one("#metric").focus()
        self.set_interval(0.5, self.show_value)

    def on_resize(self) -> None:
        """A low screen shows fewer metrics, so that every field stays in sight."""
        self.set_class(self.size.height < 22, "-short")

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
            options.add_option(Option(Text("no metric like that", "dim"), disabled=True))
        elif options.has_focus:
            options.highlighted = 0  # keys ran ahead of the text: the list was entered before it was filled

    def on_key(self, event: Key) -> None:
        """From the metric's text, down enters its list."""
        focused = self.focused
        if event.key == "down" and focused is not None and focused.id == "metric" and self._found:
            event.stop()
            options = self.query_one("#metrics", OptionList)
            options.focus()
            options.highlighted = 0

    @on(OptionList.OptionSelected, "#metrics")
    def _metric_picked(self, event: OptionList.OptionSelected) -> None:
        if self._found:
            self._picked = self._found[event.option_index][0]
            self.query_one("#metric", Input).value = self._picked
            self.query_one("#level").focus()

    def show_value(self) -> None:
        """The metric's present value, in the market that the rule is for (or the one on screen)."""
        metric = self._text("metric")
        text = ""
        if metric:
            on_market = self._text("on")
            market = on_market if on_market in self._monitor.markets() else self._market
            try:
                text = f"now {value_text(self._monitor.metric_value(market, metric))}"
            except (ValueError, KeyError):
                text = ""
        self.query_one("#now", Static).update(text)

    # ---- saving

    def fields(self) -> AlertFields:
        """The rule as filled in; raises ValueError that says what is missing or wrong, and where."""
        metric, level = self._text("metric"), self._text("level").replace(",", "")
        if not metric:
            raise ValueError("When: pick a metric from the list, or type one")
        if not level:
            raise ValueError("When: a level to compare with is missing, such as 0.7")
        _number("level", level)
        when = f"{metric} {self.query_one('#comparison', Comparison).value} {level}"
        problem = self._monitor.check_rule(when)
        if problem is not None:
            raise ValueError(problem)
        for field in ("for", "cooldown"):
            text = self._text(field)
            if text and not _DURATION.fullmatch(text):
                raise ValueError(f"{field.capitalize()}: {text[:20]!r} is no duration; write 500ms, 3s, 5m or 1h")
        if rearm := self._text("rearm"):
            _rearm(rearm, float(level), self.query_one("#comparison", Comparison).value)
        name = self._text("name") or rule_name(when, self._taken)
        if name in self._taken:
            raise ValueError(f"Name: there is an alert {escape_text(name, 40)!r} already")
        return AlertFields(
            name=name,
            when=when,
            on=self._text("on") or None,
            for_=self._text("for") or None,
            rearm=rearm or None,
            cooldown=self._text("cooldown") or None,
        )

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check, watch, save; stay open and say why when that fails."""
        try:
            fields = self.fields()
            self._monitor.add_rule(fields)
        except ValueError as error:
            self._say(str(error))
            return
        if self._save is not None:
            try:
                self._save(fields)
            except (ValueError, OSError) as error:
                # Watched but not kept would come back as a surprise after the next start.
                self._monitor.remove_rule(fields.name)
                self._say(f"not saved: {error}")
                return
        self.dismiss(fields)

    def _say(self, text: str) -> None:
        self.query_one("#problem", Static).update(escape_text(text, 300))


def _number(what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"When: the {what} {text[:20]!r} is not a number")
    return value


def _rearm(text: str, level: float, comparison: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"Re-arm: {text[:20]!r} is not a number")
    above = comparison.startswith(">")
    if value > level if above else value < level:
        raise ValueError(f"Re-arm: must lie {'below' if above else 'above'} the level, or the alert never rests")
