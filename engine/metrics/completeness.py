"""How far what was heard can be relied on: trades known to be missing, and the trust of a channel as a number."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.codes import Trust
from engine.metrics.age import CHANNELS
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Steps, Sums, check_state, to_floats
from engine.tape import Ints

#: Trust as a number; of everything else it is 0.
WORTH: Final = {Trust.LIVE: 1.0, Trust.UNVERIFIABLE: 0.5}


class Completeness:
    """Fields: `gaps:W` (trades known to be missing in (t - W, t]), `trust:book`, `trust:trades`."""

    def __init__(self) -> None:
        self._holes = Sums(1)
        self._trust = {channel: Steps(np.int64) for channel in CHANNELS}
        self._began: int | None = None  # clock of the first word of the source on its trades
        self._longest = 0

    def update(self, batch: Batch) -> None:
        if self._began is None:
            heard = [int(t) for t in batch.trades.t[:1]] + [row[0] for row in (*batch.trust[:1], *batch.holes[:1])]
            self._began = min(heard, default=None)
        if batch.holes:
            counts = np.array([max(1, count) for _, count in batch.holes], np.int64)
            self._holes.append(np.array([t for t, _ in batch.holes], np.int64), (counts,), (int(counts.sum()),))
        for i, channel in enumerate(CHANNELS):
            if batch.trust:
                self._trust[channel].append([row[0] for row in batch.trust], [row[1 + i] for row in batch.trust])

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        if name == "gaps":
            span = int(text)
            self._longest = max(self._longest, span)
            missing = to_floats(self._holes.window(times, span).sum(0))
            return np.where(times >= self._began, missing, np.nan) if self._began is not None else missing * np.nan
        said = self._trust[text]
        out = np.full(len(times), np.nan)
        position = said.position(times)
        known = position >= 0
        codes = said.values()[position[known]].tolist()
        out[known] = [np.nan if code == Trust.NONE else WORTH.get(Trust(code), 0.0) for code in codes]
        return out

    def advance(self, t: int) -> None:
        self._holes.forget(t - self._longest)
        for said in self._trust.values():
            said.forget(t)

    def state(self) -> State:
        return {
            "kind": "completeness",
            "version": 1,
            "holes": self._holes.state(),
            "trust": {channel: said.state() for channel, said in self._trust.items()},
            "began": self._began,
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "completeness", 1)
        self._holes.restore(state["holes"])
        for channel, said in self._trust.items():
            said.restore(state["trust"][channel])
        self._began = state["began"]
        self._longest = max(self._longest, state["longest"])


def _bound(field: str) -> Bound:
    return Bound(share="completeness", make=lambda context: Completeness(), field=field)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "gaps",
        (Param("W", "window", "1h", "length of the window"),),
        "trades",
        "trades known to be missing in the window; a hole of unknown size counts 1",
        "from the first word of the source on",
        lambda w: _bound(f"gaps:{w}"),
        "trust",
    ),
    MetricSpec(
        "trust",
        (Param("channel", "choice:book|trades", "book", "book or trades"),),
        "0…1",
        "1: proven (LIVE), 0.5: nothing proves it (UNVERIFIABLE), 0: not to be relied on",
        "when the source has said it",
        lambda channel: _bound(f"trust:{channel}"),
        "trust",
    ),
)
