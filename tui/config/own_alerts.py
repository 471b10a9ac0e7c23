"""The user's alert rules between the configuration and the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from tui.alert_book import OwnAlert
from tui.config.model import Alert, Config
from tui.config.problems import ConfigError
from tui.monitor import AlertFields


def fields_of(alert: Alert) -> AlertFields:
    """A table of the configuration as a form has it: what stands at its default is left out."""
    default = Alert(name=alert.name, when=alert.when)

    def given(key: str) -> str | None:
        value = getattr(alert, key)
        return None if value == getattr(default, key) else value

    return AlertFields(
        name=alert.name,
        when=alert.when,
        on=given("on"),
        for_=given("hold"),
        rearm=given("rearm"),
        cooldown=given("cooldown"),
        severity=given("severity"),
        keep_firing_for=given("keep_firing_for"),
        repeat=given("repeat"),
        stale_after=given("stale_after"),
        expires=given("expires"),
        message=given("message"),
    )


def own_alerts(config: Config) -> tuple[OwnAlert, ...]:
    """All rules of the configuration, on and off."""
    return tuple(OwnAlert(fields_of(alert), alert.enabled) for alert in config.alerts)


def editing() -> ModuleType:
    """The editor of files, and the library beneath it: not needed before something is to be kept."""
    from tui.config import editing

    return editing


class ConfigAlerts:
    """Keeps changes in the user's file (tui.alert_book.AlertKeeper)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, fields: AlertFields) -> None:
        """See AlertKeeper."""
        self._edit(lambda: editing().add_alert(self._path, fields.table()))

    def replace(self, name: str, fields: AlertFields) -> None:
        """See AlertKeeper."""
        self._edit(lambda: editing().replace_alert(self._path, name, fields.table()))

    def remove(self, name: str) -> None:
        """See AlertKeeper."""
        self._edit(lambda: editing().remove_alert(self._path, name))

    def enable(self, name: str, enabled: bool) -> None:
        """See AlertKeeper."""
        self._edit(lambda: editing().set_alert_enabled(self._path, name, enabled))

    def presets(self, names: Sequence[str]) -> None:
        """See AlertKeeper."""
        self._edit(lambda: editing().set_presets(self._path, names))

    @staticmethod
    def _edit(change: Callable[[], None]) -> None:
        try:
            change()
        except ConfigError as error:  # for the dialog to show
            raise ValueError(str(error)) from error
