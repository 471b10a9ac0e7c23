"""The user's alerts while the monitor runs: watched first, kept then, and never one without the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tui.test_alert_editor import Keeper
from tui.alert_book import AlertBook, OwnAlert
from tui.config.loading import load
from tui.config.own_alerts import ConfigAlerts, fields_of, own_alerts
from tui.monitor import AlertFields
from tui.session import rule_of

ONE, TWO = AlertFields("one", "cvd > 1"), AlertFields("two", "cvd > 2")


class Engine:
    """Remembers what it was told to watch; refuses `cvd > bad`."""

    def __init__(self) -> None:
        self.watched: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def watch(self, presets: Sequence[str], own: Sequence[AlertFields]) -> None:
        for fields in own:
            rule_of(fields)
        self.watched = tuple(presets), tuple(fields.name for fields in own)


def book(keeper: Keeper | None = None) -> tuple[AlertBook, Engine]:
    engine = Engine()
    return AlertBook(engine.watch, (OwnAlert(ONE), OwnAlert(TWO, enabled=False)), ("drawdown",), keeper), engine


def test_every_change_is_watched_and_kept() -> None:
    keeper = Keeper()
    made, engine = book(keeper)
    assert made.names == ("one", "two")
    made.add(AlertFields("three", "cvd > 3"))
    assert engine.watched == (("drawdown",), ("one", "three"))
    assert made.toggle("two")
    assert engine.watched[1] == ("one", "two", "three")
    changed = AlertFields("uno", "cvd > 5")
    made.replace("one", changed)
    assert engine.watched[1] == ("uno", "two", "three")
    made.remove("two")
    assert not made.toggle_preset("drawdown")
    assert made.toggle_preset("wide-spread")
    assert engine.watched == (("wide-spread",), ("uno", "three"))
    assert [done[0] for done in keeper.done] == ["add", "enable", "replace", "remove", "presets", "presets"]
    assert made.of("uno") == OwnAlert(changed)
    assert made.of("one") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.add(AlertFields("three", "cvd > 3")),
        lambda made: made.replace("one", AlertFields("one", "cvd > 3")),
        lambda made: made.remove("one"),
        lambda made: made.toggle("two"),
        lambda made: made.toggle_preset("wide-spread"),
    ],
)
def test_what_cannot_be_kept_leaves_everything_as_it_was(change: object) -> None:
    made, engine = book(Keeper(OSError("disk full")))
    before = made.own, made.presets
    with pytest.raises(OSError, match="disk full"):
        change(made)  # type: ignore[operator]
    assert (made.own, made.presets) == before
    assert engine.watched == (("drawdown",), ("one",))


def test_names_are_taken_once_and_what_is_no_rule_changes_nothing() -> None:
    keeper = Keeper()
    made, _engine = book(keeper)
    for wrong in (
        lambda: made.add(AlertFields("two", "cvd > 9")),
        lambda: made.replace("one", AlertFields("two", "cvd > 9")),
        lambda: made.add(AlertFields("bad", "cvd > bad")),
    ):
        with pytest.raises(ValueError, match=r"name|when"):
            wrong()
    assert made.names == ("one", "two")
    assert keeper.done == []


def test_a_rule_goes_to_the_form_and_back_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    full = AlertFields(
        "full", "vpin > 0.5", "sim:*", "3s", "0.4", "5m", "high", "1s", "10m", "20s", "2030-01-01", "{value}"
    )
    keeper = ConfigAlerts(file)
    keeper.add(full)
    keeper.add(ONE)
    keeper.enable("one", False)
    keeper.presets(["drawdown"])
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert own_alerts(loaded.config) == (OwnAlert(full), OwnAlert(ONE, enabled=False))
    assert loaded.config.presets == ("drawdown",)
    assert rule_of(full).version == rule_of(fields_of(loaded.config.alerts[0])).version
    keeper.replace("full", AlertFields("full", "vpin > 0.6"))
    keeper.remove("one")
    assert own_alerts(load(file, environ={}).config) == (OwnAlert(AlertFields("full", "vpin > 0.6")),)
    with pytest.raises(ValueError, match="unknown alert"):
        keeper.remove("one")
