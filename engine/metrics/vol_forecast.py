"""How volatile it will be: EWMA of squared one-second returns, and a HAR forecast that must earn its place.

EWMA (METRICS 1.12): s^2 <- l s^2 + (1 - l) r^2 from the first return on, l = 2^(-1 s / h). Zero mean.

HAR (Corsi, J. Fin. Econometrics 7(2):174-196, 2009; METRICS 1.10) on the log of the realised variance of
five-minute bars: y_{t+1} = b0 + bs x_5m + bm x_1h + bl x_24h, x the log of the mean realised variance over the
last 5 minutes, hour and day. Refit at every bar by ordinary least squares with a ridge of 1e-8; the forecast is
exp(y + s^2/2). Every forecast is kept and scored when its bar has closed, by QLIKE = RV/F - ln(RV/F) - 1
(Patton, J. Econometrics 160(1):246-256, 2011), beside that of an EWMA of the same bars. While HAR is not the
better of the two over the look-back, the EWMA is what is shown.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.history import Bars
from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.seconds import SECOND, YEAR_S, OnSeconds, Returns
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

#: Length of a bar, and how many of its 300 seconds must be known.
BAR: Final = 300 * SECOND
_FEWEST_SECONDS: Final = 240
#: Bars of the three terms, and the share of them that must be known.
_LADDER: Final = (1, 12, 288)
_KNOWN_SHARE: Final = 0.75
#: A bar in which the mid did not move has this variance, so that there is a logarithm.
_LEAST: Final = 1e-12
_RIDGE: Final = 1e-8
#: Rows for a fit, forecasts for a comparison, bars for the EWMA.
FEWEST_ROWS: Final = 48
FEWEST_SCORES: Final = 48
_FEWEST_BARS: Final = 12
#: Half-life of the competing EWMA, in bars: an hour, about the 0.94 a step that RiskMetrics uses.
_HALF_LIFE_BARS: Final = 12
#: A forecast is for the next bar; after two bars it is none any more.
_GOOD_FOR: Final = 2 * BAR


class EwmaVolatility(OnSeconds):
    """Exponentially weighted volatility a year with a half-life of `half_life` ns. The only field is `vol`."""

    def __init__(self, half_life: int) -> None:
        super().__init__()
        self._half_life = half_life
        self._decay = 2.0 ** (-SECOND / half_life)
        self._warm = math.ceil(3 / (1 - self._decay))  # returns
        self._returns = Returns()
        self._count = 0
        self._variance = math.nan
        self._rows = Columns(np.int64, np.float64)  # second, variance per second; NaN before it is warm

    def close(self, seconds: Ints, mids: Ints) -> None:
        decay, variance, values = self._decay, self._variance, []
        for r in self._returns.of(seconds, mids):
            if r == r:
                variance = r * r if not self._count else decay * variance + (1 - decay) * (r * r)
                self._count += 1
            values.append(variance if self._count >= self._warm else math.nan)
        self._variance = variance
        self._rows.append(seconds, values)

    def read(self, field: str, times: Ints) -> Floats:
        position = self._rows[0].searchsorted(times, "right") - 1
        out = np.full(len(times), np.nan)
        some = position >= 0
        out[some] = np.sqrt(self._rows[1][position[some]] * YEAR_S)
        return out

    def mark(self) -> Any:
        return len(self._rows), self._returns.last, self._count, self._variance

    def rewind(self, mark: Any) -> None:
        rows, self._returns.last, self._count, self._variance = mark
        self._rows.retract(len(self._rows) - rows)

    def advance(self, t: int) -> None:
        self._rows.drop(int(self._rows[0].searchsorted(t, "right")) - 1)

    def state(self) -> State:
        return {
            "kind": "ewma_vol",
            "version": 1,
            "half_life": self._half_life,
            "mids": self._mids.state(),
            "returns": self._returns.state(),
            "count": self._count,
            "variance": self._variance,
            "rows": self._rows.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "ewma_vol", 1)
        if state["half_life"] != self._half_life:
            raise ValueError(f"state of a half-life of {state['half_life']} ns, not {self._half_life}")
        self._mids.restore(state["mids"])
        self._returns.restore(state["returns"])
        self._count, self._variance = state["count"], state["variance"]
        self._rows.restore(state["rows"])


class VolatilityForecast(OnSeconds):
    """Volatility of the next five minutes, a year. Fields: `forecast`, `skill`, `har` and `ewma` (each alone).

    `skill` is 1 - QLIKE of HAR / QLIKE of the EWMA over the look-back: above 0 HAR is what `forecast` shows.
    """

    learns_late: Literal[True] = True

    def __init__(self, look_back: int) -> None:
        super().__init__()
        self._look_back = look_back
        self._returns = Returns()
        self._open = (0, 0, 0.0)  # the open bar: its number, known returns, sum of squares
        #: Known bars: number, realised variance, terms of the regression (logs; NaN: too little is known).
        self._bars = Columns(np.int64, *[np.float64] * 4)
        self._ewma = (0, 0, 0.0, 0.0)  # bars, number of the last one, weighted sum, weights
        self._learned: tuple[int, int] | None = None  # bars from before the market: how many, the last one's number
        self._pending = (0, math.nan, math.nan)  # forecasts that wait for their bar: its number, HAR, EWMA
        self._scores = Columns(np.int64, np.float64, np.float64)  # end of the bar, QLIKE of HAR and of EWMA
        self._forecasts = Columns(np.int64, *[np.float64] * 3)  # end of the bar before, HAR, EWMA, skill

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Five-minute bars of the look-back before the market began, by their range: the estimator of Garman & Klass
        (J. Business 53(1):67-78, 1980), 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2. Forecasts of their last day are
        scored, so that HAR may be shown at once where it was the better there. Nothing once a bar of the tape has
        closed."""
        if bars.step != BAR or len(self._bars):
            return
        newest = int(bars.t[-1])
        bars = bars.within(newest - self._look_back - _LADDER[-1] * BAR, newest + BAR)
        high, low, open_, close = (np.maximum(column, 1) for column in (bars.high, bars.low, bars.open, bars.close))
        ranges, moves = np.log(high / low), np.log(close / open_)
        variances = np.maximum(0.5 * ranges**2 - (2 * math.log(2) - 1) * moves**2, _LEAST)
        numbers = bars.t // BAR
        scored = int(numbers[-1]) - DAY // BAR
        for number, variance in zip(numbers.tolist(), variances.tolist(), strict=True):
            self._add_bar(number, variance, forecasting=number > scored)
        self._learned = (len(numbers), int(numbers[-1]))

    def warmed(self, field: str) -> str | None:
        """See Learner: until bars of the tape fill the look-back."""
        del field
        if self._learned is None:
            return None
        count, last = self._learned
        if int(self._bars[0][-1]) - last >= self._look_back // BAR:
            return None
        return f"{count} bars of 5 minutes before the start, by their range"

    # ---- OnSeconds

    def close(self, seconds: Ints, mids: Ints) -> None:
        number, known, squares = self._open
        for t, r in zip(seconds.tolist(), self._returns.of(seconds, mids), strict=True):
            bar = (t - 1) // BAR  # (start, end]
            if bar != number:
                self._close_bar(number, known, squares)
                number, known, squares = bar, 0, 0.0
            if r == r:
                known += 1
                squares += r * r
            if t % BAR == 0:
                self._close_bar(number, known, squares)
                number, known, squares = bar + 1, 0, 0.0
        self._open = (number, known, squares)

    def _close_bar(self, number: int, known: int, squares: float) -> None:
        if known < _FEWEST_SECONDS:
            return
        self._add_bar(number, max(squares * (BAR // SECOND) / known, _LEAST))

    def _add_bar(self, number: int, variance: float, *, forecasting: bool = True) -> None:
        end = (number + 1) * BAR
        waiting, har, ewma = self._pending
        if waiting == number and har == har:
            self._scores.append([end], [_qlike(variance, har)], [_qlike(variance, ewma)])
        self._bars.append([number], [variance], *[[x] for x in self._terms(number, variance)])
        ewma = self._next_ewma(number, variance)
        if not forecasting:
            return
        har = self._har(number)
        self._pending = (number + 1, har, ewma)
        self._forecasts.append([end], [har], [ewma], [self._skill(end)])

    def _terms(self, number: int, variance: float) -> list[float]:
        bars, variances = self._bars[0], self._bars[1]
        terms = [math.log(variance)]
        for length in _LADDER[1:]:
            held = variances[int(bars.searchsorted(number - length, "right")) :]
            few = len(held) + 1 < _KNOWN_SHARE * length
            terms.append(math.nan if few else math.log((float(np.sum(held.copy())) + variance) / (len(held) + 1)))
        return terms

    def _har(self, number: int) -> float:
        """Forecast of the bar after `number`, the last one, or NaN."""
        first = int(self._bars[0].searchsorted(number - self._look_back // BAR, "right"))
        numbers = self._bars[0][first:].copy()
        terms = np.stack([np.ones(len(numbers)), *(self._bars[i][first:] for i in (2, 3, 4))])
        usable = ~np.isnan(terms).any(axis=0)
        if not usable[-1]:
            return math.nan
        pairs = np.flatnonzero(usable[:-1] & (np.diff(numbers) == 1))
        if len(pairs) < FEWEST_ROWS:
            return math.nan
        x, y = terms[:, pairs], terms[1, pairs + 1]
        beta: Floats = np.linalg.solve(_moments(x, x) + _RIDGE * np.eye(4), _moments(x, y[None, :])[:, 0]).astype(
            np.float64
        )
        residual = y - _weighted(beta, x)
        spread = float(np.sum(residual * residual)) / max(1, len(pairs) - 4)
        forecast = float(_weighted(beta, terms[:, -1:])[0]) + spread / 2
        return math.exp(forecast) if abs(forecast) < 100 else math.nan

    def _next_ewma(self, number: int, variance: float) -> float:
        """Weights halve with every `_HALF_LIFE_BARS` bars and add up to 1."""
        bars, last, total, weights = self._ewma
        decay = 2.0 ** (-(number - last) / _HALF_LIFE_BARS) if bars else 0.0
        self._ewma = (bars + 1, number, decay * total + variance, decay * weights + 1)
        return self._ewma[2] / self._ewma[3] if bars + 1 >= _FEWEST_BARS else math.nan

    def _skill(self, end: int) -> float:
        first = int(self._scores[0].searchsorted(end - self._look_back, "right"))
        har, ewma = (self._scores[i][first:].copy() for i in (1, 2))
        if len(har) < FEWEST_SCORES or not np.sum(ewma) > 0:
            return math.nan
        return 1 - float(np.sum(har)) / float(np.sum(ewma))

    def read(self, field: str, times: Ints) -> Floats:
        position = self._forecasts[0].searchsorted(times, "right") - 1
        out = np.full(len(times), np.nan)
        some = position >= 0
        some[some] = times[some] - self._forecasts[0][position[some]] <= _GOOD_FOR
        har, ewma, skill = (self._forecasts[i][position[some]] for i in (1, 2, 3))
        if field == "skill":
            out[some] = skill
            return out
        if field == "forecast":
            variance = np.where((skill > 0) & ~np.isnan(har), har, ewma)
        else:
            variance = har if field == "har" else ewma
        out[some] = np.sqrt(variance * (YEAR_S * SECOND / BAR))
        return out

    def mark(self) -> Any:
        lengths = [len(columns) for columns in (self._bars, self._scores, self._forecasts)]
        return lengths, self._returns.last, self._open, self._ewma, self._pending

    def rewind(self, mark: Any) -> None:
        lengths, self._returns.last, self._open, self._ewma, self._pending = mark
        for columns, length in zip((self._bars, self._scores, self._forecasts), lengths, strict=True):
            columns.retract(len(columns) - length)

    # ---- Calculator

    def advance(self, t: int) -> None:
        self._forecasts.drop(int(self._forecasts[0].searchsorted(t, "right")) - 1)
        self._scores.drop(int(self._scores[0].searchsorted(t - self._look_back - BAR, "right")))
        oldest = (t - self._look_back) // BAR - _LADDER[-1] - 2
        self._bars.drop(int(self._bars[0].searchsorted(oldest, "right")))

    def state(self) -> State:
        return {
            "kind": "vol_forecast",
            "version": 2,
            "learned": None if self._learned is None else list(self._learned),
            "look_back": self._look_back,
            "mids": self._mids.state(),
            "returns": self._returns.state(),
            "open": list(self._open),
            "bars": self._bars.state(),
            "ewma": list(self._ewma),
            "pending": list(self._pending),
            "scores": self._scores.state(),
            "forecasts": self._forecasts.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "vol_forecast", 2)
        self._learned = None if state["learned"] is None else (state["learned"][0], state["learned"][1])
        if state["look_back"] != self._look_back:
            raise ValueError(f"state of a look-back of {state['look_back']} ns, not {self._look_back}")
        self._mids.restore(state["mids"])
        self._returns.restore(state["returns"])
        number, known, squares = state["open"]
        self._open = (number, known, squares)
        self._bars.restore(state["bars"])
        bars, last, total, weights = state["ewma"]
        self._ewma = (bars, last, total, weights)
        waiting, har, ewma = state["pending"]
        self._pending = (waiting, har, ewma)
        self._scores.restore(state["scores"])
        self._forecasts.restore(state["forecasts"])


def _qlike(variance: float, forecast: float) -> float:
    return variance / forecast - math.log(variance / forecast) - 1


def _moments(x: Floats, y: Floats) -> NDArray[np.float64]:
    """x y' as sums of fresh products: a matrix product may round differently from one call to the next."""
    return np.array([[float(np.sum(a * b)) for b in y] for a in x])


def _weighted(beta: Floats, x: Floats) -> Floats:
    weighted: Floats = beta[0] * x[0] + beta[1] * x[1] + beta[2] * x[2] + beta[3] * x[3]
    return weighted


# ---- their descriptions


def _bind_ewma(half_life: int) -> Bound:
    if not SECOND <= half_life <= DAY:
        raise ValueError("the half-life must be from 1 s to 1 day")
    return Bound(
        share=("ewma_vol", half_life), make=lambda context: EwmaVolatility(half_life), field="vol", needs_book=True
    )


def _bind_forecast(field: str, look_back: int) -> Bound:
    if not DAY <= look_back <= 30 * DAY or look_back % BAR:
        raise ValueError("the look-back must be from 1 to 30 days, in whole bars of 5 minutes")

    def make(context: Context) -> VolatilityForecast:
        return VolatilityForecast(look_back)

    return Bound(share=("vol_forecast", look_back), make=make, field=field, needs_book=True)


_LOOK_BACK = Param("W", "window", "7d", "look-back of fit and comparison, 1 to 30 days")

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "ewma_vol",
        (Param("h", "window", "5m", "half-life"),),
        "ratio",
        "exponentially weighted volatility a year, from 1 s returns of the mid",
        "from about 4.3 half-lives of known seconds on",
        _bind_ewma,
        "volatility",
    ),
    MetricSpec(
        "vol_forecast",
        (_LOOK_BACK,),
        "ratio",
        "forecast of the next five minutes' volatility, a year: HAR where it has beaten an EWMA, else that EWMA",
        "from an hour of five-minute bars on (EWMA); HAR from a day of them and 48 scored forecasts; bars from before "
        "count",
        lambda look_back: _bind_forecast("forecast", look_back),
        "volatility",
    ),
    MetricSpec(
        "vol_skill",
        (_LOOK_BACK,),
        "ratio",
        "by how much HAR beat the EWMA out of sample (1 - ratio of their QLIKE); above 0 vol_forecast shows HAR, "
        "else the EWMA",
        "from a day of five-minute bars and 48 scored forecasts on; bars from before count",
        lambda look_back: _bind_forecast("skill", look_back),
        "volatility",
    ),
)
