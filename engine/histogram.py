"""Volume by price as a panel draws it: as many rows as it has, the wanted prices among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.detail_view import HistogramRow, HistogramView
from engine.instant import instant_text
from engine.metrics.anchored import Since
from engine.metrics.names import parse_metric
from engine.metrics.rolling_profile import RollingProfile
from engine.metrics.value_area import binned

if TYPE_CHECKING:
    from engine.market import Market
    from engine.metrics.windows import Exact
    from engine.tape import Ints

_STEPS = (1, 2, 5)


def histogram(market: Market, rows: int, anchor: int | None = None) -> HistogramView | None:
    """Rows from the highest price down, around the last price; None before the first trade of the session, or since
    the anchor (ns).

    A row holds 1, 2 or 5 times a power of ten ticks: the fewest with which the value area and the last price fit.
    High and low volume nodes are the local extremes of the volumes shown, smoothed over three rows.
    """
    if rows < 1 or (found := _session(market) if anchor is None else _anchored(market, anchor)) is None:
        return None
    (prices, volumes), (poc, low, high) = found
    marks = [poc, low, high, *([market.prints[-1][1]] if market.prints else [])]
    width = _width(max(marks) - min(marks) + 1, rows)
    at, sums = binned(prices, volumes, width)
    highest = max(marks) // width
    top = highest + max(0, rows - (highest - min(marks) // width + 1)) // 2
    first = top - rows + 1
    shown = np.zeros(rows, np.float64)
    inside = (at >= first) & (at <= top)
    shown[top - at[inside]] = sums[inside].astype(np.float64)
    nodes = _nodes(shown)
    amount = market.instrument.amount(1)
    return HistogramView(
        width,
        tuple(
            HistogramRow((top - i) * width, volume * amount, node)
            for i, (volume, node) in enumerate(zip(shown.tolist(), nodes, strict=True))
        ),
        poc,
        low,
        high,
        anchor,
    )


_Area = tuple[int, int, int]  # ticks: point of control, value area low, high


def _session(market: Market) -> tuple[tuple[Ints, Exact], _Area] | None:
    profile = market.profile
    if profile is None or (poc := profile.poc()) is None:
        return None
    tick, now = float(market.instrument.tick), np.array([market.t])
    low, high = (round(float(profile.sample(field, now)[0]) / tick) for field in ("val:1", "vah:1"))
    return profile.levels(), (poc, low, high)


def _anchored(market: Market, anchor: int) -> tuple[tuple[Ints, Exact], _Area] | None:
    since = instant_text(anchor)
    poc, low, high = (parse_metric(f"{name}(1,{since})") for name in ("poc", "val", "vah"))
    calculator = market.calculator(poc)
    values = [market.value(metric) for metric in (poc, low, high)]
    known = [value for value in values if value is not None]
    if len(known) < 3 or not isinstance(calculator, Since) or not isinstance(calculator.inner, RollingProfile):
        return None
    tick = float(market.instrument.tick)
    ticks = [round(value / tick) for value in known]
    return calculator.inner.levels(), (ticks[0], ticks[1], ticks[2])


def _width(span: int, rows: int) -> int:
    """Ticks a row must hold so that `span` ticks fit into `rows` rows wherever they begin."""
    power = 1
    while True:
        for step in _STEPS:
            if (span - 1) // (step * power) + 2 <= rows or step * power > span:
                return step * power
        power *= 10


def _nodes(volumes: np.ndarray) -> list[int]:
    """+1 for a high volume node, -1 for a low one, 0 else: strict local extremes of the 3-row mean."""
    nodes = [0] * len(volumes)
    if len(volumes) < 5 or not volumes.any():
        return nodes
    smooth = np.convolve(volumes, np.ones(3) / 3, "same")
    traded = np.flatnonzero(volumes)
    for i in range(max(1, int(traded[0])), min(len(volumes) - 1, int(traded[-1]) + 1)):
        if smooth[i] > smooth[i - 1] and smooth[i] > smooth[i + 1]:
            nodes[i] = 1
        elif smooth[i] < smooth[i - 1] and smooth[i] < smooth[i + 1]:
            nodes[i] = -1
    return nodes
