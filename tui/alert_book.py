"""The user's alerts while the monitor runs: the rules of the configuration, on and off, and which presets are on.

A change is watched first and kept then; what cannot be kept is not watched either, or it would come back, or be gone,
at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tui.monitor import AlertFields


class AlertKeeper(Protocol):
    """Where changes are kept. Every call raises ValueError or OSError with a text for the user."""

    def add(self, fields: AlertFields) -> None:
        """One more rule."""

    def replace(self, name: str, fields: AlertFields) -> None:
        """The rule of this name, written anew."""

    def remove(self, name: str) -> None:
        """No more rule of this name."""

    def enable(self, name: str, enabled: bool) -> None:
        """Watch it, or leave it be."""

    def presets(self, names: Sequence[str]) -> None:
        """These presets are on."""


@dataclass(frozen=True, slots=True)
class OwnAlert:
    """One rule of the user's."""

    fields: AlertFields
    enabled: bool = True


class AlertBook:
    """`watch(presets, rules)` makes the engine watch these, and raises ValueError for what it can't. Without a keeper
    changes last until the monitor ends."""

    def __init__(
        self,
        watch: Callable[[Sequence[str], Sequence[AlertFields]], None],
        own: Sequence[OwnAlert] = (),
        presets: Sequence[str] = (),
        keeper: AlertKeeper | None = None,
    ) -> None:
        self._watch = watch
        self.keeper = keeper
        self.own = tuple(own)
        self.presets = tuple(presets)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the user's rules."""
        return tuple(alert.fields.name for alert in self.own)

    def of(self, name: str) -> OwnAlert | None:
        """The rule of this name."""
        return next((alert for alert in self.own if alert.fields.name == name), None)

    def add(self, fields: AlertFields) -> None:
        """One more rule. Raises ValueError or OSError with a text for the user, as all of these."""
        if fields.name in self.names:
            raise ValueError(f"name: there is an alert {fields.name!r} already")
        self._change((*self.own, OwnAlert(fields)), self.presets, lambda keeper: keeper.add(fields))

    def replace(self, name: str, fields: AlertFields) -> None:
        """Write a rule anew; its name may change too."""
        if fields.name != name and fields.name in self.names:
            raise ValueError(f"name: there is an alert {fields.name!r} already")
        own = tuple(replace(alert, fields=fields) if alert.fields.name == name else alert for alert in self.own)
        self._change(own, self.presets, lambda keeper: keeper.replace(name, fields))

    def remove(self, name: str) -> None:
        """Take a rule away."""
        own = tuple(alert for alert in self.own if alert.fields.name != name)
        self._change(own, self.presets, lambda keeper: keeper.remove(name))

    def toggle(self, name: str) -> bool:
        """Watch a rule, or leave it be; whether it is watched now."""
        alert = self.of(name)
        enabled = alert is not None and not alert.enabled
        own = tuple(replace(each, enabled=enabled) if each is alert else each for each in self.own)
        self._change(own, self.presets, lambda keeper: keeper.enable(name, enabled))
        return enabled

    def toggle_preset(self, name: str) -> bool:
        """Switch a preset on or off; whether it is on now."""
        on = name not in self.presets
        presets = (*self.presets, name) if on else tuple(each for each in self.presets if each != name)
        self._change(self.own, presets, lambda keeper: keeper.presets(presets))
        return on

    def _change(self, own: tuple[OwnAlert, ...], presets: tuple[str, ...], keep: Callable[[AlertKeeper], None]) -> None:
        self._watch(presets, [alert.fields for alert in own if alert.enabled])
        if self.keeper is not None:
            try:
                keep(self.keeper)
            except (ValueError, OSError):
                self._watch(self.presets, [alert.fields for alert in self.own if alert.enabled])
                raise
        self.own, self.presets = own, presets
