"""What is computed from the first row on, and what begins when one looks."""

from __future__ import annotations

import pytest

from tui.commands.monitor import later_metrics
from tui.config.model import Config, Layout
from tui.panels import cost, liquidity, risk, signal


def computed(layout: str) -> set[str]:
    return {metric.spec.name for metric in later_metrics(Config(layout=Layout(name=layout)))}


def names(keys: tuple[str, ...]) -> set[str]:
    return {key.partition("(")[0] for key in keys}


def test_impact_volatility_and_signal_wait_until_one_looks() -> None:
    begun = computed("default")
    assert not begun & names((*cost.METRICS, *risk.METRICS, *signal.METRICS))
    assert begun & names(liquidity.METRICS), "what is cheap is there from the first row on"


@pytest.mark.parametrize(("layout", "module"), [("cost", cost), ("risk", risk), ("scalp", signal)])
def test_a_layout_that_shows_a_panel_computes_all_of_it(layout: str, module: object) -> None:
    assert names(module.METRICS) <= computed(layout)  # type: ignore[attr-defined]
