"""Alerts: what fires now, what fired and resolved, and where the other rules stand."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from engine.view import EngineView, MarketView, RuleView
    from tui.panels.glyphs import Glyphs

FIRING = frozenset({"firing", "clearing"})
NAME = 20
STATE = 8  # the longest word for where an idle rule stands
NARROW = 50  # cells below which an event is told in fewer words
WHEN = 12  # cells of a condition that tell anything


def number(value: float | None) -> str:
    """A value or level of a rule, as short as it can be."""
    return fmt.size(value, 8).strip()


def firing_row(rule: RuleView, now: int, width: int) -> Runs:
    """A rule that fires: word in reverse video, name, how long, value against level, condition.

    Where not all of it has room, the level goes first, then the end of the name.
    """
    word = f" {'HELD' if rule.held else rule.state.upper()} "
    since = f" {fmt.age(now - rule.since)}" if rule.since is not None else ""
    value, level = f"  {number(rule.value)}", f" / {number(rule.level)}"
    if len(word) + 1 + min(NAME, cell_len(rule.rule)) + len(since + value + level) > width:
        level = ""
    room = width - len(word) - 1 - len(since + value + level)
    text = f" {fmt.foreign(rule.rule, max(4, min(NAME, room)))}{since}{value}{level}"
    left = width - len(word) - cell_len(text) - 2
    when = f"  {fmt.foreign(rule.when, min(60, left))}" if left >= WHEN else ""
    return (("alert", word), ("text", text), ("dim", when))


def what_became(event: AlertEvent) -> tuple[str, str]:
    """What became of an alert, in a word, and in one short enough for a narrow panel."""
    if event.kind == "fired":
        return ("fired", "fired") if event.delivered else (event.suppressed or "suppressed", "quiet")
    short = {"repeated": "again", "held": "held", "resolved": "ended"}.get(event.kind, event.kind)
    return ("no data" if event.reason.startswith("no data") and event.kind == "resolved" else event.kind), short


def elsewhere(market: str, shown: str) -> str:
    """What tells a market from the one that is shown, in a word: its base currency, else its venue, else its symbol."""
    venue, _, symbol = market.partition(":")
    own, _, pair = shown.partition(":")
    base = symbol.partition("/")[0]
    return base if base != pair.partition("/")[0] else venue if venue != own else symbol


def event_row(event: AlertEvent, market: str, width: int, glyphs: Glyphs) -> Runs:
    """An event: time, what became of it, rule, value (and level), severity; the market when it is another one."""
    fired = event.kind == "fired" and event.delivered
    over = event.kind == "resolved"
    mark = glyphs.up if fired else glyphs.down if over else glyphs.dot
    word, short = what_became(event)
    kind = fmt.left(fmt.foreign(word, 11), 11)
    where = "" if event.market == market else f"  {fmt.foreign(event.market, 28)}"
    rule = fmt.foreign(event.rule, NAME)
    text = f" {fmt.left(rule, NAME)} {number(event.value)} / {number(event.level)}"
    if where and len(f" {fmt.clock(event.t)} {mark} {kind}") + cell_len(text + where) > width:
        # At the end it would be cut off, and the alert would seem to be one of the market that is shown.
        rule, where = f"{fmt.foreign(elsewhere(event.market, market), 10)} {rule}", ""
        text = f" {fmt.left(rule, NAME)} {number(event.value)} / {number(event.level)}"
    if width < NARROW:
        # Not all has room: the words shrink, the rule keeps what is left, and the level is in the list of rules.
        kind = short
        value = number(event.value)
        room = max(4, width - 20 - len(value))
        text = f" {fmt.left(rule, room)} {value}"
    role: Role = "toxic" if fired else "dim"
    return (
        ("dim", f" {fmt.clock(event.t)} "),
        (role, f"{mark} {fmt.left(kind, 5)}" if width < NARROW else f"{mark} {kind}"),
        ("text" if fired else "dim", f"{text}{where}  {fmt.foreign(event.severity, 10)}"),
    )


def rule_row(rule: RuleView, width: int) -> Runs:
    """A rule that does not fire: state, name, value against level, how often it fired."""
    value = f"{number(rule.value)} / {number(rule.level)}"
    name = min(NAME, max(4, width - STATE - 3 - len(value)))
    text = f" {fmt.left(rule.state, STATE)} {fmt.left(fmt.foreign(rule.rule, name), name)} {value}"
    fires = f"  fired {rule.fires} time{'s' if rule.fires > 1 else ''}" if rule.fires else ""
    return (("dim", text + fires if cell_len(text + fires) <= width else text),)


def alert_rows(view: MarketView, overview: EngineView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """Firing rules of this market, events of all markets newest first, then the other rules where there is room."""
    now = [firing_row(rule, view.t, width) for rule in view.rules if rule.state in FIRING]
    idle = [rule_row(rule, width) for rule in view.rules if rule.state not in FIRING]
    market = view.instrument.market
    rows = now[:height]
    free = height - len(rows)
    # Rules keep up to a third of the room, so that a long list of events does not hide what is being watched.
    kept = min(len(idle), free // 3) if len(overview.alerts) > free - len(idle) else len(idle)
    rows += [event_row(event, market, width, glyphs) for event in overview.alerts[: max(0, free - kept)]]
    return (rows + idle)[:height]


class Alerts(RowPanel):
    """The list of alerts."""

    TITLE = "ALERTS"
    HZ = 5.0
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "app.alert_list", "Open the list", show=False)]

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """How many fire, how many were not seen yet, and whether none is announced."""
        firing = sum(rule.state in FIRING for rule in view.rules)
        runs: Runs = (("alert", f" {firing} firing "),) if firing else ()
        if overview.muted:
            runs = (*runs, ("toxic", " ALL MUTED"))
        if overview.unseen:
            runs = (*runs, ("toxic", f" {overview.unseen} new"))
        return runs or (("dim", f"{len(view.rules)} rules"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """How to get alerts."""
        if view.rules or overview.alerts:
            return None
        return "no alert rules yet: press a to add one, or write [[alerts]] in the configuration"

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `alert_rows`."""
        return alert_rows(view, overview, width, height, self._glyphs)
