"""Forecasts of the next move and of short returns from many features, shown only while they have proved skill.

`signal(h)`: online logistic regression of the direction of the next move of the mid, awaited at most h.
`signal_return(h)`: rolling ridge regression of the mid's return over h. Both forecast on full seconds, frozen;
both are unknown unless the forecasts of the last 24 h were better than knowing nothing. METRICS 1.11.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import NO_QUOTES, NO_TRADES, Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.features import FEATURES, LEVELS, FeatureVector
from engine.metrics.ftrl import Rates
from engine.metrics.next_move import GRID, MidMoves, MoveModel, MoveReport
from engine.metrics.prequential import MIN_SCORED
from engine.metrics.return_model import ReturnModel, ReturnReport
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

RATES: Final = Rates(alpha=0.1)
#: Horizons that returns are forecast over.
RETURN_HORIZONS: Final = (GRID, 5 * GRID, 30 * GRID)
MAX_HORIZON: Final = 600 * GRID
_NONE: Final = np.empty(0, np.int64)


class SignalCalculator:
    """All forecasts from the feature vector of one market. Fields: `up:h`, `skill:h`, `brier:h`, `auc:h` of the
    next move, `return:h`, `return_skill:h` of returns; h in ns. A model begins when a field of it is bound.

    The value at t is the forecast of the latest full second; NaN when there was none.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._moves = MidMoves()
        self._features = FeatureVector(context)
        self._models: dict[int, MoveModel] = {}
        self._returns: dict[int, ReturnModel] = {}
        self._made: dict[str, Steps] = {}  # forecasts by field, at their instants
        self._end = 0  # full seconds before it have their forecasts

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        self._features.take(batch)
        self._end = batch.end
        steps = self._moves.take(batch.quotes, batch.end)
        if not steps:
            return
        instants = np.array([t for t, sign in steps if sign is None], np.int64)
        rows = iter(self._features.rows(instants) if len(instants) else ())
        for t, sign in steps:
            if sign is not None:
                for model in self._models.values():
                    model.happened(t, sign)
                continue
            row = next(rows)
            for h, model in self._models.items():
                self._made[f"up:{h}"].append([t], [model.predict(t, row.x)])
            for h, returns in self._returns.items():
                self._made[f"return:{h}"].append([t], [returns.step(t, row.epoch, row.twice_mid, row.x)])

    def sample(self, field: str, times: Ints) -> Floats:
        kind, horizon = self._begun(field)
        if not len(times):
            return np.empty(0)
        on_grid = kind in ("up", "return", "return_skill")  # the others change with moves of the mid only
        if on_grid and int(times[-1]) // GRID * GRID >= self._end:
            return self._ahead(int(times[-1])).sample(field, times)
        if kind in ("up", "return"):
            skill = self._record(kind, horizon, times)
            return np.where(skill > 0, self._latest(field, times), np.nan)
        return self._record(kind, horizon, times)

    def advance(self, t: int) -> None:
        for made in self._made.values():
            made.forget(t - GRID)
        for model in self._models.values():
            model.scores.forget(t)
        for returns in self._returns.values():
            returns.forget(t)

    def state(self) -> State:
        return {
            "kind": "signal",
            "version": 1,
            "moves": self._moves.state(),
            "features": self._features.state(),
            "models": {h: model.state() for h, model in self._models.items()},
            "returns": {h: model.state() for h, model in self._returns.items()},
            "made": {field: made.state() for field, made in self._made.items()},
            "end": self._end,
        }

    def restore(self, state: State) -> None:
        check_state(state, "signal", 1)
        self._moves.restore(state["moves"])
        self._features.restore(state["features"])
        for kind, models in (("up", state["models"]), ("return", state["returns"])):
            for h, saved in models.items():
                field = f"{kind}:{h}"
                self._begun(field)
                (self._models if kind == "up" else self._returns)[int(h)].restore(saved)
                self._made[field].restore(state["made"][field])
        self._end = state["end"]

    # ---- for a panel

    def move_report(self, horizon: int, t: int) -> MoveReport | None:
        """The model of the next move within `horizon` ns; None when no metric asked for it."""
        model = self._models.get(horizon)
        return None if model is None else model.report(t)

    def return_report(self, horizon: int, t: int) -> ReturnReport | None:
        """The model of returns over `horizon` ns; None when no metric asked for it."""
        model = self._returns.get(horizon)
        return None if model is None else model.report(t)

    # ---- how fields are read

    def _begun(self, field: str) -> tuple[str, int]:
        """(kind, horizon) of a field, whose model is running from now on."""
        kind, _, text = field.partition(":")
        horizon = int(text)
        if kind.startswith("return"):
            if horizon not in self._returns:
                self._returns[horizon] = ReturnModel(FEATURES, horizon)
                self._made[f"return:{horizon}"] = Steps(np.float64)
        elif horizon not in self._models:
            self._models[horizon] = MoveModel(FEATURES, horizon, RATES)
            self._made[f"up:{horizon}"] = Steps(np.float64)
        return kind, horizon

    def _record(self, kind: str, horizon: int, times: Ints) -> Floats:
        if kind.startswith("return"):
            return self._returns[horizon].skill(times)
        scores = self._models[horizon].scores
        return {"brier": scores.brier, "auc": scores.auc}.get(kind, scores.skill)(times)

    def _latest(self, field: str, times: Ints) -> Floats:
        """The forecast of the full second at or before each time."""
        made = self._made[field]
        position = made.position(times)
        out = np.full(len(times), np.nan)
        found = position >= 0
        found[found] = made.clock[position[found]] == times[found] // GRID * GRID
        out[found] = made.values()[position[found]]
        return out

    def _ahead(self, t: int) -> SignalCalculator:
        """This calculator as it will be when `t` has passed with nothing more happening."""
        later = SignalCalculator(self._context)
        later.restore(self.state())
        later.update(Batch(NO_TRADES, NO_QUOTES, {LEVELS: (_NONE, _NONE)}, (), self._end, t + 1))
        return later


# ---- descriptions


def _bound(field: str) -> Bound:
    return Bound(share="signal", make=SignalCalculator, field=field, taps=(LEVELS,), needs_book=True, needs_trades=True)


def _of_moves(name: str, kind: str, meaning: str, warmup: str, unit: str = "ratio") -> MetricSpec:
    def bind(horizon: int) -> Bound:
        if not GRID <= horizon <= MAX_HORIZON:
            raise ValueError(f"the next move can be awaited 1s to {MAX_HORIZON // GRID}s")
        return _bound(f"{kind}:{horizon}")

    param = Param("h", "window", "60s", "longest wait for the next move; forecasts without one do not count")
    return MetricSpec(name, (param,), unit, meaning, warmup, bind, "signal")


def _of_returns(name: str, kind: str, meaning: str, unit: str, warmup: str) -> MetricSpec:
    def bind(horizon: int) -> Bound:
        if horizon not in RETURN_HORIZONS:
            raise ValueError("returns are forecast over 1s, 5s or 30s")
        return _bound(f"{kind}:{horizon}")

    return MetricSpec(name, (Param("h", "window", "5s", "1s, 5s or 30s"),), unit, meaning, warmup, bind, "signal")


_SHOWN: Final = f"after {MIN_SCORED} resolved forecasts, one a second, and only while their skill over 24 h is above 0"
_RECORD: Final = f"after {MIN_SCORED} resolved forecasts; covers what there is of 24 h"

SPECS: tuple[MetricSpec, ...] = (
    _of_moves(
        "signal", "up", "probability that the next move of the mid is up, from many features; 0.5 is a coin", _SHOWN
    ),
    _of_moves(
        "skill",
        "skill",
        "skill of signal over 24 h: 1 - mean log-loss of forecasts made in advance / ln 2; 0 is a coin, 1 perfect",
        _RECORD,
    ),
    _of_moves(
        "signal_auc",
        "auc",
        "chance that signal was higher before a move up than before one down, over 24 h; 0.5 is a coin",
        _RECORD,
    ),
    _of_moves("brier", "brier", "mean of (signal - outcome)^2 over 24 h; 0.25 is a coin, 0 perfect", _RECORD),
    _of_returns("signal_return", "return", "expected return of the mid over h, from many features", "bps", _SHOWN),
    _of_returns(
        "return_skill",
        "return_skill",
        "skill of signal_return over 24 h: 1 - squared errors of forecasts made in advance / squared returns",
        "ratio",
        _RECORD,
    ),
)
