"""What the configuration is checked against beyond its types: metrics, themes, actions, venues, panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tui.config.checks import Validators
from tui.config.model import Alert


def _market(text: str) -> str | None:
    from tui.commands.sources import COMPOSITE, split_market

    parts = split_market(text)
    if parts is None:
        return f'"{text}" is not a market; write venue:SYMBOL, such as "binance:ETH/USDT"'
    return None if parts[0] == COMPOSITE else _venue(parts[0])


def _venue(name: str) -> str | None:
    from connectors.venues import VENUES, venue_names
    from tui.config.problems import unknown_name

    if name in VENUES or name in (names := venue_names()):
        return None
    return unknown_name(name, names, "venue")


def _theme(name: str) -> str | None:
    from tui.config.paths import themes_dir
    from tui.config.problems import unknown_name
    from tui.themes import load_themes

    themes = load_themes(themes_dir()).themes
    return None if name in themes else unknown_name(name, themes, "theme")


def _panel(name: str) -> str | None:
    from tui.config.problems import unknown_name
    from tui.layout import BESIDE

    return None if name in BESIDE else unknown_name(name, BESIDE, "panel")


def _column_panel(name: str) -> str | None:
    from tui.arrangement import PANEL_IDS
    from tui.config.problems import unknown_name

    return None if name in PANEL_IDS else unknown_name(name, PANEL_IDS, "panel")


def _window(text: str) -> str | None:
    from engine.metrics.names import MetricError, parse_metric

    try:
        parse_metric(f"delta({text})")
    except MetricError as error:
        return str(error)
    return None


def _preset(name: str) -> str | None:
    from engine.alerts.presets import PRESETS
    from tui.config.problems import unknown_name

    return None if name in PRESETS else unknown_name(name, PRESETS, "preset")


def _zone(name: str) -> str | None:
    from tui.config.rules import zone_problem

    return zone_problem(name)


def _keys(mapping: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    from tui.actions import check_keys

    for text in check_keys(mapping):
        key, _, wrong = text.removeprefix("keys.").partition(": ")
        yield key, wrong


def _channel(name: str) -> str | None:
    known = ("trades", "book", "contract")
    return None if name in known else f'"{name}" is not a channel; expected "trades", "book" or "contract"'


def _alert(alert: Alert) -> Iterable[tuple[str, str]]:
    from engine.alerts.condition import ConditionError
    from engine.alerts.presets import reserved
    from tui.config.rules import rule_of_alert

    if (taken := reserved(alert.name)) is not None:
        return [("name", taken)]
    try:
        rule_of_alert(alert)
    except ConditionError as error:
        key, _, text = str(error).partition(": ")
        known = {field.encode_name for field in msgspec.structs.fields(Alert)}
        return [(key, text)] if key in known else [("when", str(error))]
    return []


#: All deep checks.
VALIDATORS: Validators = {
    "market": _market,
    "theme": _theme,
    "panel": _panel,
    "column_panel": _column_panel,
    "window": _window,
    "preset": _preset,
    "zone": _zone,
    "keys": _keys,
    "venue": _venue,
    "channel": _channel,
    "alert": _alert,
}
