"""The last hour of a market's numbers, every 2 s: how they were spread, and what a rule would have done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.alert_view import RulePreview, Spread
from engine.alerts.quantity import Quantity, evaluate, metrics_of, unit_of
from engine.alerts.rehearsal import Rehearsal, rehearse
from engine.alerts.remembering import Remembering

if TYPE_CHECKING:
    from engine.alerts.rule import Rule
    from engine.market import Market
    from engine.metrics.batch import Floats
    from engine.metrics.names import Metric
    from engine.tape import Ints

#: How often numbers are remembered (ns; reading all of them takes milliseconds), and how many of each.
EVERY: Final = 2_000_000_000
KEPT: Final = 1_800
#: What is shown of a distribution.
QUANTILES: Final = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
BINS: Final = 24
#: At most so many metrics that were asked for under way.
_MOST_ASKED: Final = 24


class Lookback:
    """What is remembered of one market: its usual metrics from its first row on, others since they were asked for."""

    def __init__(self, market: Market, metrics: Iterable[Metric]) -> None:
        self._market = market
        self._samplers: list[Remembering] = []
        self._by_metric: dict[str, Remembering] = {}
        self._remember(list(metrics))

    def _remember(self, wanted: Sequence[Metric]) -> None:
        """These too from now on; of those that were asked for, the oldest that are not wanted now have to go."""
        metrics = [metric for metric in wanted if metric.canonical not in self._by_metric]
        if metrics:
            sampler = Remembering(metrics, EVERY, KEPT)
            self._samplers.append(sampler)
            self._by_metric |= {metric.canonical: sampler for metric in sampler.metrics}
            self._market.sample_for(sampler)
        needed = {id(self._by_metric[metric.canonical]) for metric in wanted}
        idle = [each for each in self._samplers[1:] if id(each) not in needed]
        for gone in idle[: max(0, len(self._samplers) - 1 - _MOST_ASKED)]:
            self._samplers.remove(gone)
            self._market.forget(gone)
            self._by_metric = {name: each for name, each in self._by_metric.items() if each is not gone}

    def values(self, metrics: Sequence[Metric]) -> tuple[Ints, dict[str, Floats]]:
        """(instants, values by canonical metric) that are known of all of these metrics; those that were not remembered
        are from now on."""
        self._remember(metrics)
        samplers = {id(each): each for each in (self._by_metric[metric.canonical] for metric in metrics)}.values()
        # All sample the same instants, so they end together and differ in how far back they reach.
        count = min((len(each.times) for each in samplers), default=0)
        if not count:
            return np.empty(0, np.int64), {metric.canonical: np.empty(0) for metric in metrics}
        times = next(iter(samplers)).times[-count:]
        values = {m.canonical: self._by_metric[m.canonical].values[m.canonical][-count:] for m in metrics}
        return times, values

    def spread(self, quantity: Quantity) -> Spread:
        """How a quantity was spread."""
        known = self._seen(quantity)
        span = len(known) * EVERY
        if not len(known):
            return Spread(unit_of(quantity), span)
        quantiles = tuple(zip(QUANTILES, np.quantile(known, QUANTILES).tolist(), strict=True))
        # The farthest thousandth on either side would make one bin of all the rest.
        low, high = float(quantiles[0][1]), float(quantiles[-1][1])
        bins: tuple[int, ...] = ()
        if high > low:
            bins = tuple(np.histogram(np.clip(known, low, high), BINS, (low, high))[0].tolist())
        return Spread(unit_of(quantity), span, quantiles, low, high, bins)

    def quantile(self, quantity: Quantity, p: float) -> float | None:
        """The value below which a share `p` of the remembered ones lies; None while nothing is remembered."""
        known = self._seen(quantity)
        return float(np.quantile(known, p)) if len(known) else None

    def _seen(self, quantity: Quantity) -> Floats:
        metrics = list(metrics_of(quantity))
        times, values = self.values(metrics)
        found = evaluate(quantity, values, len(times), self._market.instrument.amount(1))
        return found[np.isfinite(found)]

    def rehearse(self, rule: Rule) -> Rehearsal:
        """What the rule would have done."""
        times, values = self.values(list(rule.metrics))
        return rehearse(rule, times, values, self._market.instrument.amount(1))


def preview_of(lookback: Lookback, value: float | None, quantity: Quantity | None, rule: Rule | None) -> RulePreview:
    """For a form: how the quantity was spread, and what the rule would have done."""
    did = None if rule is None else lookback.rehearse(rule)
    return RulePreview(
        value=value,
        spread=None if quantity is None else lookback.spread(quantity),
        observed=0 if did is None else did.observed,
        episodes=None if did is None or not did.observed else did.episodes,
        suppressed=0 if did is None else did.suppressed,
        longest=0 if did is None else did.longest,
        per_day=None if did is None else did.per_day,
    )


def value_of(market: Market, quantity: Quantity) -> float | None:
    """A quantity as it stands in a market now; None when unknown."""
    now = {metric.canonical: market.value(metric) for metric in metrics_of(quantity)}
    values = {name: np.array([np.nan if value is None else value]) for name, value in now.items()}
    value = float(evaluate(quantity, values, 1, market.instrument.amount(1))[0])
    return value if np.isfinite(value) else None
