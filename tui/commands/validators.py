"""The configuration's names held against what there is: themes, panels, actions, metrics.

Each check imports what it needs when there is something to check, so a command that draws nothing does not load
the screen for a configuration that says nothing of it. Textual reads its environment when it is imported: where a
screen follows, call `tui.terminal.tell_textual` before the configuration is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tui.config.checks import Validators, one_of
from tui.config.model import Alert
from tui.config.paths import themes_dir


def check_theme(name: str) -> str | None:
    """What is wrong with `theme`."""
    from tui.themes import load_themes

    return one_of(load_themes(themes_dir()).themes, "theme")(name)


def check_panel(name: str) -> str | None:
    """What is wrong with `layout.beside`."""
    from tui.layout import BESIDE

    return one_of(BESIDE, "panel")(name)


def check_keymap(mapping: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """(action id, what is wrong) of [keys]."""
    from tui.actions import check_keys

    for line in check_keys(mapping):
        action, _, complaint = line.removeprefix("keys.").partition(": ")
        yield action, complaint


def check_alert(alert: Alert) -> Iterable[tuple[str, str]]:
    """(key, what is wrong) of an alert whose types are right; nothing when it can run."""
    from engine.alerts.condition import ConditionError
    from engine.alerts.rule import compile_rule

    try:
        compile_rule(
            alert.name,
            alert.when,
            alert.on,
            alert.hold,
            None if alert.rearm is None else str(alert.rearm),
            alert.cooldown,
            alert.severity,
            alert.message,
        )
    except ConditionError as error:
        key, found, complaint = str(error).partition(": ")
        if found and key in ("name", "when", "on", "for", "rearm", "cooldown", "severity", "message"):
            yield key, complaint
        else:
            yield "when", str(error)


VALIDATORS: Validators = {
    "theme": check_theme,
    "panel": check_panel,
    "keys": check_keymap,
    "alert": check_alert,
}
