"""What is computed of a market: metrics, the calculators they share, and the grids on which they are read.

The half of a market that does not depend on how its tape comes; `engine.market` feeds it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from fractions import Fraction

import numpy as np

from engine.book import TickBook
from engine.breaks import BreakLog
from engine.codes import LATEST
from engine.fees import FeeSchedule
from engine.history import Bars
from engine.instrument import Instrument
from engine.metrics.anchored import Since
from engine.metrics.batch import Bools, Floats
from engine.metrics.calculator import Calculator, LateLearner
from engine.metrics.footprint import Footprint
from engine.metrics.history import Derived
from engine.metrics.names import Metric
from engine.metrics.registry import bind
from engine.metrics.spec import Bound, Context
from engine.news import BandNews, ChangeRow, LadderNews, TapNews
from engine.sampling import Grid, Sampler
from engine.sparse_book import SparseBook
from engine.tape import Ints
from engine.trust import TrustLog

_NEVER = 1 << 62
#: What a market that is drawn keeps so that an anchor may lie in the past.
FOOTPRINT = "chart footprint"


class Computation(ABC):
    """The book, the calculators and their grids. Metrics may be added while it runs: they know what comes later."""

    def __init__(self, instrument: Instrument, day_lots: int | None, fees: FeeSchedule | None) -> None:
        self.instrument = instrument
        self.context = Context(instrument, day_lots, fees)
        self.order_book: TickBook | SparseBook = (
            TickBook(instrument) if instrument.fixed_tick else SparseBook(instrument)
        )
        self.trust = TrustLog()
        self.breaks = BreakLog()
        self.t = 0
        self.calculators: dict[Hashable, Calculator] = {}
        self.began: int | None = None  # clock of the first row that the numbers stand on
        self.horizon = 0  # nothing before it can be sampled any more
        self._begun = False  # a row of this run has come
        self._first: int | None = None  # clock of the first row ever; not known after a resume
        self._folded = 0  # clock at the last fold
        self._past: list[Bars] = []  # what was learned, for calculators that are made later
        self._asked_at: dict[str, int] = {}  # clock, of metrics that were asked for under way
        self._bound: dict[str, Bound] = {}
        self._taps: set[int] = set()
        self._ladder_counts: set[int] = set()
        self._distances: set[Fraction] = set()
        self._sums, self._ladders = TapNews(()), LadderNews(())
        self._bands: BandNews | None = None  # None: nobody wants them
        self._changes: list[ChangeRow] | None = None  # None: nobody wants them
        self._lags: list[tuple[int, int]] | None = None  # (clock, lag) of messages; None: nobody wants them
        self._watched = False  # some metric wants more of every book message than the touch
        self._grids: list[Grid] = []  # those that calculators learn from come first, inner before outer
        self._learning = 0  # how many those are
        self._next_probe = _NEVER
        self._barrier = -1  # a later time needs more than a new clock: the first one, a probe is due, it is absurd

    @abstractmethod
    def flush(self) -> None:
        """Fold what came since the last time: calculators, then samples."""

    # ---- what is computed

    def ensure(self, metric: Metric) -> Bound:
        """Compute `metric` from now on (at once a no-op when it already is)."""
        bound = self._bound.get(metric.canonical)
        if bound is None:
            bound = self._bound[metric.canonical] = bind(metric, self.context)
            if self.t and bound.make is not None:
                self._asked_at[metric.canonical] = self.t
            if bound.of is not None:
                self.ensure(bound.of)
            if bound.make is not None and bound.share not in self.calculators:
                calculator = bound.make(self.context)
                if isinstance(calculator, Since) and self.t:
                    self.flush()  # before it is there to hear of it: what waits is in the footprint then
                self.calculators[bound.share] = calculator
                if isinstance(calculator, LateLearner):
                    for bars in self._past:
                        calculator.learn_bars(bars)
                if isinstance(calculator, Since) and self.t:
                    past = self.calculators.get(FOOTPRINT)
                    calculator.late(self.t, past if isinstance(past, Footprint) else None)
                if isinstance(calculator, Derived):
                    self._grids.insert(self._learning, self._grid(calculator))
                    self._learning += 1
                    self._plan_probe()
            if bound.make is not None and isinstance(anchored := self.calculators[bound.share], Since):
                self._note_anchor(metric, anchored)
            if bound.make is not None:
                self.calculators[bound.share].sample(bound.field, np.empty(0, np.int64))  # keep what its window needs
            if not (self._taps.issuperset(bound.taps) and self._ladder_counts.issuperset(bound.ladders)):
                self.flush()
                self._taps.update(bound.taps)
                self._ladder_counts.update(bound.ladders)
                self._sums, self._ladders = TapNews(sorted(self._taps)), LadderNews(sorted(self._ladder_counts))
            if not self._distances.issuperset(bound.bands):
                self.flush()
                self._distances.update(bound.bands)
                self._bands = BandNews(self._distances)
            if bound.changes and self._changes is None:
                self.flush()
                self._changes = []
            if bound.lags and self._lags is None:
                self.flush()
                self._lags = []
            self._watched = bool(self._taps or self._ladder_counts or self._distances)
        return bound

    def _note_anchor(self, metric: Metric, calculator: Since) -> None:
        """An anchored metric counts from where its calculator does, whenever it was asked for."""
        if calculator.complete is None:
            self._asked_at.pop(metric.canonical, None)
        else:
            self._asked_at[metric.canonical] = calculator.complete

    def sample_for(self, sampler: Sampler) -> None:
        """Read values for `sampler` on its grid from the next instant on."""
        self._grids.append(self._grid(sampler))
        self._plan_probe()

    def _grid(self, sampler: Sampler) -> Grid:
        """Beginning with the clock; it reads the book for the metrics that stand on the book alone."""
        probes = {}
        for metric in sampler.metrics:
            of, bound = self._innermost(metric)
            if bound.probe is not None:
                probes[of.canonical] = lambda probe=bound.probe: probe(self.order_book, self.context)
        grid = Grid(sampler, tuple(probes.items()))
        if self._begun:
            grid.begin(self.t)
        return grid

    def _innermost(self, metric: Metric) -> tuple[Metric, Bound]:
        """The metric inside statistics of statistics, itself if it is none."""
        bound = self.ensure(metric)
        while bound.of is not None:
            metric = bound.of
            bound = self.ensure(metric)
        return metric, bound

    def forget(self, sampler: Sampler) -> None:
        """Stop reading for `sampler`."""
        self._grids = [grid for grid in self._grids if grid.sampler is not sampler]
        self._plan_probe()

    def calculator(self, metric: Metric) -> Calculator | None:
        """The running calculator behind `metric` (None: it reads the book alone)."""
        bound = self.ensure(metric)
        return None if bound.make is None else self.calculators[bound.share]

    def value(self, metric: Metric) -> float | None:
        """`metric` now; None when unknown."""
        inner, bound = self._innermost(metric)
        caught: dict[str, Floats] = {}
        if bound.probe is not None:
            read = bound.probe(self.order_book, self.context)
            if inner is metric:
                return read
            caught[inner.canonical] = np.array([np.nan if read is None else read])
        if not self.t:
            return None
        value = float(self.values(metric, np.array([self.t]), caught)[0])
        return None if np.isnan(value) else value

    def values(self, metric: Metric, times: Ints, caught: dict[str, Floats]) -> Floats:
        """Values at ascending instants; of metrics that read the book alone as `caught` there, by canonical name."""
        bound = self.ensure(metric)
        if bound.probe is not None:
            return caught.get(metric.canonical, np.empty(0))
        calculator = self.calculators[bound.share]
        if isinstance(calculator, Derived) and bound.of is not None:
            return calculator.beside(bound.field, times, self.values(bound.of, times, caught))
        return calculator.sample(bound.field, times)

    # ---- what traded before

    def learn(self, bars: Bars) -> None:
        """Let the calculators that can learn from bars what traded before the first row; it may have come already.
        A market that has resumed learns nothing: it has learned before."""
        if self.t and self._first is None:
            return
        if self._first is not None:
            bars = bars.within(0, self._first)
        self._past.append(bars)
        for share, calculator in self.calculators.items():
            learn = getattr(calculator, "learn_bars", None)
            # The ladder shows what was seen at a price, never what a bar spread over its prices.
            if learn is not None and len(bars) and share != "chart profile":
                learn(bars)

    def warmed(self, metric: Metric) -> str | None:
        """What of the value of `metric` comes from bars, in words; None when nothing does."""
        bound = self.ensure(metric)
        tell = None if bound.make is None else getattr(self.calculators[bound.share], "warmed", None)
        return None if tell is None else tell(bound.field)

    def counted_since(self, metric: Metric) -> int | None:
        """From which clock on `metric` surely saw the tape; None while nothing came."""
        return self._asked_at.get(metric.canonical, self.began)

    # ---- instants

    def _begin(self, ts: int) -> None:
        """The first row of this run."""
        self._begun = True
        for grid in self._grids:
            if grid.next is None:
                grid.begin(ts)
        if not self.t:
            self.t = self._folded = self._first = self.began = ts
        self._plan_probe()

    def _plan_probe(self) -> None:
        waiting = [grid.next_probe for grid in self._grids if grid.probing and grid.next is not None]
        self._next_probe = min(waiting, default=_NEVER)
        if self._begun:
            self._barrier = min(self._next_probe, LATEST)

    def _catch(self, until: int) -> None:
        for grid in self._grids:
            if grid.probing and grid.next is not None:
                grid.catch(until)
        self._plan_probe()

    def _deliver(self, final: bool) -> None:
        if self._next_probe < self.t + final:
            self._catch(self.t + final)
        horizon = self.t
        for grid in tuple(self._grids):  # a sampler may ask for new metrics
            times = grid.due(self.t, final)
            grid.sampler.take(times, self.t, _Reader(self, self.t + final, grid.caught()))
            if grid.next is not None:
                horizon = min(horizon, grid.next)
        for calculator in self.calculators.values():
            calculator.advance(horizon)
        self.trust.advance(horizon)
        self.breaks.advance(horizon)
        self.horizon = horizon

    def _learning_grids(self) -> list[tuple[str, Grid]]:
        """The grids on which calculators learn from the values of other metrics, by share key."""
        shares = {id(calculator): repr(share) for share, calculator in self.calculators.items()}
        return [(shares[id(grid.sampler)], grid) for grid in self._grids[: self._learning]]


class _Reader:
    """`engine.sampling.Reader` of one grid at one fold."""

    def __init__(self, market: Computation, until: int, caught: dict[str, Floats]) -> None:
        self._market = market
        self.until = until
        self._caught = caught

    def values(self, metric: Metric, times: Ints) -> Floats:
        """See Reader."""
        return self._market.values(metric, times, self._caught)

    def closings(self, metric: Metric, since: int) -> Ints | None:
        """See Reader."""
        read = getattr(self._market.calculator(metric), "closings", None)
        return None if read is None else read(max(since, self._market.horizon) - 1, self.until - 1)

    def trust(self, times: Ints) -> tuple[list[str | None], list[str | None]]:
        """See Reader."""
        return self._market.trust.sample(times)

    def epochs(self, times: Ints) -> tuple[Ints, Ints]:
        """See Reader."""
        return self._market.breaks.epochs(times)

    def silent(self, times: Ints) -> Bools | None:
        """See Reader."""
        return self._market.breaks.silent(times)
