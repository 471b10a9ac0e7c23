"""The study of one market's recording: folded once, then looked at as a whole.

Trades and best quotes of the whole recording are held in memory, about 100 bytes each.
"""

from __future__ import annotations

import numpy as np

from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.batch import Batch, Floats, Quotes, Trades
from engine.metrics.calculator import State
from engine.metrics.response import whole
from engine.study.forecasts import forecast_table, metrics_needed
from engine.study.impact import markout_tables, square_root_table
from engine.study.price import mid_returns, risk_table, trade_returns, variance_table
from engine.study.regressions import regression_table
from engine.study.table import Cell, Table, second
from engine.study.toxicity import agreement_table, vpin_table
from engine.tape import Ints, Rows

_SECOND = 1_000_000_000
#: Steps of returns that a value at risk is tested on, s.
STEPS_S = (1, 10, 60)


class Collected:
    """A calculator that keeps every batch it is given and computes nothing."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []

    def update(self, batch: Batch) -> None:
        """See Calculator."""
        self._batches.append(batch)

    def sample(self, field: str, times: Ints) -> Floats:
        """Nothing is known of single instants."""
        return np.full(len(times), np.nan)

    def advance(self, t: int) -> None:
        """Nothing is forgotten: the whole recording is wanted."""

    def whole(self) -> tuple[Trades, Quotes]:
        """All trades and quotes so far."""
        return whole(self._batches)

    def state(self) -> State:
        """A study is not resumed: raises ValueError."""
        raise ValueError("what a study has collected is no state to go on from")

    def restore(self, state: State) -> None:
        """As `state`."""
        raise ValueError("what a study has collected is no state to go on from")


class RecordingStudy:
    """Rows in (`apply`), tables out (`tables`)."""

    def __init__(self, instrument: Instrument, day_lots: int | None = None) -> None:
        self.instrument = instrument
        self._day_lots = day_lots
        self._market = Market(instrument, metrics=metrics_needed(), day_lots=day_lots)
        self._collected = Collected()
        self._market.calculators["study"] = self._collected

    @property
    def clock(self) -> int:
        """How far the recording has been read, ns."""
        return self._market.t

    def apply(self, rows: Rows) -> None:
        """Rows in arrival order, cut at message boundaries."""
        self._market.apply(rows)

    def tables(self) -> list[Table]:
        """The whole study, after the last row; tables that need a book, or trades, only where there is one."""
        self._market.finish()
        market, instrument = self._market, self.instrument
        trades, quotes = self._collected.whole()
        start, end = market.began or market.t, market.t
        book = bool(quotes.valid.any())
        tables = [self._summary(trades, quotes, start, end)]
        if book and len(trades):
            tables.append(regression_table(instrument, trades, quotes, end))
            tables += markout_tables(instrument, trades, quotes, end)
            tables.append(square_root_table(instrument, trades, quotes, end))
        if book:
            tables.append(variance_table(market.context, quotes, start, end))
            steps = {f"{s} s": mid_returns(quotes, end, s * _SECOND) for s in STEPS_S}
            tables.append(risk_table(steps, "the mid"))
            tables.append(forecast_table(market))
        elif len(trades):
            steps = {f"{s} s": trade_returns(trades, end, s * _SECOND) for s in STEPS_S}
            tables.append(risk_table(steps, "the last trade price (it bounces)"))
        if len(trades):
            tables.append(vpin_table(instrument, trades, self._day_lots, start, end))
            if np.any(trades.side != 0):
                tables.append(agreement_table(trades, quotes if book else whole([])[1], start, end))
        return tables

    def _summary(self, trades: Trades, quotes: Quotes, start: int, end: int) -> Table:
        instrument, lots = self.instrument, sum(trades.qty.tolist())
        bought = sum(trades.qty[trades.side > 0].tolist())
        sold = sum(trades.qty[trades.side < 0].tolist())
        rows: tuple[tuple[Cell, ...], ...] = (
            ("from, UTC", second(start)),
            ("to, UTC", second(end)),
            ("seconds", (end - start) / 1e9),
            ("fills", len(trades)),
            (f"volume, {instrument.unit or 'units'}", instrument.amount(lots)),
            ("share bought by takers", bought / (bought + sold) if bought + sold else None),
            ("lowest fill", instrument.price(int(trades.px.min())) if len(trades) else None),
            ("highest fill", instrument.price(int(trades.px.max())) if len(trades) else None),
            ("book messages", len(quotes)),
            ("of them crossed, locked or not trusted", int((~quotes.valid).sum())),
            ("fills known to be missing", self._market.missing),
        )
        return Table(
            "recording",
            "What was recorded",
            ("", "value"),
            rows,
            "Everything below rests on this one span of this one market; a few minutes are an anecdote, not evidence.",
        )
