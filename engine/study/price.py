"""How the price moved: variances of the mid, and how often a value at risk would have been exceeded."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.backtest import VarTest, var_test
from engine.metrics.batch import NO_TRADES, Batch, Floats, Quotes, Trades
from engine.metrics.seconds import SECOND, SecondMids
from engine.metrics.spec import Context
from engine.metrics.tail import WARM, tail_size
from engine.metrics.volatility import RealisedVolatility
from engine.study.table import Cell, Table
from engine.tape import Ints

CONFIDENCES: Final = (0.95, 0.99)
BACKTESTED: Final = ("historical", "filtered")
#: Returns that a VaR stands on: the most of these that leave as many to test.
WINDOWS: Final = (500, 250, 100, 30)
#: A price that nobody has said for so long (ns) is not known.
_STALE: Final = 300 * SECOND


def variance_table(context: Context, quotes: Quotes, start: int, end: int) -> Table:
    """Realised volatility, its jumps and noise over the whole recording."""
    calculator = RealisedVolatility(context)
    span = max(SECOND, -(-(end - start) // SECOND) * SECOND)
    calculator.update(Batch(NO_TRADES, quotes, {}, (), start, end))
    at = np.array([end], np.int64)
    value = {name: float(calculator.sample(f"{name}:{span}", at)[0]) for name in _MEASURES}
    return Table(
        "variance",
        "Realised volatility of the mid, whole recording",
        ("measure", "value"),
        tuple((text, value[name]) for name, text in _MEASURES.items()),
        f"{span // SECOND:,} s. A signature above 1.5: 1 s returns are mostly noise, read the 5 s value; far below 1: "
        "the price trended. The jump share has no significance test here, and one-second bipower calls any burst a "
        "jump.",
    )


_MEASURES: Final = {
    "rv": "realised, a year, 1 s returns (0.5 = 50 %)",
    "rv_5s": "realised, a year, 5 s returns",
    "bipower": "bipower, a year (without jumps)",
    "jump": "share of jumps in the variance",
    "signature": "signature ratio, 1 s over 30 s variance",
}


def mid_returns(quotes: Quotes, end: int, step: int) -> Floats:
    """Log returns of the mid between adjacent instants of a grid of `step` ns (whole seconds), where both are known."""
    seconds, mids = SecondMids().take(quotes, end)
    on_grid = seconds % step == 0
    return grid_returns(seconds[on_grid], mids[on_grid], step)


def trade_returns(trades: Trades, end: int, step: int) -> Floats:
    """As `mid_returns`, of the last trade price: it bounces between the sides."""
    if not len(trades):
        return np.empty(0)
    t = np.arange(-(-int(trades.t[0]) // step), end // step + 1, dtype=np.int64) * step
    last = trades.t.searchsorted(t, "right") - 1
    known = (last >= 0) & (t - trades.t[np.maximum(last, 0)] <= _STALE)
    return grid_returns(t[known], trades.px[last[known]], step)


def grid_returns(t: Ints, price: Ints, step: int) -> Floats:
    """Log returns between instants `step` apart; `price` in any unit above 0."""
    log = np.log(price.astype(np.float64))
    adjacent: Floats = np.diff(log)[np.diff(t) == step]
    return adjacent


def window_for(count: int) -> int | None:
    """How many of `count` returns each forecast stands on; None: there are too few to test anything."""
    return next((w for w in WINDOWS if count >= 2 * w), None)


def risk_table(returns: dict[str, Floats], of: str) -> Table:
    """Back-test of one-step VaR. `returns` by the name of their step; `of` says what they are returns of."""
    rows: list[tuple[Cell, ...]] = []
    for name, series in returns.items():
        window = window_for(len(series))
        if window is None and rows:
            continue
        for method in BACKTESTED:
            for confidence in CONFIDENCES:
                test = _test(series, confidence, window, method)
                shown: tuple[Cell, ...] = (None,) * 5
                if test is not None:
                    shown = (test.tested, test.expected, test.hits, test.rate, test.p_value)
                rows.append((name, method, f"{confidence:.0%}", window, *shown))
    return Table(
        "var_backtest",
        f"Value at risk one step ahead, and losses that followed beyond it; returns of {of}",
        ("step", "method", "confidence", "window", "tested", "expected", "seen", "rate", "Kupiec p"),
        tuple(rows),
        "Each forecast stands on the window of returns before it. Kupiec's p tests the number of losses beyond, not "
        "their bunching; with fewer than about 5 expected it can hardly reject. Empty or no row: too few returns. "
        "Long side.",
    )


def _test(returns: Floats, confidence: float, window: int | None, method: str) -> VarTest | None:
    if window is None:
        return None
    usable = window - (WARM if method == "filtered" else 0)
    if not tail_size(max(usable, 0), confidence):
        return None
    return var_test(returns, confidence, window, method)
