"""Every metric by its name: what `stream --list`, alerts, help and docs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.metrics import (
    absorption,
    age,
    band_flow,
    book_shape,
    completeness,
    contract,
    cost,
    depth,
    divergence,
    drawdown,
    flow,
    history,
    illiquidity,
    imbalance,
    impact,
    kyle,
    latency,
    level_flow,
    liquidations,
    markout,
    microprice,
    mlofi,
    next_move,
    ofi,
    ofi_regression,
    patterns,
    prices,
    profile,
    resilience,
    risk,
    rolling_profile,
    signal,
    signing,
    sweep,
    turnover,
    vol_forecast,
    volatility,
    vpin,
    vpin_bvc,
    vwap,
)
from engine.metrics.spec import Bound, Context, MetricSpec

if TYPE_CHECKING:
    from engine.metrics.names import Metric


def _collect(groups: Iterable[tuple[MetricSpec, ...]]) -> Mapping[str, MetricSpec]:
    specs: dict[str, MetricSpec] = {}
    for group in groups:
        for spec in group:
            if spec.name in specs:
                raise ValueError(f"two metrics are named {spec.name!r}")
            specs[spec.name] = spec
    return MappingProxyType(specs)


#: Metrics by name, in the order of lists.
SPECS: Mapping[str, MetricSpec] = _collect(
    module.SPECS
    for module in (
        prices,
        microprice,
        vwap,
        flow,
        sweep,
        divergence,
        liquidations,
        contract,
        signing,
        ofi,
        ofi_regression,
        mlofi,
        band_flow,
        imbalance,
        depth,
        book_shape,
        level_flow,
        absorption,
        turnover,
        resilience,
        vpin,
        vpin_bvc,
        cost,
        kyle,
        illiquidity,
        markout,
        impact,
        volatility,
        vol_forecast,
        risk,
        drawdown,
        patterns,
        history,
        profile,
        rolling_profile,
        age,
        latency,
        completeness,
        next_move,
        signal,
    )
)


def bind(metric: Metric, context: Context) -> Bound:
    """How to compute a metric for a market; `context` is what the calculators will be made with."""
    del context  # no metric's shape depends on the market yet: its calculators do, through `make`
    return metric.spec.bind(*metric.args)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the list of metrics."""

    usage: str  # ti(W=60s)
    unit: str
    meaning: str
    warmup: str
    group: str


def listing() -> list[Listed]:
    """All metrics, one row each, in groups."""
    from engine.metrics.names import usage  # names needs the specs collected here

    return [Listed(usage(s), s.unit, s.meaning, s.warmup, s.group) for s in SPECS.values()]
