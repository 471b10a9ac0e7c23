"""Loadings of the first principal component of order flow vectors, refitted on every full UTC hour.

The covariance of the vectors of 10 s bars comes from exact integer moments, kept per hour; a refit at an hour
uses the 24 hours before it. The loadings' sizes add up to 1 and their sum is positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.windows import Exact, check_state
from engine.tape import Ints

BAR: Final = 10_000_000_000
HOUR: Final = 3_600_000_000_000
TRAIN_HOURS: Final = 24
FEWEST_BARS: Final = 60
_SAFE: Final = 1 << 62


@dataclass(slots=True)
class _Moments:
    """Of the bars that ended in (hour, hour + 1]: number, sums and sums of products, Python ints."""

    hour: int
    count: int
    sums: Exact
    products: Exact


@dataclass(frozen=True, slots=True)
class _Fit:
    since: int  # ns; in force from then on
    weights: tuple[float, ...]
    share: float  # of the variance


class Loadings:
    """Learns from bars and keeps the fits that may still be asked for."""

    def __init__(self, size: int) -> None:
        """`size`: length of a vector."""
        self._size = size
        self._hours: list[_Moments] = []
        self._next: int | None = None  # hour of the next refit; None before the first bar
        self._fits: list[_Fit] = []

    def add(self, end: Ints, flows: list[Exact]) -> None:
        """Bars that ended at `end` (ns, ascending), one array of flows per component. Refits that came before."""
        hours = (end - 1) // HOUR
        for hour in np.unique(hours).tolist():
            self.reach(hour * HOUR)
            inside = slice(*hours.searchsorted((hour, hour + 1), "left"))
            vectors = np.array([flow[inside] for flow in flows])
            self._count(int(hour), vectors)

    def _count(self, hour: int, vectors: Exact) -> None:
        count = vectors.shape[1]
        top = max(abs(int(vectors.max())), abs(int(vectors.min())))
        if count * top * top >= _SAFE:
            vectors = vectors.astype(object)
        products, sums = (vectors @ vectors.T).astype(object), vectors.sum(axis=1).astype(object)
        if self._next is None:
            self._next = hour + 1
        if self._hours and self._hours[-1].hour == hour:
            last = self._hours[-1]
            last.count, last.sums, last.products = last.count + count, last.sums + sums, last.products + products
        else:
            self._hours.append(_Moments(hour, count, sums, products))

    def due(self, t: int) -> bool:
        """Whether a refit at or before `t` has not been made."""
        return self._next is not None and self._next * HOUR <= t

    def reach(self, t: int) -> None:
        """All bars that ended by the last full hour at or before `t` have been added: make the refits due."""
        while self._next is not None and self._next * HOUR <= t:
            now = self._next
            self._hours = [moments for moments in self._hours if moments.hour >= now - TRAIN_HOURS]
            if not self._hours:
                self._next = None  # nothing to learn from until bars come again
                return
            self._refit(now * HOUR)
            self._next = now + 1

    def _refit(self, t: int) -> None:
        count = sum(moments.count for moments in self._hours)
        if count < FEWEST_BARS:
            return
        sums: Exact = sum((m.sums for m in self._hours), np.zeros(self._size, object))
        products: Exact = sum((m.products for m in self._hours), np.zeros((self._size, self._size), object))
        covariance = count * products - np.outer(sums, sums)  # times count^2
        largest = max(int(v) for v in covariance.diagonal())
        if largest == 0:
            return
        scaled = np.array([[int(v) / largest for v in row] for row in covariance])
        values, vectors = np.linalg.eigh(scaled)
        first = vectors[:, -1]
        total = float(first.sum())
        if total < 0 or (total == 0 and first[np.argmax(np.abs(first))] < 0):
            first = -first
        weights = first / float(np.abs(first).sum())
        self._fits.append(_Fit(t, tuple(weights.tolist()), float(values[-1] / np.trace(scaled))))

    def at(self, times: Ints) -> tuple[Floats, Floats]:
        """(loadings, shape (n, size); share of the variance) in force at `times`; NaN before the first fit."""
        weights = np.full((len(times), self._size), np.nan)
        share = np.full(len(times), np.nan)
        fit = np.array([f.since for f in self._fits], np.int64).searchsorted(times, "right") - 1
        for i in np.unique(fit[fit >= 0]).tolist():
            weights[fit == i] = self._fits[i].weights
            share[fit == i] = self._fits[i].share
        return weights, share

    def forget(self, t: int) -> None:
        """No loadings before `t` will be asked for."""
        while len(self._fits) > 1 and self._fits[1].since <= t:
            del self._fits[0]

    def state(self) -> State:
        return {
            "kind": "loadings",
            "version": 1,
            "size": self._size,
            "hours": [[m.hour, m.count, m.sums.tolist(), m.products.tolist()] for m in self._hours],
            "next": self._next,
            "fits": [[fit.since, list(fit.weights), fit.share] for fit in self._fits],
        }

    def restore(self, state: State) -> None:
        check_state(state, "loadings", 1)
        if state["size"] != self._size:
            raise ValueError(f"state of loadings of {state['size']} levels, not {self._size}")
        self._hours = [
            _Moments(hour, count, np.array(sums, object), np.array(products, object))
            for hour, count, sums, products in state["hours"]
        ]
        self._next = state["next"]
        self._fits = [_Fit(since, tuple(weights), share) for since, weights, share in state["fits"]]
