"""Every ready rule compiles, means something on a real kind of market, and keeps its name to itself."""

from __future__ import annotations

import pytest

from engine.alerts.presets import CATALOGUE, PRESETS, RESERVED, preset_rules, reserved
from engine.alerts.rule import SEVERITIES
from engine.market import Market
from engine.metrics.vpin import PRESETS as VPIN_PRESETS
from tests.engine.tapes import INSTRUMENT
from tui.config.model import Config
from tui.config.template import TEMPLATE


@pytest.mark.parametrize("name", PRESETS)
def test_each_rule_is_ready(name: str) -> None:
    rules = preset_rules([name])
    assert rules
    for rule in rules:
        assert rule.severity in SEVERITIES
        assert rule.message
        assert rule.rearm is not None or name == "silent-feed"
        assert rule.cooldown > 0
        market = Market(INSTRUMENT)
        for metric in rule.metrics:
            market.ensure(metric)
        assert reserved(rule.name) == f"{rule.name!r} is a rule of the preset {name!r}; choose another name"


def test_names_are_unique_and_toxicity_has_every_speed() -> None:
    rules = preset_rules([*PRESETS, *PRESETS])
    assert len({rule.name for rule in rules}) == len(rules) == len(RESERVED)
    toxic = preset_rules(["toxic-flow"])
    assert [rule.name for rule in toxic] == [f"toxic-flow {speed}" for speed, _, _ in VPIN_PRESETS]
    assert all(rule.toxicity and rule.severity == "high" for rule in toxic)
    assert reserved("mine") is None
    with pytest.raises(KeyError):
        preset_rules(["toxic"])


def test_the_configuration_knows_them_all() -> None:
    assert set(Config().presets) <= set(PRESETS)
    assert all(f'"{name}"' in TEMPLATE and each.line in TEMPLATE for name, each in CATALOGUE.items())


def test_a_new_user_is_called_on_the_simulated_market() -> None:
    """Within two minutes of simulated time, with the rules of the default configuration."""
    from connectors.simulator.feed import SimulatedArchive
    from engine.alert_view import AlertEvent
    from engine.alerts.watch import Watch

    told: list[AlertEvent] = []
    markets: dict[str, Market] = {}
    archive = SimulatedArchive(["BTC/USDT"], duration_ns=120 * 10**9, start_ns=1_735_732_800 * 10**9)
    for chunk in archive.chunks(lambda *_: None):
        name = chunk.instrument.market
        if name not in markets:
            markets[name] = Market(chunk.instrument, [Watch(name, preset_rules(Config().presets), told.append)])
        markets[name].apply(chunk.rows)
    assert [event.rule for event in told if event.kind == "fired" and event.delivered] == ["one-sided-flow"]
