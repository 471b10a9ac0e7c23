"""What the configuration is checked against, and what becomes of it: presets, windows and rules reach the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.alerts.condition import ConditionError
from engine.alerts.presets import PRESETS, preset_rules
from engine.metrics.names import parse_metric
from engine.runtime import Runtime
from tui.commands.monitor import _session
from tui.commands.sources import Sources
from tui.commands.validators import VALIDATORS
from tui.config.loading import LoadedConfig, load
from tui.config.model import Config
from tui.monitor import AlertFields
from tui.session import Session


def read(tmp_path: Path, text: str) -> LoadedConfig:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, environ={}, validators=VALIDATORS)


def session(config: Config) -> Session:
    return _session(config, Sources((), True, ()), lambda _: None)


def names(made: Session) -> list[str]:
    return [rule.name for rule in made._runtime.rules]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('presets = ["toxic-flo"]', 'presets[#1]: unknown preset "toxic-flo", did you mean "toxic-flow"?; left out'),
        ('presets = "toxic-flow"', "expected a list in square brackets"),
        ('windows.flow = "100d"', "windows.flow: delta: W can't be '100d'"),
        ('windows.ofi = "0.0s"', "windows.ofi: expected a length of time above zero"),
        ('windows.chart = "500ms"', "windows.chart: expected a length of time in whole seconds"),
        ('layout.beside = "tpe"', 'unknown panel "tpe", did you mean "tape"?'),
        ("tape.minimum = -1", "an amount of 0 or more, in the quote currency"),
        (
            '[[alerts]]\nname = "one-sided-flow"\nwhen = "cvd > 5"',
            "alerts[one-sided-flow].name: 'one-sided-flow' is a rule of the preset 'one-sided-flow'; "
            "choose another name; this alert is left out",
        ),
        ('[[alerts]]\nname = "a"\nwhen = "vpn > 5"', "did you mean 'vpin'?"),
        ('[[alerts]]\nname = "a"\nwhen = "vpin > 0.5"\nrearm = 0.6', "must lie at or below the level"),
        ('[[alerts]]\nname = "a"\nwhen = "cvd > 5"\nseverity = "critical"', "severity"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    loaded = read(tmp_path, text)
    (problem,) = loaded.problems
    assert said in str(problem)
    assert session(loaded.config)  # and the monitor starts all the same


def test_presets_and_own_rules_are_watched_together(tmp_path: Path) -> None:
    own = '[[alerts]]\nname = "mine"\nwhen = "cvd > 5"\n[[alerts]]\nname = "off"\nwhen = "cvd > 6"\nenabled = false\n'
    default = [rule.name for rule in preset_rules(Config().presets)]
    assert default
    assert names(session(read(tmp_path, own).config)) == [*default, "mine"]
    assert names(session(read(tmp_path, f"presets = []\n{own}").config)) == ["mine"]
    listed = ", ".join(f'"{name}"' for name in PRESETS)
    assert len(names(session(read(tmp_path, f"presets = [{listed}]").config))) == len(preset_rules(list(PRESETS)))


def test_the_users_windows_are_computed_from_the_first_row_on(tmp_path: Path) -> None:
    config = read(tmp_path, 'windows = { flow = "2m", ofi = "3s" }').config
    runtime = session(config)._runtime
    assert isinstance(runtime, Runtime)
    computed = {metric.canonical for metric in runtime._metrics}
    assert {parse_metric(text).canonical for text in ("delta(2m)", "ti(2m)", "ofi(3s)", "ti(60s)")} <= computed


def test_rules_of_the_screen_take_no_name_that_is_taken() -> None:
    made = session(Config())
    made.watch_rules(("drawdown",), [AlertFields("mine", "cvd > 5", message="{value}", repeat="5m")])
    assert names(made) == ["drawdown", "mine"]
    for taken, said in (
        (["mine", "mine"], "there is an alert 'mine' already"),
        (["toxic-flow slow"], "preset 'toxic-flow'"),
    ):
        with pytest.raises(ConditionError, match=said):
            made.watch_rules((), [AlertFields(name, "cvd > 5") for name in taken])
    assert names(made) == ["drawdown", "mine"]
    assert made.check_rule("vpn > 1") is not None
    assert made.check_rule("vpin > 1") is None
    assert [name for name, _, _ in made.presets()] == list(PRESETS)
    assert made.preview("sim:BTC/USDT", "cvd", None).problem == "there is no such market on the screen"
    assert made.level_at("sim:BTC/USDT", "cvd", 0.5) is None
    assert made.evidence("nothing") is None
