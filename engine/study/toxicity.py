"""VPIN over a recording, its percentile among its own past, and how often an alert on that would have fired."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.base_rate import mean_episode_length
from engine.metrics.batch import NO_QUOTES, Batch, Quotes, Trades
from engine.metrics.buckets import FixedSize
from engine.metrics.signing import RULES, SignAgreement
from engine.metrics.vpin import Vpin
from engine.metrics.vpin_history import FEWEST_VALUES
from engine.study.table import Cell, Table, second

#: Alerts fire at this percentile and re-arm below that one.
FIRE, REARM = 0.99, 0.90
COUNT: Final = 50
#: Buckets of a recording whose average day is not known, and parts of the day where it is.
BUCKETS: Final = 500
PARTS: Final = (50, 500, 5_000)


def alerts(percentiles: Iterable[float], fire: float = FIRE, rearm: float = REARM) -> list[int]:
    """At which values an alert would have fired: one >= `fire`, again only after one < `rearm`. NaN does nothing."""
    fired, running = [], False
    for i, value in enumerate(percentiles):
        if value >= fire:
            if not running:
                fired.append(i)
            running = True
        elif value < rearm:
            running = False
    return fired


def alert_cells(percentiles: list[float]) -> tuple[Cell, ...]:
    """(values with a percentile, of them at or above FIRE, alerts, values an alert lasts, alerts expected).

    Expected: (1 - FIRE) x values / length of an episode, that is if percentiles were uniform.
    """
    known = [p for p in percentiles if not math.isnan(p)]
    length = mean_episode_length(known, FIRE, REARM)
    expected = (1 - FIRE) * len(known) / (length or 1.0)
    return (len(known), sum(p >= FIRE for p in known), len(alerts(known)), length, expected)


ALERT_COLUMNS: Final = ("percentiles", f">= {FIRE}", "alerts", "values each", "expected")


def vpin_table(instrument: Instrument, trades: Trades, day_lots: int | None, start: int, end: int) -> Table:
    """VPIN with the sides that the venue told."""
    total = sum(trades.qty.tolist())
    if day_lots:
        sizes = [(f"day/{part}", max(1, day_lots // part)) for part in PARTS]
        told = "The average day was given."
    else:
        sizes = [(f"recording/{BUCKETS}", max(1, total // BUCKETS))]
        told = "The size of buckets comes from the whole recording, which looks ahead; --adv sets an average day."
    rows = [(name, instrument.amount(size), *_vpin_cells(trades, size, start, end)) for name, size in sizes]
    return Table(
        "vpin",
        f"VPIN of {COUNT} buckets, sides as the venue told them",
        ("bucket", f"V, {instrument.unit or 'units'}", "values", "mean", "coin toss", "maximum", "at", "last",
         "its percentile", *ALERT_COLUMNS),
        tuple(rows),
        f"{told} Percentiles are causal, among earlier values, from {FEWEST_VALUES} on. Neighbours share {COUNT - 1} "
        f"of {COUNT} buckets, so few of the values are independent. A gauge of the present state: coin-toss sides give "
        "the level beside it, and it adds little to volume and volatility (Andersen & Bondarenko, 2014).",
    )  # fmt: skip


def _vpin_cells(trades: Trades, size: int, start: int, end: int) -> tuple[Cell, ...]:
    vpin = Vpin(FixedSize(size), COUNT)
    vpin.update(Batch(trades, NO_QUOTES, {}, (), start, end))
    times, values = vpin.history(1 << 40)
    if not len(values):
        return (0, *(None,) * 6, *alert_cells([]))
    instants = np.unique(times)
    nulls = vpin.sample("null", instants)
    percentiles = vpin.sample("pct", instants)
    top = int(values.argmax())
    return (
        len(values),
        float(values.mean()),
        float(nulls[np.isfinite(nulls)].mean()) if np.isfinite(nulls).any() else None,
        float(values[top]),
        second(int(times[top])),
        float(values[-1]),
        float(percentiles[-1]),
        *alert_cells(percentiles.tolist()),
    )


def agreement_table(trades: Trades, quotes: Quotes, start: int, end: int) -> Table:
    """How many sides told by the venue the signing rules tell alike."""
    told = int((trades.side != 0).sum())
    rows: list[tuple[Cell, ...]] = []
    for rule in RULES:
        if rule != "tick" and not len(quotes):
            continue
        calculator = SignAgreement(rule)
        calculator.sample(str(end), np.empty(0, np.int64))
        calculator.update(Batch(trades, quotes, {}, (), start, end))
        rows.append((rule, told, len(trades) - told, float(calculator.sample(str(end), np.array([end]))[0])))
    return Table(
        "agreement",
        "Sides told from prices against the sides that the venue told",
        ("rule", "fills", "side unknown", "agreement"),
        tuple(rows),
        "Per fill; 0.5 is a coin toss. A gauge of the data: a book that comes late or in batches makes Lee-Ready look "
        "worse than it is, and many fills of one sweep count many times.",
    )
