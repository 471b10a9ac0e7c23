"""What the configuration says of the panels reaches them."""

from __future__ import annotations

from tests.tui.monitor import FakeMonitor
from tui.panels.cvd import CvdChart
from tui.panels.tape import Tape
from tui.screens.main import Look, MainScreen


async def test_panels_begin_as_the_user_wants() -> None:
    look = Look(flow="5m", ofi="3s", step=5_000_000_000, minimum=2_500.0, beside="tape")
    screen = MainScreen(FakeMonitor(), {}, 10.0, lambda *_: None, lambda: 0, look)
    assert screen.desk.beside == "tape"
    metrics = {metric for panel in screen.panels.values() for metric in panel.metrics}
    assert {"delta(5m)", "ti(5m)", "ofi(3s)"} <= metrics
    assert not {"delta(60s)", "ofi(10s)"} & metrics
    for name in ("cvd", "cvd2"):
        chart = screen.panels[name]
        assert isinstance(chart, CvdChart)
        assert chart.step == 5_000_000_000
    tape = screen.panels["tape"]
    assert isinstance(tape, Tape)
    assert tape.minimum == 2_500.0
    tape.cycle_minimum()
    assert tape.minimum == 10_000.0
