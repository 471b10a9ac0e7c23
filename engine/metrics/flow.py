"""Order flow of the takers: delta and cumulative delta, volumes, ratios, speed. METRICS 1.1, 1.2.

One calculator holds the trades of a market once, as exact prefix sums, for all metrics and all
windows. B, S and U are the sums of sizes of taker buys, taker sells, and trades of unknown side in
the window; unknown sides count in volumes and trades, never in B or S.

Sums are exact integers: lots; ticks x lots for money; and for the base amount of an inverse
contract (contracts x value / price, which is no whole number of anything) a fixed-point number per
trade, rounded once at 2^-36 of the amount of one lot at the tape's first price. So every sum is
the same wherever the tape is cut, and an empty window is exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import frexp
from typing import NamedTuple

import numpy as np

from engine.history import MINUTE, Bars, session_of
from engine.metrics.anchored import since
from engine.metrics.batch import Batch, Floats, Trades
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import (
    DAY,
    Anchor,
    Exact,
    Span,
    Spoken,
    Sums,
    Window,
    check_state,
    exact_product,
    plus_where,
    quotients,
    to_floats,
)
from engine.tape import Ints

_BUY, _SELL, _UNKNOWN, _SQUARES, _OTHER, _OTHER_DELTA = range(6)
_FIXED_POINT_BITS = 36


class _Before(NamedTuple):
    """What minute bars tell of a session before the market began."""

    day: int  # UTC day
    sums: tuple[int, ...]  # by column
    trades: int
    bars: int  # their number
    sided: bool  # whether they tell what takers bought, and the number of trades


class _WithBars(Window):
    """Windows of a session with what traded in it before the market began."""

    def __init__(self, window: Window, before: _Before) -> None:
        self._window, self._before = window, before
        self._here = window.session_start() // DAY == before.day

    def sum(self, column: int) -> Exact:
        return plus_where(self._window.sum(column), self._before.sums[column], self._here)

    def count(self) -> Ints:
        return self._window.count() + np.where(self._here, self._before.trades, 0)


class FlowCalculator:
    """All flow metrics of a market. Fields are `name:span`, span in ns, or `session`, or `start`."""

    def __init__(self, context: Context) -> None:
        instrument = context.instrument
        self._inverse = instrument.kind == "inverse"
        self._amount = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._tick = Fraction(instrument.tick)
        self._sums = Sums(6)
        self._longest = 0  # ns, of the windows asked for
        self._before: _Before | None = None  # what bars tell of the session before the market began
        self._scale: int | None = None  # inverse only: fixed-point units per base unit, as a power of 2

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        n = len(trades)
        if not n:
            return
        qty, side = trades.qty, trades.side
        largest = int(qty.max())
        other, other_bound = self._other_currency(trades, largest)
        terms: tuple[Exact, ...] = (
            qty * (side > 0),
            qty * (side < 0),
            qty * (side == 0),
            exact_product(largest * largest, qty, qty) * (side != 0),
            other,
            other * side,
        )
        lots = n * largest
        self._sums.append(trades.t, terms, (lots, lots, lots, lots * largest, other_bound, other_bound))

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        span: Span = text if text in ("session", "start") else int(text)
        if isinstance(span, int) and span > self._longest:
            self._longest = span
        out = np.full(len(times), np.nan)
        known = self._sums.known(times)
        if known.any():
            window = self._sums.window(times[known], span)
            if span == "session" and self._before is not None and name in self._told_by_bars:
                window = _WithBars(window, self._before)
            with np.errstate(divide="ignore", invalid="ignore"):
                out[known] = _VALUES[name](self, window, span)
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "flow",
            "version": 2,
            "before": None if self._before is None else list(self._before),
            "sums": self._sums.state(),
            "longest": self._longest,
            "scale": self._scale,
        }

    def restore(self, state: State) -> None:
        check_state(state, "flow", 2)
        if state["before"] is not None:
            day, sums, trades, bars, sided = state["before"]
            self._before = _Before(day, tuple(sums), trades, bars, sided)
        self._sums.restore(state["sums"])
        self._longest = max(self._longest, state["longest"])
        self._scale = state["scale"]

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Minute bars of the session before the market began: what their takers bought and sold, how much in money (a
        bar's takers all at its mean price), and in how many trades."""
        if bars.step != MINUTE:
            return
        bars = session_of(bars)
        volume, bought = sum(bars.volume.tolist()), sum(bars.bought.tolist())
        if not volume:
            return
        money = money_delta = 0
        if not self._inverse:
            unit = float(self._amount * self._tick)
            for quote, size, taken in zip(bars.quote.tolist(), bars.volume.tolist(), bars.bought.tolist(), strict=True):
                if size:
                    money += round(quote / unit)
                    money_delta += round(quote / unit * (2 * taken - size) / size)
        sides = (bought, volume - bought, 0) if bars.sided else (0, 0, volume)
        sums = (*sides, 0, money, money_delta)
        self._before = _Before(int(bars.t[0]) // DAY, sums, int(bars.trades.sum()), len(bars), bars.sided)

    def warmed(self, field: str) -> str | None:
        """See Learner: until the session that began before the market is over."""
        name, _, span = field.partition(":")
        if self._before is None or span != "session" or name not in self._told_by_bars:
            return None
        if len(self._sums) and int(self._sums.clock[-1]) // DAY != self._before.day:
            return None
        return f"the session before the start from {self._before.bars} minute bars"

    @property
    def _told_by_bars(self) -> frozenset[str]:
        """Session values that bars complete: not what needs the squares of sizes, sides where they tell none, or the
        base units of inverse contracts."""
        told = _FROM_BARS if self._before is not None and self._before.sided else _UNSIDED
        return told - ({"cvd_base", "volume_base"} if self._inverse else set())

    # ---- units

    def _other_currency(self, trades: Trades, largest: int) -> tuple[Exact, int]:
        """Each trade in the currency that lots don't count, and a bound of the batch's sum."""
        highest = max(int(trades.px.max()), -int(trades.px.min()))
        if not self._inverse:
            product = exact_product(largest * highest, trades.px, trades.qty)
            return product, len(trades) * largest * highest
        return self._base_of_inverse(trades)

    def _base_of_inverse(self, trades: Trades) -> tuple[Exact, int]:
        per_lot = float(self._amount / self._tick)  # base units of one lot at a price of one tick
        priced = trades.px > 0
        base = np.zeros(len(trades))
        base[priced] = trades.qty[priced] * per_lot / trades.px[priced]
        if self._scale is None:
            if not priced.any():
                return np.zeros(len(trades), np.int64), 0
            first = int(trades.px[priced][0])
            self._scale = _FIXED_POINT_BITS - frexp(per_lot / first)[1]
        fixed = np.rint(np.ldexp(base, self._scale))
        largest = float(fixed.max())
        if largest < 2.0**62:
            return fixed.astype(np.int64), len(trades) * int(largest)
        wide: Exact = np.array([int(v) for v in fixed.tolist()], object)
        return wide, len(trades) * int(largest)

    def amounts(self, lots: Exact) -> Floats:
        """Lots to base units (inverse: quote units)."""
        return quotients(lots, self._amount.numerator, self._amount.denominator)

    def quote(self, window: Window, lots: Exact, column: int) -> Floats:
        """Quote units: of `lots` for inverse contracts, else of the money column."""
        if self._inverse:
            return self.amounts(lots)
        unit = self._amount * self._tick
        return quotients(window.sum(column), unit.numerator, unit.denominator)

    def base(self, window: Window, lots: Exact, column: int) -> Floats:
        """Base units: the fixed-point column for inverse contracts, else of `lots`."""
        if not self._inverse:
            return self.amounts(lots)
        scale = self._scale or 0
        return quotients(window.sum(column), 1 << max(0, -scale), 1 << max(0, scale))


# ---- the metrics, each over one window per instant


def _known_sides(window: Window) -> tuple[Exact, Exact]:
    return window.sum(_BUY), window.sum(_SELL)


def _net(window: Window) -> Exact:
    buy, sell = _known_sides(window)
    return np.subtract(buy, sell)


def _total(window: Window) -> Exact:
    buy, sell = _known_sides(window)
    return np.add(np.add(buy, sell), window.sum(_UNKNOWN))


def _ratio(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    """B/S; +inf when only buys, NaN when neither."""
    buy, sell = _known_sides(window)
    return to_floats(buy) / to_floats(sell)


def _share(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    buy, sell = _known_sides(window)
    return to_floats(buy) / to_floats(np.add(buy, sell))


def _imbalance(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    buy, sell = _known_sides(window)
    return to_floats(np.subtract(buy, sell)) / to_floats(np.add(buy, sell))


def _imbalance_z(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    """TI over its standard deviation if sides were fair coins, sqrt(sum of q^2) / sum of q."""
    return to_floats(_net(window)) / np.sqrt(to_floats(window.sum(_SQUARES)))


def _speed(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    assert isinstance(span, int)
    return to_floats(window.count()) / (span / 1e9)


def _mean_size(flow: FlowCalculator, window: Window, span: Span) -> Floats:
    return flow.amounts(_total(window)) / to_floats(window.count())


#: Sums of sizes and money by side: those that sums by price tell exactly. Counts, squares and the base amounts of
#: inverse contracts, which are rounded trade by trade, are not among them.
_SUMMED = frozenset(("delta", "cvd", "cvd_quote", "buy", "sell", "volume", "volume_quote", "ratio", "share", "ti"))

#: Values of a session that bars of the time before the market complete.
_FROM_BARS = _SUMMED | {"cvd_base", "volume_base", "trades", "mean_size"}
_UNSIDED = frozenset(("volume", "volume_quote", "volume_base"))

_Value = Callable[[FlowCalculator, Window, Span], Floats]

_VALUES: dict[str, _Value] = {
    "delta": lambda flow, window, span: flow.amounts(_net(window)),
    "cvd": lambda flow, window, span: flow.amounts(_net(window)),
    "cvd_quote": lambda flow, window, span: flow.quote(window, _net(window), _OTHER_DELTA),
    "cvd_base": lambda flow, window, span: flow.base(window, _net(window), _OTHER_DELTA),
    "buy": lambda flow, window, span: flow.amounts(window.sum(_BUY)),
    "sell": lambda flow, window, span: flow.amounts(window.sum(_SELL)),
    "volume": lambda flow, window, span: flow.amounts(_total(window)),
    "volume_quote": lambda flow, window, span: flow.quote(window, _total(window), _OTHER),
    "volume_base": lambda flow, window, span: flow.base(window, _total(window), _OTHER),
    "trades": lambda flow, window, span: to_floats(window.count()),
    "ratio": _ratio,
    "share": _share,
    "ti": _imbalance,
    "ti_z": _imbalance_z,
    "speed": _speed,
    "mean_size": _mean_size,
}


# ---- their descriptions

_W = Param("W", "anchored", "60s", "window, or session (the UTC day), or start, or a UTC time")
_FIXED_W = Param("W", "window", "60s", "window")
_ANCHOR = Param(
    "anchor", "anchored", "session", "session (restarts at each UTC day's first trade), start, a window, or a UTC time"
)
_SUM_WARMUP = "from the first trade on; covers W only after W"
_RATIO_WARMUP = "from the first trade on; null while nothing traded in the window; covers W only after W"
_TOTAL_WARMUP = "from the first trade on; covers the session from the tape's start"


def _spec(name: str, param: Param, unit: str, meaning: str, warmup: str = _SUM_WARMUP) -> MetricSpec:
    def bind(span: Spoken) -> Bound:
        if isinstance(span, Anchor):
            return since(bind("start"), span, seeded=name in _SUMMED)
        return Bound(share="flow", make=FlowCalculator, field=f"{name}:{span}", needs_trades=True)

    return MetricSpec(name, (param,), unit, meaning, warmup, bind, "flow")


SPECS = (
    _spec("delta", _W, "base", "taker buys minus taker sells (inverse contracts: quote units)"),
    _spec("cvd", _ANCHOR, "base", "cumulative delta since the anchor (inverse contracts: quote units)", _TOTAL_WARMUP),
    _spec("cvd_quote", _ANCHOR, "quote", "cumulative delta since the anchor, in money", _TOTAL_WARMUP),
    _spec("cvd_base", _ANCHOR, "base", "cumulative delta since the anchor, in base units", _TOTAL_WARMUP),
    _spec("buy", _W, "base", "volume of taker buys (inverse contracts: quote units)"),
    _spec("sell", _W, "base", "volume of taker sells (inverse contracts: quote units)"),
    _spec("volume", _W, "base", "volume of all trades (inverse contracts: quote units)"),
    _spec("volume_quote", _W, "quote", "volume of all trades, in money"),
    _spec("volume_base", _W, "base", "volume of all trades, in base units"),
    _spec("trades", _W, "count", "number of trades"),
    _spec("ratio", _W, "ratio", "taker buys over taker sells; infinite when only buys", _RATIO_WARMUP),
    _spec("share", _W, "ratio", "share of taker buys in the volume of known side, 0 to 1", _RATIO_WARMUP),
    _spec("ti", _W, "ratio", "trade imbalance: (buys - sells) / (buys + sells), -1 to 1", _RATIO_WARMUP),
    _spec("ti_z", _W, "z", "trade imbalance in standard deviations of fair coin flips", _RATIO_WARMUP),
    _spec("speed", _FIXED_W, "1/s", "trades per second"),
    _spec("mean_size", _W, "base", "mean size of a trade (inverse contracts: quote units)", _RATIO_WARMUP),
)
