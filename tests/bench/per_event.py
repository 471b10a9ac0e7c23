"""The same numbers the plain way: one event after the other, in Python, with the running sums anybody would keep.

The other contestant of `test_replay.py`. Nothing here is slow on purpose: windows are deques with running totals,
nothing is recomputed that a running total can tell. Prices in ticks and sizes in lots, as ints.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


class Flow:
    """cvd of the session; delta, buy, sell, volume, trades, ti, ti_z, speed, mean_size of a window."""

    def __init__(self, window: int, lot: float) -> None:
        self.window, self.lot = window, lot
        self.rows: deque[tuple[int, int, int]] = deque()
        self.bought = self.sold = self.unknown = self.squares = 0
        self.cvd = 0
        self.day = -1

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        if t // DAY != self.day:
            self.day, self.cvd = t // DAY, 0
        self.cvd += qty * side
        self.rows.append((t, qty, side))
        if side > 0:
            self.bought += qty
        elif side < 0:
            self.sold += qty
        else:
            self.unknown += qty
        if side:
            self.squares += qty * qty

    def values(self, t: int) -> list[float]:
        rows, oldest = self.rows, t - self.window
        while rows and rows[0][0] <= oldest:
            _, qty, side = rows.popleft()
            if side > 0:
                self.bought -= qty
            elif side < 0:
                self.sold -= qty
            else:
                self.unknown -= qty
            if side:
                self.squares -= qty * qty
        b, s, lot = self.bought, self.sold, self.lot
        total, n = b + s + self.unknown, len(rows)
        return [
            self.cvd * lot, (b - s) * lot, b * lot, s * lot, total * lot, float(n),
            (b - s) / (b + s) if b + s else math.nan,
            (b - s) / math.sqrt(self.squares) if self.squares else math.nan,
            n / (self.window / SECOND),
            total * lot / n if n else math.nan,
        ]  # fmt: skip


class Vpin:
    """vpin, vpin_pct, vpin_null over n buckets of a size in lots."""

    def __init__(self, size: int, n: int) -> None:
        self.size, self.n = size, n
        self.fill = self.imbalance = self.shares = 0
        self.closed: deque[tuple[int, float]] = deque(maxlen=n)
        self.total = 0
        self.history: list[float] = []
        self.now: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        while qty:
            piece = min(qty, self.size - self.fill)
            self.fill += piece
            self.imbalance += piece * side
            self.shares += piece * piece
            qty -= piece
            if self.fill == self.size:
                self.close()

    def close(self) -> None:
        if len(self.closed) == self.n:
            self.total -= self.closed[0][0]
        null = math.sqrt(2 / math.pi) * math.sqrt(self.shares) / self.size
        self.closed.append((abs(self.imbalance), null))
        self.total += abs(self.imbalance)
        self.fill = self.imbalance = self.shares = 0
        if len(self.closed) == self.n:
            value = self.total / (self.n * self.size)
            pct = math.nan
            if len(self.history) >= 250:
                below, upto = bisect_left(self.history, value), bisect_right(self.history, value)
                pct = (below + upto) / 2 / len(self.history)
            insort(self.history, value)
            self.now = (value, pct, sum(null for _, null in self.closed) / self.n)

    def values(self, t: int) -> list[float]:
        return list(self.now)


class Vwap:
    """vwap, vwap_dev and the band of 2 sigma, of the session."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.first = self.q = self.qd = self.qdd = 0
        self.day = -1
        self.mid = math.nan

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        if t // DAY != self.day:
            self.day, self.first, self.q, self.qd, self.qdd = t // DAY, px, 0, 0, 0
        d = px - self.first
        self.q += qty
        self.qd += qty * d
        self.qdd += qty * d * d

    def quote(self, t: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        self.mid = (bid + ask) / 2

    def values(self, t: int) -> list[float]:
        if not self.q:
            return [math.nan] * 3
        mean = self.qd / self.q
        sigma = math.sqrt(max(0.0, self.qdd / self.q - mean * mean))
        vwap = self.first + mean
        return [vwap * self.tick, (self.mid - vwap) / sigma if sigma else math.nan, (vwap + 2 * sigma) * self.tick]


class StepMean:
    """Time-weighted mean of a step function over a window: the closed steps' areas as a running total."""

    def __init__(self, window: int) -> None:
        self.window = window // 1_000  # us
        self.steps: deque[tuple[int, float]] = deque()
        self.area = 0.0  # of all steps but the last

    def add(self, us: int, height: float) -> None:
        if self.steps:
            since, before = self.steps[-1]
            self.area += before * (us - since)
        self.steps.append((us, height))

    def mean(self, us: int) -> float:
        steps, start = self.steps, us - self.window
        if not steps:
            return math.nan
        while len(steps) > 1 and steps[1][0] <= start:
            since, height = steps.popleft()
            self.area -= height * (steps[0][0] - since)
        since, height = steps[-1]
        area, first = self.area + height * (us - since), steps[0][0]
        if first < start:
            area -= steps[0][1] * (start - first)
        span = us - max(first, start)
        return area / span if span else math.nan


class OrderFlow:
    """ofi_raw and ofi of a window, and the time-weighted imbalance of the best level."""

    def __init__(self, window: int, lot: float) -> None:
        self.window, self.lot = window, lot
        self.flow: deque[tuple[int, int]] = deque()
        self.total = 0
        self.depth, self.imbalance = StepMean(10 * window), StepMean(window)
        self.last: tuple[int, int, int, int] | None = None

    def quote(self, t: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        if self.last is not None:
            b, qb, a, qa = self.last
            e = (bid_qty if bid >= b else 0) - (qb if bid <= b else 0)
            e += (qa if ask >= a else 0) - (ask_qty if ask <= a else 0)
            if e:
                self.flow.append((t, e))
                self.total += e
        self.last = (bid, bid_qty, ask, ask_qty)
        self.depth.add(t // 1_000, bid_qty + ask_qty)
        self.imbalance.add(t // 1_000, (bid_qty - ask_qty) / (bid_qty + ask_qty))

    def values(self, t: int) -> list[float]:
        flow = self.flow
        while flow and flow[0][0] <= t - self.window:
            self.total -= flow.popleft()[1]
        depth = self.depth.mean(t // 1_000)
        return [self.total * self.lot, 2 * self.total / depth, self.imbalance.mean(t // 1_000)]


class Extremes:
    """drawdown and run_up of a window, by two monotonic queues."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.highs: deque[tuple[int, int]] = deque()
        self.lows: deque[tuple[int, int]] = deque()
        self.last = (0, 0)

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        while self.highs and self.highs[-1][1] <= px:
            self.highs.pop()
        while self.lows and self.lows[-1][1] >= px:
            self.lows.pop()
        self.highs.append((t, px))
        self.lows.append((t, px))
        self.last = (t, px)

    def values(self, t: int) -> list[float]:
        for queue in (self.highs, self.lows):
            while queue and queue[0][0] <= t - self.window:
                queue.popleft()
        if not self.highs:
            return [math.nan] * 2
        return [1 - self.last[1] / self.highs[0][1], self.last[1] / self.lows[0][1] - 1]


class Kyle:
    """Lambda, R2 and t of the last K bars, from running moments."""

    def __init__(self, bar: int, count: int, unit: float) -> None:
        self.bar, self.unit = bar, unit
        self.rows: deque[tuple[int, int]] = deque(maxlen=count)
        self.moments = [0] * 5
        self.open: int | None = None
        self.flow = self.begun = self.mid = 0
        self.mid_known = False

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        self.reach(t)
        self.flow += qty * side

    def quote(self, t: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        self.reach(t)
        self.mid, self.mid_known = bid + ask, True

    def reach(self, t: int) -> None:
        """Close the bars that end before `t`."""
        number = (t - 1) // self.bar
        if self.open is None:
            self.open = number
        while self.open < number:
            if self.begun and self.mid_known:
                self.add(self.flow, self.mid - self.begun)
            self.open += 1
            self.flow, self.begun = 0, self.mid if self.mid_known else 0

    def add(self, x: int, y: int) -> None:
        m = self.moments
        if len(self.rows) == self.rows.maxlen:
            u, v = self.rows[0]
            for i, term in enumerate((u, v, u * u, u * v, v * v)):
                m[i] -= term
        self.rows.append((x, y))
        for i, term in enumerate((x, y, x * x, x * y, y * y)):
            m[i] += term

    def values(self, t: int) -> list[float]:
        self.reach(t + 1)
        n, (sx, sy, sxx, sxy, syy) = len(self.rows), self.moments
        dxx, dxy, dyy = n * sxx - sx * sx, n * sxy - sx * sy, n * syy - sy * sy
        if n < 30 or not dxx:
            return [math.nan] * 3
        rest = dxx * dyy - dxy * dxy
        t_value = math.copysign(math.sqrt((n - 2) * dxy * dxy / rest), dxy) if rest else math.nan
        return [dxy / dxx * self.unit, dxy * dxy / (dxx * dyy) if dyy else math.nan, t_value]


class Markouts:
    """Mean markout after a horizon and effective spread, per fill of a window."""

    def __init__(self, horizon: int, window: int) -> None:
        self.horizon, self.window = horizon, window
        self.waiting: deque[tuple[int, int, int]] = deque()  # clock, side, bid + ask that it met
        self.moves: deque[tuple[int, float]] = deque()
        self.spreads: deque[tuple[int, float]] = deque()
        self.move_sum = self.spread_sum = 0.0
        self.mid = 0

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        self.resolve(t)
        if side and self.mid:
            self.waiting.append((t, side, self.mid))
            spread = 2e4 * side * (2 * px - self.mid) / self.mid
            self.spreads.append((t, spread))
            self.spread_sum += spread

    def quote(self, t: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        self.resolve(t)
        self.mid = bid + ask

    def resolve(self, t: int) -> None:
        """Those whose horizon ended before `t`."""
        while self.waiting and self.waiting[0][0] + self.horizon < t:
            at, side, met = self.waiting.popleft()
            move = 1e4 * side * (self.mid - met) / met
            self.moves.append((at, move))
            self.move_sum += move

    def values(self, t: int) -> list[float]:
        self.resolve(t + 1)
        while self.moves and self.moves[0][0] <= t - self.horizon - self.window:
            self.move_sum -= self.moves.popleft()[1]
        while self.spreads and self.spreads[0][0] <= t - self.window:
            self.spread_sum -= self.spreads.popleft()[1]
        return [
            self.move_sum / len(self.moves) if self.moves else math.nan,
            self.spread_sum / len(self.spreads) if self.spreads else math.nan,
        ]


class Volatility:
    """rv of a window of one-second returns, by their running sum of squares."""

    def __init__(self, window: int) -> None:
        self.count = window // SECOND
        self.returns: deque[float] = deque()
        self.squares = 0.0
        self.last = self.mid = 0

    def quote(self, t: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        self.mid = bid + ask

    def values(self, t: int) -> list[float]:
        """Once every second."""
        if not self.mid:
            return [math.nan]
        if self.last:
            square = math.log(self.mid / self.last) ** 2
            self.returns.append(square)
            self.squares += square
            if len(self.returns) > self.count:
                self.squares -= self.returns.popleft()
        self.last = self.mid
        n = len(self.returns)
        if n < 30:
            return [math.nan]
        return [math.sqrt(max(0.0, self.squares) / n * 365.25 * 86_400)]


class Profile:
    """Point of control and value area of the session, by the tick."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.volumes: dict[int, int] = {}
        self.total = self.moment = self.top = 0
        self.low = self.high = 0
        self.day = -1

    def trade(self, t: int, px: int, qty: int, side: int) -> None:
        if t // DAY != self.day:
            self.day, self.volumes, self.total, self.moment, self.top = t // DAY, {}, 0, 0, 0
            self.low = self.high = px
        self.volumes[px] = now = self.volumes.get(px, 0) + qty
        self.total += qty
        self.moment += px * qty
        self.top = max(self.top, now)
        self.low, self.high = min(self.low, px), max(self.high, px)

    def values(self, t: int) -> list[float]:
        volumes = self.volumes
        if not volumes:
            return [math.nan] * 3
        total, top = self.total, self.top
        mean = self.moment / total
        poc = min((px for px, qty in volumes.items() if qty == top), key=lambda px: (abs(px - mean), px))
        low = high = poc
        first, last = self.low, self.high
        covered = top
        while covered * 10 < total * 7 and (low > first or high < last):
            above = volumes.get(high + 1, 0) if high < last else -1
            below = volumes.get(low - 1, 0) if low > first else -1
            if above >= below:
                high += 1
                covered += above
            else:
                low -= 1
                covered += below
        return [poc * self.tick, high * self.tick, low * self.tick]
