"""The engine as the screen sees it: how often metrics are read, and that they are never of another tape."""

from __future__ import annotations

from typing import Any

from engine import runtime as runtime_module
from engine.view import MarketView, ViewRequest
from tests.engine.tapes import INSTRUMENT, START
from tests.tui.views import NS, T0, make_view
from tui.session import METRICS_S, Session


class Runtime:
    """Counts what is read; the value of every metric is how often it was read."""

    def __init__(self) -> None:
        self.t = T0
        self.reads = 0

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        self.reads += bool(request.metrics)
        return make_view(t=self.t, metrics=dict.fromkeys(request.metrics, float(self.reads)))


def session() -> tuple[Session, Runtime, list[float]]:
    runtime: Any = Runtime()
    now = [100.0]
    return Session(runtime, (), None, clock=lambda: now[0]), runtime, now


def read(one: Session, *metrics: str) -> dict[str, float | None]:
    view = one.view("sim:ETH/USDT", ViewRequest(metrics=metrics))
    assert view is not None
    return dict(view.metrics)


def test_metrics_are_read_five_times_a_second_and_the_rest_every_time() -> None:
    one, runtime, now = session()
    assert read(one, "last", "mid") == {"last": 1.0, "mid": 1.0}
    runtime.t += NS
    view = one.view("sim:ETH/USDT", ViewRequest(metrics=("last",)))
    assert view is not None
    assert view.t == T0 + NS
    assert view.metrics == {"last": 1.0}
    now[0] += 2 * METRICS_S
    assert read(one, "last") == {"last": 2.0}


def test_a_metric_that_was_not_read_yet_is_read_at_once() -> None:
    one, _, _ = session()
    read(one, "last")
    assert read(one, "last", "vwap") == {"last": 2.0, "vwap": 2.0}


def test_a_tape_that_begins_anew_brings_its_own_numbers() -> None:
    one, runtime, _ = session()
    read(one, "last")
    runtime.t -= 60 * NS
    assert read(one, "last") == {"last": 2.0}


def test_what_is_said_of_held_numbers_is_held_with_them() -> None:
    runtime = runtime_module.Runtime([], chart=True)
    market = runtime.open(INSTRUMENT)
    market.trade(START, START, 1, "10.00", "1.000", 1)
    clock = iter((0.0, 0.05, 0.1))
    session = Session(runtime, (), None, clock=lambda: next(clock))
    request = ViewRequest(metrics=("kyle_r2",), histogram_rows=9)
    first, second = (session.view(INSTRUMENT.market, request) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.warmup
    assert (second.warmup, second.since, second.histogram) == (first.warmup, first.since, first.histogram)
    other = session.view(INSTRUMENT.market, ViewRequest(metrics=("kyle_r2",)))
    assert other is not None
    assert other.histogram is None
