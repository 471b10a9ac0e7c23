"""How well order flow imbalance explains the mid's change of the same bar, and how well trade imbalance does.

    dm_k = alpha + beta OFI_k + e_k

over the last K closed bars (10 s each in Cont, Kukanov & Stoikov, Journal of Financial Econometrics 12(1):47-88,
2014). Contemporaneous: flow and change are of the same bar, and the messages that move the price are part of OFI,
so the R2 is no measure of forecasting. The same regression on signed taker volume is that of Kyle's lambda.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from engine.instrument import Instrument
from engine.metrics import kyle
from engine.metrics.bar_store import BarStore, Table
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.kyle import FEWEST_BARS, aligned, check_bars, fit_line
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.queue_flow import QueueFlow
from engine.metrics.spec import Bound, MetricSpec
from engine.metrics.windows import check_state
from engine.tape import Ints


class OfiRegression:
    """The regression over the last K bars. Fields: `beta` (price per amount), `r2`, `t`.

    A bar counts when a mid was in force at both ends and no epoch began inside it.
    """

    def __init__(self, instrument: Instrument, bar: int, count: int) -> None:
        amount = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._unit = Fraction(instrument.tick) / 2 / amount  # price per amount, of one half-tick per lot
        self._mid = PrevailingMid()
        self._queues = QueueFlow(1)
        self._bars = BarStore(bar, count, 2, 1, (object, np.int64, np.int64), aligned)

    def update(self, batch: Batch) -> None:
        mids = self._mid.extend(batch.quotes)
        times, flow = self._queues.of_touch(batch.quotes)
        levels = np.stack((mids.twice[1:], mids.epoch[1:]))
        self._bars.update(mids.t[1:], levels, times, (flow[:, 0],), batch.end)

    def sample(self, field: str, times: Ints) -> Floats:
        return self._bars.values(times, lambda table: self._value(field, table))

    def _value(self, field: str, table: Table) -> float:
        fit = fit_line(table[1], table[2])
        if fit is None:
            return math.nan
        value = {"beta": float(fit.slope * self._unit), "r2": fit.r2, "t": fit.t}[field]
        return math.nan if value is None else value

    def advance(self, t: int) -> None:
        self._bars.forget(t)

    def state(self) -> State:
        return {
            "kind": "ofi regression",
            "version": 1,
            "mid": self._mid.state(),
            "queues": self._queues.state(),
            "bars": self._bars.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "ofi regression", 1)
        self._mid.restore(state["mid"])
        self._queues.restore(state["queues"])
        self._bars.restore(state["bars"])


def _bind(field: str, bar: int, count: int) -> Bound:
    check_bars(count, FEWEST_BARS)
    return Bound(
        share=("ofi_regression", bar, count),
        make=lambda context: OfiRegression(context.instrument, bar, count),
        field=field,
        needs_book=True,
    )


#: The regression on signed volume is already there.
_KYLE = {spec.name: spec for spec in kyle.SPECS}


def _spec(name: str, bind: Callable[..., Bound], unit: str, meaning: str) -> MetricSpec:
    same = _KYLE["kyle"]  # bars, their number, and from when on
    meaning = f"{meaning}, over the last K bars; contemporaneous, not a forecast"
    return MetricSpec(name, same.params, unit, meaning, same.warmup, bind, "ofi")


SPECS: tuple[MetricSpec, ...] = (
    _spec(
        "ofi_beta",
        lambda bar, count: _bind("beta", bar, count),
        "price/base",
        "change of the mid per unit of OFI (best level) of the same bar",
    ),
    _spec(
        "ofi_r2",
        lambda bar, count: _bind("r2", bar, count),
        "ratio",
        "share (0..1) of the variance of the mid's changes that OFI of the same bar explains",
    ),
    _spec(
        "ofi_t",
        lambda bar, count: _bind("t", bar, count),
        "t",
        "t statistic of the regression of the mid's change on OFI of the same bar",
    ),
    _spec(
        "ti_beta",
        _KYLE["kyle"].bind,
        "price/base",
        "change of the mid per unit of signed taker volume of the same bar",
    ),
    _spec(
        "ti_r2",
        _KYLE["kyle_r2"].bind,
        "ratio",
        "share (0..1) of the variance of the mid's changes that signed taker volume of the same bar explains",
    ),
)
