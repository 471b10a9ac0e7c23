"""All alerts: the rules with where they stand, on or off, and what was told, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.panels import format as fmt
from tui.panels.alerts import number, what_became
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from engine.view import MarketView, RuleView
    from tui.alert_book import AlertBook
    from tui.monitor import Monitor

_REFRESH_S = 1.0
#: How long `s` silences a rule, from one press to the next (s); then it is awake again.
SNOOZES = (900.0, 3600.0, 14400.0)
_HINTS = "Enter opens · e edit · space on/off · s snooze · d delete · a add · A seen · M mute all · Tab other list"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list of rules."""

    name: str  # of the rule, or of the preset
    preset: bool
    on: bool
    line: str  # condition, or what the preset tells
    rules: tuple[str, ...]  # names in the engine


class AlertList(Dialog[None]):
    """`view` gives the market that is on the screen; `edit(name)` and `add()` open the editor, `open(episode)` what is
    kept of an alert."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r,q", "close", "Close", show=False),
        Binding("e", "edit", "Edit", show=False),
        Binding("space", "switch", "On or off", show=False, priority=True),
        Binding("s", "snooze", "Snooze", show=False),
        Binding("d,delete", "delete", "Delete", show=False),
        Binding("a", "add", "Add", show=False),
        Binding("A", "acknowledge", "Seen", show=False),
        Binding("M", "mute", "Mute all", show=False),
    ]

    def __init__(
        self,
        monitor: Monitor,
        book: AlertBook,
        view: Callable[[], MarketView | None],
        *,
        edit: Callable[[str], None],
        add: Callable[[], None],
        open_: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._monitor = monitor
        self._book = book
        self._view = view
        self._edit = edit
        self._add = add
        self._open = open_
        self._entries: list[Entry] = []
        self._news: list[AlertEvent] = []
        self._sure = ""  # the rule that the next `d` deletes

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -full", can_focus=False) as box:
            box.border_title = "Alerts"
            box.border_subtitle = "Esc closes"
            yield Static("", id="head", markup=False)
            yield OptionList(id="rules", compact=True)
            yield Static("news of all markets", classes="part", markup=False)
            yield OptionList(id="news", compact=True)
            yield Static("", id="said", markup=False)
            yield Static(_HINTS, classes="hints", markup=False)

    def on_mount(self) -> None:
        """What is fired is looked at first, when there is anything."""
        self.refresh_lists()
        self.query_one("#news" if self._news else "#rules").focus()
        for id in ("rules", "news"):
            options = self.query_one(f"#{id}", OptionList)
            options.highlighted = 0 if options.option_count else None
        self.set_interval(_REFRESH_S, self.refresh_lists)

    # ---- what is listed

    def refresh_lists(self) -> None:
        """Both lists as they stand now; what is highlighted stays so."""
        view, overview = self._view(), self._monitor.overview()
        now = {rule.rule: rule for rule in view.rules} if view is not None else {}
        clock = view.t if view is not None else 0
        self._entries = self._rules()
        self._refill("rules", [self._entry_text(entry, now, clock) for entry in self._entries])
        looked_at = self._at("news")
        kept = self._news[looked_at].key if looked_at is not None and looked_at < len(self._news) else None
        self._news = list(overview.alerts)
        self._refill("news", [_news_text(event) for event in self._news] or [Text("nothing was told yet", "dim")])
        if kept is not None:  # news come in at the top: the one looked at keeps the highlight
            at = next((i for i, event in enumerate(self._news) if event.key == kept), None)
            self.query_one("#news", OptionList).highlighted = at
        firing = sum(rule.state in ("firing", "clearing") for rule in now.values())
        market = view.instrument.market if view is not None else "no market"
        head = f"{escape_text(market, 40)}: {firing} of {len(now)} rules fire"
        self.query_one("#head", Static).update(head + ("   ALL MUTED (M)" if overview.muted else ""))

    def _rules(self) -> list[Entry]:
        own = [
            Entry(alert.fields.name, False, alert.enabled, alert.fields.when, (alert.fields.name,))
            for alert in self._book.own
        ]
        ready = [
            Entry(name, True, name in self._book.presets, line, tuple(rule for rule, _ in rules))
            for name, line, rules in self._monitor.presets()
        ]
        return [*own, *sorted(ready, key=lambda entry: not entry.on)]

    @staticmethod
    def _entry_text(entry: Entry, now: dict[str, RuleView], clock: int) -> Text:
        standing = [now[name] for name in entry.rules if name in now]
        firing = [rule for rule in standing if rule.state in ("firing", "clearing")]
        rule = next(iter(firing or standing), None)
        state = "off" if not entry.on else "elsewhere" if rule is None else "held" if rule.held else rule.state
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{state:<10}", "bold reverse" if firing else "" if entry.on else "dim")
        line.append(f" {escape_text(entry.name, 26):<26} ", "bold" if entry.on else "dim")
        if rule is not None:
            line.append(f"{number(rule.value):>9} / {number(rule.level):<9}")
            if rule.snoozed_until is not None and rule.snoozed_until > clock:
                line.append(f" snoozed {fmt.age(rule.snoozed_until - clock)}", "bold")
            if rule.fires:
                line.append(f" fired {rule.fires}")
        line.append(f"  {escape_text(entry.line, 120)}", "dim")
        return line

    def _refill(self, id: str, lines: list[Text]) -> None:
        options = self.query_one(f"#{id}", OptionList)
        if options.option_count == len(lines):
            for i, line in enumerate(lines):
                options.replace_option_prompt_at_index(i, line)
            return
        at = options.highlighted
        options.clear_options()
        options.add_options([Option(line) for line in lines])
        options.highlighted = None if at is None or not lines else min(at, len(lines) - 1)

    def _at(self, id: str) -> int | None:
        return self.query_one(f"#{id}", OptionList).highlighted

    def _chosen(self) -> Entry | None:
        """The rule that is highlighted; that of the news when those have the focus."""
        if self.focused is not None and self.focused.id == "news":
            at = self._at("news")
            if at is None or at >= len(self._news):
                return None
            rule = self._news[at].rule
            return next((entry for entry in self._entries if rule in entry.rules), None)
        at = self._at("rules")
        return self._entries[at] if at is not None and at < len(self._entries) else None

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(escape_text(text, 300))

    # ---- what can be done

    @on(OptionList.OptionSelected, "#news")
    def _open_news(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self._news):
            self._open(self._news[event.option_index].episode)

    @on(OptionList.OptionSelected, "#rules")
    def action_edit(self) -> None:
        """Write the rule anew."""
        entry = self._chosen()
        if entry is None:
            return
        if entry.preset:
            self._say(f"{entry.name} is a preset: space switches it; press a for a rule of your own like it")
            return
        self._edit(entry.name)

    def action_add(self) -> None:
        """A new rule."""
        self._add()

    def action_switch(self) -> None:
        """Watch a rule or preset, or leave it be; kept in the configuration."""
        entry = self._chosen()
        if entry is None:
            return
        try:
            on_now = self._book.toggle_preset(entry.name) if entry.preset else self._book.toggle(entry.name)
        except (ValueError, OSError) as error:
            self._say(f"not changed: {error}")
            return
        self._say(f"{entry.name} is {'on' if on_now else 'off'}")
        self.refresh_lists()

    def action_snooze(self) -> None:
        """Don't announce the rule on this market for a while; longer at every press, then again at once."""
        entry, view = self._chosen(), self._view()
        if entry is None or view is None:
            return
        now = {rule.rule: rule for rule in view.rules}
        standing = [now[name] for name in entry.rules if name in now]
        if not standing:
            self._say(f"{entry.name} does not watch this market")
            return
        left = max(max(0, (rule.snoozed_until or 0) - view.t) / 1e9 for rule in standing)
        length = next((each for each in SNOOZES if each > left + 1), 0.0)
        for rule in standing:
            self._monitor.snooze(rule.rule, view.instrument.market, length)
        self._say(f"{entry.name} is {f'snoozed for {length / 60:.0f} min' if length else 'awake'} on this market")

    def action_delete(self) -> None:
        """Take a rule away, at the second press."""
        entry = self._chosen()
        if entry is None or entry.preset:
            self._say("only rules of your own can be deleted; space switches a preset off")
            return
        if self._sure != entry.name:
            self._sure = entry.name
            self._say(f"d again deletes {entry.name} from your configuration")
            return
        self._sure = ""
        try:
            self._book.remove(entry.name)
        except (ValueError, OSError) as error:
            self._say(f"not deleted: {error}")
            return
        self._say(f"{entry.name} is deleted")
        self.refresh_lists()

    def action_acknowledge(self) -> None:
        """All alerts are seen."""
        self._monitor.acknowledge()
        self._say("all alerts are seen; what goes on is not repeated")

    def action_mute(self) -> None:
        """Announce nothing, or everything again."""
        muted = not self._monitor.overview().muted
        self._monitor.mute(muted)
        self._say("all alerts are muted: listed, not announced" if muted else "alerts are announced again")
        self.refresh_lists()


def _news_text(event: AlertEvent) -> Text:
    word, _ = what_became(event)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{fmt.clock(event.t)} ", "dim")
    line.append(f"{escape_text(word, 12):<12} ", "bold" if event.kind == "fired" and event.delivered else "")
    line.append(f"{escape_text(event.rule, 26):<26} ", "bold")
    line.append(f"{number(event.value):>9} / {number(event.level):<9}")
    line.append(f"  {escape_text(event.market, 28)}  {escape_text(event.message or event.when, 100)}", "dim")
    return line
