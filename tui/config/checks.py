"""What callers tell this package about names it cannot know: markets, themes, panels, actions, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from tui.config.model import Alert
from tui.config.problems import unknown_name

Check = Callable[[str], str | None]  # a name -> what is wrong with it, or None


class Validators(TypedDict, total=False):
    """Deep checks, each optional. They see values whose type is right already."""

    market: Check  # an entry of `markets`
    theme: Check  # `theme`
    panel: Check  # `layout.beside`
    column_panel: Check  # an entry of a column of [layouts.NAME]
    window: Check  # an entry of [windows] that a metric looks back
    preset: Check  # an entry of `presets`
    zone: Check  # `quiet_hours.zone`
    keys: Callable[[Mapping[str, str]], Iterable[tuple[str, str]]]  # all of [keys] -> (action id, what is wrong), …
    venue: Check  # the NAME of [venues.NAME]
    channel: Check  # an entry of `venues.NAME.channels`
    symbol: Check  # an entry of `simulator.markets`
    alert: Callable[[Alert], Iterable[tuple[str, str]]]  # (key of the alert, what is wrong with its value), …


def one_of(known: Iterable[str], what: str) -> Check:
    """A check that a name is among the known ones; its complaint suggests the nearest."""
    names = frozenset(known)
    return lambda name: None if name in names else unknown_name(name, names, what)
