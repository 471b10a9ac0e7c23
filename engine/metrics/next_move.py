"""Which way the mid moves next: forecasts frozen on a grid, labels that come later, and P(up) from the queues.

At every full second a forecast is made from what was known then and frozen. The next change of the mid is its
label; only then it is scored and learned from. A forecast without a move within its horizon is censored, and
a new epoch of the book drops what is pending: no label is ever taken across a hole. METRICS 1.11.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Bools, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.ftrl import FtrlLogistic, Rates, probability
from engine.metrics.prequential import MIN_SCORED, CalibrationBin, Scores
from engine.metrics.spec import Bound, Context, MetricSpec
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

#: Forecasts are made at multiples of this since the Unix epoch.
GRID: Final = 1_000_000_000
#: A book that has said nothing for longer gives no forecasts.
STALE: Final = 60 * GRID
#: Batches of so many rows are taken in one by one where no forecast is due.
FEW: Final = 8
#: A step of the walk: (clock, +1 or -1 for a move of the mid, 0 for the end of an epoch, None for a grid instant).
Step = tuple[int, int | None]


class MidMoves:
    """Cuts quotes into the steps that forecasts need, in order: grid instants with a usable book, and after each
    of them (and after the batch's start) the first move of the mid or the end of the epoch, whichever is first.

    A grid instant is taken once the clock has passed it; what stands at its very time comes before it.
    Rows that are not valid or lack a side are no reference and change nothing but the epoch.
    """

    def __init__(self) -> None:
        self._row: tuple[int, int, bool] | None = None  # clock, epoch, usable of the last row
        self._mid: tuple[int, int] | None = None  # epoch, bid + ask of the last usable row
        self._next = 0  # first grid index not taken

    def take(self, quotes: Quotes, end: int) -> list[Step]:
        """The steps of these quotes and of the time until `end` (exclusive)."""
        if not len(quotes) and (self._row is None or end <= self._next * GRID):
            return []
        if len(quotes) <= FEW and end <= self._next * GRID:
            return self._within_a_second(quotes)
        key = ("moves", end, self._row, self._mid, self._next)
        known = quotes.memo.get(key) if len(quotes) else None
        if known is None:
            steps = self._taken(quotes, end)
            if len(quotes):
                quotes.memo[key] = steps, self._row, self._mid, self._next
            return steps
        steps, self._row, self._mid, self._next = known
        return list(steps)

    def _taken(self, quotes: Quotes, end: int) -> list[Step]:
        t, epoch = quotes.t, quotes.epoch
        usable = quotes.valid & (quotes.bid_qty > 0) & (quotes.ask_qty > 0)
        moves = self._moves(epoch, usable, quotes.bid + quotes.ask)
        ends = np.zeros(len(t), np.bool_)
        if len(t):
            ends[1:] = epoch[1:] != epoch[:-1]
            ends[0] = self._row is not None and int(epoch[0]) != self._row[1]
        moves[ends] = 0
        if self._row is not None:
            t = np.concatenate(([self._row[0]], t))
            usable = np.concatenate(([self._row[2]], usable))
            moves, ends = np.concatenate(([0], moves)), np.concatenate(([False], ends))
        if not len(t):
            return []
        if len(quotes):
            self._row = (int(t[-1]), int(epoch[-1]), bool(usable[-1]))
        instants, rows = self._instants(t, usable, end)
        events = np.flatnonzero((moves != 0) | ends)
        wanted = np.unique(np.concatenate(([0], events.searchsorted(rows, "right"))))
        picked = events[wanted[wanted < len(events)]]
        order = np.argsort(np.concatenate((2 * picked, 2 * rows + 1)), kind="stable").tolist()
        happened = list(zip(t[picked].tolist(), moves[picked].tolist(), strict=True))
        steps: list[Step] = [*happened, *((g, None) for g in instants.tolist())]
        return [steps[i] for i in order]

    def _within_a_second(self, quotes: Quotes) -> list[Step]:
        """`take` of some rows before the next grid instant, a row at a time: what a live batch mostly is."""
        columns = (quotes.t, quotes.epoch, quotes.valid, quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty)
        first: Step | None = None
        for t, epoch, valid, bid, bid_qty, ask, ask_qty in zip(*(column.tolist() for column in columns), strict=True):
            usable = valid and bid_qty > 0 and ask_qty > 0
            ended = self._row is not None and epoch != self._row[1]
            move = 0
            if usable:
                if self._mid is not None and self._mid[0] == epoch and not ended:
                    move = (bid + ask > self._mid[1]) - (bid + ask < self._mid[1])
                self._mid = (epoch, bid + ask)
            self._row = (t, epoch, usable)
            if first is None and (move or ended):
                first = (t, move)
        return [] if first is None else [first]

    def _moves(self, epoch: Ints, usable: Bools, twice_mid: Ints) -> Ints:
        """Sign of the mid's change at each row against the last usable row of the same epoch."""
        out = np.zeros(len(epoch), np.int64)
        at = np.flatnonzero(usable)
        if not len(at):
            return out
        epochs, mids = epoch[at], twice_mid[at]
        first_epoch, first_mid = self._mid or (int(epochs[0]), int(mids[0]))
        before_epoch, before = np.concatenate(([first_epoch], epochs[:-1])), np.concatenate(([first_mid], mids[:-1]))
        out[at] = np.where(before_epoch == epochs, np.sign(mids - before), 0)
        self._mid = (int(epochs[-1]), int(mids[-1]))
        return out

    def _instants(self, t: Ints, usable: Bools, end: int) -> tuple[Ints, Ints]:
        """(grid instants with a usable, fresh book; the row in force at each)."""
        until = np.minimum(np.append(t[1:], end), t + (STALE + 1))
        first, last = np.maximum(-(-t // GRID), self._next), -(-until // GRID)
        counts = np.where(usable, np.maximum(last - first, 0), 0)
        self._next = max(self._next, -(-end // GRID))
        rows = np.repeat(np.arange(len(t)), counts)
        before = np.cumsum(counts) - counts
        return (first[rows] + np.arange(len(rows)) - before[rows]) * GRID, rows

    def state(self) -> State:
        return {"kind": "mid_moves", "version": 1, "row": self._row, "mid": self._mid, "next": self._next}

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it is of another version."""
        check_state(state, "mid_moves", 1)
        self._row = None if state["row"] is None else tuple(state["row"])
        self._mid = None if state["mid"] is None else tuple(state["mid"])
        self._next = state["next"]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What became of the forecasts since the start."""

    made: int
    resolved: int
    censored: int  # no move within the horizon
    dropped: int  # the epoch ended
    pending: int


@dataclass(frozen=True, slots=True)
class MoveReport:
    """A model of the next move as a panel shows it. Scores are over 24 h, None below 250 resolved forecasts."""

    weights: dict[str, float]  # by feature; positive: speaks for up
    forecasts: Forecasts
    scored: int
    skill: float | None
    brier: float | None
    auc: float | None
    calibration: tuple[CalibrationBin, ...]


class MoveModel:
    """One online logistic model of the direction of the next move, with what is pending and its record."""

    def __init__(self, features: Sequence[str], horizon: int, rates: Rates) -> None:
        """`features`: names of the columns; `horizon`: a move later than so many ns does not count."""
        self.features = tuple(features)
        self.horizon = horizon
        self.scores = Scores()
        self.learner = FtrlLogistic(len(self.features), rates)
        self._pending: deque[tuple[int, tuple[float, ...], float]] = deque()  # instant, features, log-odds
        self._made = self._resolved = self._censored = self._dropped = 0

    def predict(self, t: int, x: Sequence[float]) -> float:
        """Freeze the forecast of instant `t` from the features `x`; returns P(up)."""
        self._censor(t)
        logit = self.learner.logit(x)
        self._pending.append((t, tuple(x), logit))
        self._made += 1
        return probability(logit)

    def happened(self, t: int, sign: int) -> bool:
        """The mid has moved (`sign` +1 or -1), or the epoch has ended (0). Whether anything was learned."""
        self._censor(t)
        pending, self._pending = self._pending, deque()
        if not sign:
            self._dropped += len(pending)
            return False
        for _, x, logit in pending:
            self.scores.add(t, logit, sign > 0)
            self.learner.learn(x, sign > 0)
        self._resolved += len(pending)
        return bool(pending)

    def _censor(self, t: int) -> None:
        while self._pending and t - self._pending[0][0] > self.horizon:
            self._pending.popleft()
            self._censored += 1

    def report(self, t: int) -> MoveReport:
        """As of `t`."""
        at = np.array([t], np.int64)
        scores = self.scores
        return MoveReport(
            weights=dict(zip(self.features, self.learner.weights, strict=True)),
            forecasts=Forecasts(self._made, self._resolved, self._censored, self._dropped, len(self._pending)),
            scored=int(scores.count(at)[0]),
            skill=_known(scores.skill(at)),
            brier=_known(scores.brier(at)),
            auc=_known(scores.auc(at)),
            calibration=scores.calibration(t),
        )

    def state(self) -> State:
        return {
            "kind": "move_model",
            "version": 1,
            "features": list(self.features),
            "horizon": self.horizon,
            "scores": self.scores.state(),
            "learner": self.learner.state(),
            "pending": [[t, list(x), logit] for t, x, logit in self._pending],
            "counts": [self._made, self._resolved, self._censored, self._dropped],
        }

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it is of another model."""
        check_state(state, "move_model", 1)
        if state["features"] != list(self.features) or state["horizon"] != self.horizon:
            raise ValueError("state of a model of other features or of another horizon")
        self.scores.restore(state["scores"])
        self.learner.restore(state["learner"])
        self._pending = deque((t, tuple(x), logit) for t, x, logit in state["pending"])
        self._made, self._resolved, self._censored, self._dropped = state["counts"]


def _known(values: Floats) -> float | None:
    value = float(values[0])
    return None if math.isnan(value) else value


# ---- P(up) from the queues


#: With two weights there is nothing to leave out.
QUEUE_RATES: Final = Rates(alpha=0.5, l1=0.0)
QUEUE_HORIZON: Final = 60 * GRID
#: Weights learned from fewer labels are not shown.
MIN_LABELS: Final = 100


class QueueUp:
    """P(next move of the mid is up) = 1 / (1 + exp(-(x0 + x1 I))), I the imbalance of the best queues.

    Gould & Bonart, Market Microstructure and Liquidity 2(2), 2016, fitted online. Fields: `up` (from the queues
    at that time and the labels resolved by then) and `skill` (of the frozen forecasts, against a coin).
    """

    def __init__(self, context: Context) -> None:
        del context  # the same for every market
        self._moves = MidMoves()
        self._queues = Steps(np.int64, np.int64, np.bool_)  # bid, ask, usable
        self._weights = Steps(np.float64, np.float64)
        self._model = MoveModel(("intercept", "imbalance_1"), QUEUE_HORIZON, QUEUE_RATES)

    def update(self, batch: Batch) -> None:
        quotes = batch.quotes
        if len(quotes):
            usable = quotes.valid & (quotes.bid_qty > 0) & (quotes.ask_qty > 0)
            self._queues.append(quotes.t, quotes.bid_qty, quotes.ask_qty, usable)
        steps = self._moves.take(quotes, batch.end)
        if not steps:
            return
        instants = np.array([t for t, sign in steps if sign is None], np.int64)
        imbalances = iter(self._imbalances(instants).tolist())
        for t, sign in steps:
            if sign is None:
                self._model.predict(t, (1.0, next(imbalances)))
            elif self._model.happened(t, sign) and self._model.learner.labels >= MIN_LABELS:
                self._weights.append([t], *([w] for w in self._model.learner.weights))

    def sample(self, field: str, times: Ints) -> Floats:
        if field == "skill":
            return self._model.scores.skill(times)
        constant, slope = self._weights.at(times, 0), self._weights.at(times, 1)
        logits = constant + slope * self._imbalances(times)
        return np.array([np.nan if v != v else probability(v) for v in logits.tolist()], np.float64)

    def report(self, t: int) -> MoveReport:
        """For a panel, as of `t`."""
        return self._model.report(t)

    def _imbalances(self, times: Ints) -> Floats:
        """NaN where the book is unknown."""
        bid, ask = self._queues.at(times, 0), self._queues.at(times, 1)
        out = np.full(len(times), np.nan)
        np.divide(bid - ask, bid + ask, out=out, where=self._queues.at(times, 2) == 1)
        return out

    def advance(self, t: int) -> None:
        self._queues.forget(t)
        self._weights.forget(t)
        self._model.scores.forget(t)

    def state(self) -> State:
        return {
            "kind": "queue_up",
            "version": 1,
            "moves": self._moves.state(),
            "queues": self._queues.state(),
            "weights": self._weights.state(),
            "model": self._model.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "queue_up", 1)
        self._moves.restore(state["moves"])
        self._queues.restore(state["queues"])
        self._weights.restore(state["weights"])
        self._model.restore(state["model"])


def _bind(field: str) -> Bound:
    return Bound(share="queue_up", make=QueueUp, field=field, needs_book=True)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "queue_up",
        (),
        "ratio",
        "probability that the next move of the mid is up, from the imbalance of the best queues; 0.5 is a coin",
        f"after {MIN_LABELS} resolved forecasts, one a second; null while the book is not valid or a side is empty",
        lambda: _bind("up"),
        "signal",
    ),
    MetricSpec(
        "queue_skill",
        (),
        "ratio",
        "skill of queue_up over 24 h: 1 - mean log-loss of forecasts made in advance / ln 2; 0 is a coin",
        f"after {MIN_SCORED} resolved forecasts; covers what there is of 24 h",
        lambda: _bind("skill"),
        "signal",
    ),
)
