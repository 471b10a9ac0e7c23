"""The response function over a whole recording: mean markout by horizon, by side and by size.

For studies, not for live screens: it needs all trades and quotes at once. METRICS 1.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.metrics.batch import NO_QUOTES, NO_TRADES, Batch, Floats, Quotes, Trades
from engine.metrics.markout import Joined, join, moved_bps
from engine.metrics.prevailing import PrevailingMid
from engine.tape import Ints


@dataclass(frozen=True, slots=True)
class Responses:
    """The trades that met a mid, and their markouts: bps, shape (trades, horizons), NaN = unknown."""

    trades: Joined
    horizons: Ints  # ns
    markouts: Floats


@dataclass(frozen=True, slots=True)
class MeanResponse:
    """One group of trades. Arrays of shape (horizons,); NaN where nothing, or too little, is known."""

    mean: Floats  # bps
    error: Floats  # standard error as if fills were independent, bps: they are not, so it is too small
    n: Ints


def whole(batches: Iterable[Batch]) -> tuple[Trades, Quotes]:
    """All trades and all quotes of a tape that was cut into batches."""
    kept = [(batch.trades, batch.quotes) for batch in batches]
    trades, quotes = [t for t, _ in kept] or [NO_TRADES], [q for _, q in kept] or [NO_QUOTES]
    return Trades.joined(trades), Quotes.joined(quotes)


def responses(trades: Trades, quotes: Quotes, horizons: Ints, end: int) -> Responses:
    """Markouts of every trade of a whole tape at each horizon (ns). Those due after `end`, the tape's last clock,
    are unknown, and so are those of another epoch than the trade's."""
    mids = PrevailingMid().extend(quotes)
    joined = join(trades, mids)
    out = np.full((len(joined), len(horizons)), np.nan)
    for column, horizon in enumerate(horizons.tolist()):
        due = joined.t + horizon
        row = mids.at(due)
        now = mids.twice[row]
        use = (due <= end) & (now > 0) & (mids.epoch[row] == joined.epoch)
        out[use, column] = moved_bps(joined.side[use], joined.twice[use], now[use])
    return Responses(joined, horizons, out)


def size_deciles(qty: Ints, groups: int = 10) -> Ints:
    """Each trade's group by size, 0 = smallest, of nearly equal numbers; equal sizes share the lowest of theirs."""
    if not len(qty):
        return qty
    ordered = np.sort(qty)
    return ordered.searchsorted(qty, "left") * groups // len(qty)


def mean_response(markouts: Floats) -> MeanResponse:
    """Over the trades given, shape (trades, horizons)."""
    known = np.isfinite(markouts)
    n = known.sum(axis=0)
    values = np.where(known, markouts, 0.0)
    mean, error = np.full(len(n), np.nan), np.full(len(n), np.nan)
    np.divide(values.sum(axis=0), n, out=mean, where=n > 0)
    spread = np.where(known, markouts - np.where(n > 0, mean, 0.0), 0.0)
    np.divide((spread**2).sum(axis=0), n * (n - 1), out=error, where=n > 1)
    return MeanResponse(mean, np.sqrt(error), n)


def by_size(found: Responses, groups: int = 10) -> list[MeanResponse]:
    """The mean response of each size group, smallest first."""
    group = size_deciles(found.trades.qty, groups)
    return [mean_response(found.markouts[group == g]) for g in range(groups)]


def by_side(found: Responses) -> tuple[MeanResponse, MeanResponse]:
    """The mean response of (taker buys, taker sells)."""
    side = found.trades.side
    return mean_response(found.markouts[side > 0]), mean_response(found.markouts[side < 0])
