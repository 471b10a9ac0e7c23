"""What is going on now against what is usual at this time of day. METRICS 1.14.

Slots are 5 minutes of the UTC day, weekdays and weekends apart. A quantity x of the present slot is compared with
the same slot of the last 28 days (at least 5 of them known):

    z = (l(x) - median) / (1.4826 MAD),   l(x) = sign(x) ln(1 + |x|)

unknown where the MAD is 0. A slot in progress is compared at the last full 30 s step, with what those days had
reached by then; before 20 % of it have passed there is nothing. A slot's own values are never in its baseline. Slots
cover (start, end]; one in which nothing was heard at all, neither trade nor book, or in which the tape began, is
unknown, not 0.

Bars from before the market began fill the days that the tape has not seen, spread evenly over their slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from engine.metrics.batch import Batch, Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.history import Derived
from engine.metrics.spec import UNIT_OF_METRIC, Bound, Context, MetricSpec, Param
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

if TYPE_CHECKING:
    from engine.history import Bars
    from engine.metrics.names import Metric

STEP: Final = 30_000_000_000
STEPS: Final = 10  # of a slot
SLOT: Final = STEPS * STEP
KEPT_DAYS: Final = 28
FEWEST_DAYS: Final = 5
_DAY_SLOTS: Final = DAY // SLOT
_FIRST_STEPS: Final = 2  # 20 % of a slot
_FEWEST_RATIOS: Final = 12
_TO_SIGMA: Final = 1.4826

_LOTS, _TRADES, _DELTA = 1, 2, 3
_QUANTITIES: Final = ("volume", "trades", "mean_size", "cvd")


def same_slots(slot: int) -> Ints:
    """The same slot of the 28 days before, of those that are weekdays (weekend) as its own day."""
    before: Ints = slot - _DAY_SLOTS * np.arange(1, KEPT_DAYS + 1)
    same: Ints = before[_weekend(before) == _weekend(np.array([slot]))]
    return same


def _weekend(slots: Ints) -> Bools:
    """Saturdays and Sundays; the epoch began on a Thursday."""
    weekend: Bools = (slots // _DAY_SLOTS + 3) % 7 >= 5
    return weekend


def robust_z(value: float, usual: Floats) -> float:
    """(l(value) - median) / (1.4826 MAD) of the known usual values; NaN for fewer than 5 of them or without spread."""
    known = usual[~np.isnan(usual)]
    if len(known) < FEWEST_DAYS or np.isnan(value):
        return np.nan
    past = np.sign(known) * np.log1p(np.abs(known))
    median = float(np.median(past))
    spread = _TO_SIGMA * float(np.median(np.abs(past - median)))
    return (float(np.sign(value) * np.log1p(abs(value))) - median) / spread if spread > 0 else np.nan


class UsualFlow:
    """Trades by the time of day. Fields: `z:quantity`, `rvol`, `busy_day`."""

    def __init__(self, context: Context) -> None:
        self._instrument = context.instrument
        self._rows = Columns(*[np.int64] * 4)  # step, and running totals of lots, trades, signed lots up to its end
        self._rows.append([-(1 << 63)], [0], [0], [0])
        self._first: int | None = None  # clock of the first trade or quote
        self._folded = 0  # clock: what ended before it is complete
        self._bars = Columns(*[np.int64] * 4)  # slots from bars: number, lots, trades, signed lots
        self._known: dict[tuple[str, int, int], float] = {}  # (field, slot, steps) -> value
        self._ratios: dict[int, float] = {}  # closed slot -> its volume over the usual one

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        self._folded = batch.end
        trades, quotes = batch.trades, batch.quotes
        if not len(trades) and not len(quotes):
            return
        if self._first is None:
            self._first = min(int(x.t[0]) for x in (trades, quotes) if len(x))
        ends = [(int(t) - 1) // STEP for x in (trades, quotes) if len(x) for t in (x.t[0], x.t[-1])]
        if min(ends) == max(ends):  # nearly always
            lots, delta = (int(trades.qty.sum()), int((trades.qty * trades.side).sum())) if len(trades) else (0, 0)
            held, *before = (int(self._rows[i][-1]) for i in range(4))
            if held == ends[0]:
                self._rows.retract(1)
            new = zip(before, (lots, len(trades), delta), strict=True)
            self._rows.append([ends[0]], *([total + more] for total, more in new))
            return
        steps = (trades.t - 1) // STEP
        starts = np.flatnonzero(np.diff(steps, prepend=-1))
        heard = np.unique((quotes.t - 1) // STEP) if len(quotes) else quotes.t
        named = np.union1d(steps[starts], heard)
        where = named.searchsorted(steps[starts])
        sums = np.zeros((3, len(named)), np.int64)
        if len(trades):
            for i, terms in enumerate((trades.qty, np.ones(len(trades), np.int64), trades.qty * trades.side)):
                sums[i, where] = np.add.reduceat(terms, starts)
        totals = np.cumsum(sums, axis=1) + np.array([[int(self._rows[i][-1])] for i in (_LOTS, _TRADES, _DELTA)])
        if int(self._rows[0][-1]) == int(named[0]):
            self._rows.retract(1)
        self._rows.append(named, *totals)

    def sample(self, field: str, times: Ints) -> Floats:
        out = np.full(len(times), np.nan)
        for i, t in enumerate(times.tolist()):
            slot = (t - 1) // SLOT
            steps = (t - slot * SLOT) // STEP
            if steps >= _FIRST_STEPS or field == "busy_day":
                out[i] = self._at(field, slot, steps)
        return out

    def _at(self, field: str, slot: int, steps: int) -> float:
        """After so many steps of a slot; remembered once nothing can come before their end."""
        key = (field, slot, steps)
        value = self._known.get(key)
        if value is None:
            value = self._busy_day(slot, steps == STEPS) if field == "busy_day" else self._value(field, slot, steps)
            if slot * SLOT + steps * STEP < self._folded:
                self._known[key] = value
        return value

    def advance(self, t: int) -> None:
        slot = (t - 1) // SLOT
        oldest = slot - KEPT_DAYS * _DAY_SLOTS
        self._rows.drop(int(self._rows[0].searchsorted(oldest * STEPS, "left")) - 1)
        self._bars.drop(int(self._bars[0].searchsorted(oldest, "left")))
        if len(self._known) > 64:
            step = (t - 1) // STEP
            self._known = {key: v for key, v in self._known.items() if key[1] * STEPS + key[2] >= step}
        if len(self._ratios) > 2 * _DAY_SLOTS:
            self._ratios = {s: ratio for s, ratio in self._ratios.items() if s > slot - _DAY_SLOTS}

    def state(self) -> State:
        return {
            "kind": "usual flow",
            "version": 1,
            "rows": self._rows.state(),
            "first": self._first,
            "folded": self._folded,
            "bars": self._bars.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "usual flow", 1)
        self._rows.restore(state["rows"])
        self._first, self._folded = state["first"], state["folded"]
        self._bars.restore(state["bars"])
        self._known.clear()
        self._ratios.clear()

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Whole slots of bars; bars longer than a slot, that don't divide it, or that don't tell sides and numbers of
        trades, don't help."""
        if SLOT % bars.step or not len(bars) or not bars.sided:
            return
        slots = bars.t // SLOT
        starts = np.flatnonzero(np.diff(slots, prepend=-1))
        whole = np.diff(np.append(starts, len(slots))) == SLOT // bars.step
        terms = (bars.volume, bars.trades, 2 * bars.bought - bars.volume)
        new = [slots[starts][whole], *(np.add.reduceat(x, starts)[whole] for x in terms)]
        held = [self._bars[i].copy() for i in range(4)]
        kept = ~np.isin(held[0], new[0])
        columns = [np.concatenate((old[kept], fresh)) for old, fresh in zip(held, new, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        self._bars.drop(len(held[0]))
        self._bars.append(*(column[order] for column in columns))
        self._known.clear()
        self._ratios.clear()

    def warmed(self, field: str) -> str | None:
        """Which days of the present baseline come from bars."""
        last = int(self._rows[0][-1]) // STEPS
        if self._first is None:
            return None
        same = same_slots(last)
        days = int(np.isin(same[same * SLOT < self._first], self._bars[0]).sum())
        return f"{days} of the days it is compared with come from bars" if days else None

    # ---- its parts

    def _value(self, field: str, slot: int, steps: int) -> float:
        now, others = np.array([slot]), same_slots(slot)
        quantity = field.partition(":")[2] or "volume"
        value = float(self._quantity(quantity, now, steps, self._seen(now, steps))[0])
        usual = self._quantity(quantity, others, steps, self._seen(others, STEPS))
        return _ratio(value, usual) if field == "rvol" else robust_z(value, usual)

    def _busy_day(self, slot: int, whole: bool) -> float:
        """Median of today's ratios of closed slots; `slot` itself counts when it is over."""
        ratios = []
        for closed in range(slot // _DAY_SLOTS * _DAY_SLOTS, slot + whole):
            ratio = self._ratios.get(closed)
            if ratio is None:
                ratio = self._value("rvol", closed, STEPS)
                if (closed + 1) * SLOT < self._folded:
                    self._ratios[closed] = ratio
            if ratio == ratio:
                ratios.append(ratio)
        return float(np.median(ratios)) if len(ratios) >= _FEWEST_RATIOS else np.nan

    def _seen(self, slots: Ints, steps: int) -> Bools:
        """Where the tape covers the slots from their begin and something was heard in their first steps."""
        if self._first is None:
            return np.zeros(len(slots), np.bool_)
        clock = self._rows[0]
        heard = clock.searchsorted(slots * STEPS + steps, "left") > clock.searchsorted(slots * STEPS, "left")
        seen: Bools = heard & (slots * SLOT >= self._first)
        return seen

    def _quantity(self, quantity: str, slots: Ints, steps: int, seen: Bools) -> Floats:
        """Of the first `steps` steps of slots; NaN where they are unknown."""
        if quantity == "trades":
            return self._sum(_TRADES, slots, steps, seen)
        if quantity == "cvd":
            return self._sum(_DELTA, slots, steps, seen) * self._instrument.amount(1)
        volume = self._sum(_LOTS, slots, steps, seen) * self._instrument.amount(1)
        if quantity == "volume":
            return volume
        trades = self._sum(_TRADES, slots, steps, seen)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(trades > 0, volume / trades, np.nan)

    def _sum(self, column: int, slots: Ints, steps: int, seen: Bools) -> Floats:
        clock, totals = self._rows[0], self._rows[column]
        end = np.maximum(clock.searchsorted(slots * STEPS + steps, "left") - 1, 0)
        begin = np.maximum(clock.searchsorted(slots * STEPS, "left") - 1, 0)
        out = np.where(seen, (totals[end] - totals[begin]).astype(np.float64), np.nan)
        if len(self._bars) and self._first is not None:
            row = np.minimum(self._bars[0].searchsorted(slots), len(self._bars) - 1)
            told = ~seen & (self._bars[0][row] == slots) & ((slots + 1) * SLOT <= self._first)
            out[told] = self._bars[column][row[told]] * (steps / STEPS)
        return out


def _ratio(value: float, usual: Floats) -> float:
    known = usual[~np.isnan(usual)]
    if len(known) < FEWEST_DAYS:
        return np.nan
    median = float(np.median(known))
    return value / median if median > 0 else np.nan


class UsualLevel(Derived):
    """A metric's mean over the slot so far against the same slot of other days. Fields: `z`, and `median`, that of
    the other days alone.

    Sampled every second; a slot counts as usual when 240 of its 300 values are known, one in progress when 80 % are.
    """

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._slots = Columns(np.int64, np.float64)  # closed slots: number, mean
        self._rows = Columns(np.int64, np.int64, np.float64)  # instants, known values and their sum so far in the slot
        self._open = (0, 0, 0.0)  # slot, known values, their sum
        self._known: tuple[int, float] | None = None  # slot and its median; the days before it do not change

    def learn(self, times: Ints, values: Floats) -> None:
        """See Derived."""
        slot, count, total = self._open
        counts, totals = [], []
        for t, value in zip(times.tolist(), values.tolist(), strict=True):
            now = (t - 1) // SLOT
            if now != slot:
                if count >= 0.8 * SLOT / 1e9:
                    self._slots.append([slot], [total / count])
                slot, count, total = now, 0, 0.0
            if abs(value) < np.inf:
                count, total = count + 1, total + value
            counts.append(count)
            totals.append(total)
        self._open = (slot, count, total)
        self._rows.append(times, counts, totals)

    def beside(self, field: str, times: Ints, now: Floats) -> Floats:
        """See Derived."""
        out = np.full(len(times), np.nan)
        position = self._rows[0].searchsorted(times, "right") - 1
        for i, (t, row) in enumerate(zip(times.tolist(), position.tolist(), strict=True)):
            slot = (t - 1) // SLOT
            if field == "median":
                out[i] = self._median(slot)
                continue
            elapsed = t - slot * SLOT
            if row < 0 or elapsed < _FIRST_STEPS * STEP or (int(self._rows[0][row]) - 1) // SLOT != slot:
                continue
            count = int(self._rows[1][row])
            if count >= 0.8 * (elapsed // 1_000_000_000):
                out[i] = robust_z(float(self._rows[2][row]) / count, self._usual(slot))
        return out

    def _median(self, slot: int) -> float:
        """Of the same slot of other days; NaN for fewer than 5 of them."""
        if self._known is None or self._known[0] != slot:
            usual = self._usual(slot)
            self._known = slot, float(np.median(usual)) if len(usual) >= FEWEST_DAYS else np.nan
        return self._known[1]

    def _usual(self, slot: int) -> Floats:
        same = same_slots(slot)
        if not len(self._slots):
            return np.empty(0)
        row = np.minimum(self._slots[0].searchsorted(same), len(self._slots) - 1)
        usual: Floats = self._slots[1][row][self._slots[0][row] == same]
        return usual

    def advance(self, t: int) -> None:
        self._rows.drop(int(self._rows[0].searchsorted(t, "right")) - 1)
        self._slots.drop(int(self._slots[0].searchsorted((t - 1) // SLOT - KEPT_DAYS * _DAY_SLOTS, "left")))

    def state(self) -> State:
        return {
            "kind": "usual level",
            "version": 1,
            "metric": self._metric.canonical,
            "slots": self._slots.state(),
            "rows": self._rows.state(),
            "open": list(self._open),
        }

    def restore(self, state: State) -> None:
        check_state(state, "usual level", 1)
        if state["metric"] != self._metric.canonical:
            raise ValueError(f"state of {state['metric']!r}, not of {self._metric.canonical!r}")
        self._slots.restore(state["slots"])
        self._rows.restore(state["rows"])
        self._known = None
        slot, count, total = state["open"]
        self._open = (slot, count, total)


# ---- their descriptions

_WARMUP = (
    "from 5 known days of the last 28 on (weekdays and weekends apart), bars from before count; in each slot of 5 "
    "minutes from its second minute on"
)
_LEVEL_WARMUP = "from 5 known days of the last 28 on (weekdays and weekends apart); from each slot's second minute on"


def _flow(name: str, field: str, unit: str, meaning: str, warmup: str = _WARMUP) -> MetricSpec:
    bound = Bound(share="usual flow", make=UsualFlow, field=field, needs_trades=True)
    return MetricSpec(name, (), unit, meaning, warmup, lambda: bound, "patterns")


def _bind_level(metric: Metric, field: str = "z") -> Bound:
    inner = metric.spec.bind(*metric.args)
    return Bound(
        share=("usual level", metric.canonical),
        make=lambda context: UsualLevel(metric),
        field=field,
        needs_book=inner.needs_book,
        needs_trades=inner.needs_trades,
        of=metric,
    )


def _bind_named(text: str) -> Bound:
    from engine.metrics.names import parse_metric  # it needs the registry, which needs this module

    return _bind_level(parse_metric(text))


SPECS: tuple[MetricSpec, ...] = (
    _flow("volume_z", "z:volume", "z", "volume of the 5-minute slot so far against the same time of other days"),
    _flow("trades_z", "z:trades", "z", "number of trades of the slot so far against the same time of other days"),
    _flow("mean_size_z", "z:mean_size", "z", "mean size of the slot's trades against the same time of other days"),
    _flow("cvd_z", "z:cvd", "z", "delta of the slot so far against the same time of other days"),
    _flow("rvol", "rvol", "ratio", "relative volume: the slot's so far over its median at the same time of other days"),
    _flow(
        "busy_day",
        "busy_day",
        "ratio",
        "median relative volume of today's closed slots: above 1 the whole day is busy, not only this slot",
        "from 12 closed slots of the UTC day with a baseline on",
    ),
    MetricSpec(
        "spread_z",
        (),
        "z",
        "mean spread of the 5-minute slot so far against the same time of other days",
        _LEVEL_WARMUP,
        lambda: _bind_named("spread_bps"),
        "patterns",
    ),
    MetricSpec(
        "depth_z",
        (
            Param("side", "side", None, "bid or ask"),
            Param("X", "bps", "10bps", "distance from the mid"),
        ),
        "z",
        "mean depth of the 5-minute slot so far against the same time of other days",
        _LEVEL_WARMUP,
        lambda side, bps: _bind_named(f"depth({side},{bps:.12f}bps)"),
        "patterns",
    ),
    MetricSpec(
        "tod_z",
        (Param("metric", "metric", None, "any metric, such as imbalance(5)"),),
        "z",
        "a metric's mean of the 5-minute slot so far against the same time of other days",
        _LEVEL_WARMUP,
        _bind_level,
        "patterns",
    ),
    MetricSpec(
        "tod_median",
        (Param("metric", "metric", None, "any metric, such as imbalance(5)"),),
        UNIT_OF_METRIC,
        "median over other days of a metric's mean in the 5-minute slot at this time of day",
        "from 5 known days of the last 28 on (weekdays and weekends apart)",
        lambda metric: _bind_level(metric, "median"),
        "patterns",
    ),
)
