"""What a venue tells of a contract beside its trades and book: mark, index, funding, open interest.

Numbers are the venue's own, as of the market's clock when they came; nothing is computed but differences.
"""

from __future__ import annotations

import numpy as np

from engine.codes import Kind
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

_KINDS = {"mark": Kind.MARK, "index": Kind.INDEX, "funding": Kind.FUNDING, "open_interest": Kind.OPEN_INTEREST}
#: A value so old is no longer told: venues tell these numbers every few seconds.
STALE_NS = 300_000_000_000


class Contract:
    """Fields: `mark`, `index` (price), `basis` (mark over index, bps), `funding` (bps of the value, at the next
    settlement), `due` (seconds to it), `open_interest` (base units; inverse: quote units), `change:W` of it."""

    def __init__(self, context: Context) -> None:
        self._per_wire = float(context.instrument.contract)
        self._told = {name: Steps(np.float64, np.int64) for name in _KINDS}
        self._longest = 0

    def update(self, batch: Batch) -> None:
        for name, kind in _KINDS.items():
            news = [reading for reading in batch.readings if reading.kind is kind]
            if news:
                self._told[name].append([r.t for r in news], [r.value for r in news], [r.due for r in news])

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        if name == "change":
            span = int(text)
            self._longest = max(self._longest, span)
            return (self._at("open_interest", times) - self._at("open_interest", times - span)) * self._per_wire
        if name == "basis":
            index = self._at("index", times)
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(index > 0, (self._at("mark", times) / index - 1) * 1e4, np.nan)
        if name == "due":
            told = self._told["funding"]
            due, known = np.zeros(len(times), np.int64), ~np.isnan(self._at("funding", times))
            due[known] = told.values(1)[told.position(times[known])]
            return np.where(due > times, (due - times) / 1e9, np.nan)
        factor = {"funding": 1e4, "open_interest": self._per_wire}.get(name, 1.0)
        return self._at(name, times) * factor

    def _at(self, name: str, times: Ints) -> Floats:
        """A number as of each time; unknown when it was told too long ago."""
        told = self._told[name]
        out = told.at(times)
        position = told.position(times)
        some = position >= 0
        out[some] = np.where(times[some] - told.clock[position[some]] <= STALE_NS, out[some], np.nan)
        return out

    def advance(self, t: int) -> None:
        for told in self._told.values():
            told.forget(t - self._longest)

    def state(self) -> State:
        told = {name: steps.state() for name, steps in self._told.items()}
        return {"kind": "contract", "version": 1, "told": told, "longest": self._longest}

    def restore(self, state: State) -> None:
        check_state(state, "contract", 1)
        for name, steps in self._told.items():
            steps.restore(state["told"][name])
        self._longest = max(self._longest, state["longest"])


def _bound(field: str) -> Bound:
    return Bound(share="contract", make=Contract, field=field)


def _spec(name: str, field: str, unit: str, meaning: str) -> MetricSpec:
    warmup = "when the venue has told it; unknown again 5 minutes after the last time"
    return MetricSpec(name, (), unit, meaning, warmup, lambda: _bound(field), "contract")


SPECS: tuple[MetricSpec, ...] = (
    _spec("mark", "mark", "price", "price that margins are computed with, as the venue tells it"),
    _spec("index", "index", "price", "price of the underlying, as the venue tells it"),
    _spec("basis_bps", "basis", "bps", "mark price over index price"),
    _spec("funding_bps", "funding", "bps", "funding rate of the next settlement; above 0 longs pay shorts"),
    _spec("funding_due", "due", "s", "time to the next settlement of funding"),
    _spec("open_interest", "open_interest", "base", "open contracts, as the venue tells them"),
    MetricSpec(
        "oi_change",
        (Param("W", "window", "1h", "length of the window"),),
        "base",
        "open interest now less that at the start of the window",
        "when the venue has told it for as long as the window",
        lambda w: _bound(f"change:{w}"),
        "contract",
    ),
)
