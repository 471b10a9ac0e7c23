"""Metrics that count from a time the user names: the trades at or after it. METRICS 1.2, 1.8, 1.13.

An anchored metric is the same calculator that counts since the start of the tape, shown only what came since the
anchor. One that is asked for under way is given what the session's footprint (footprint.py) holds since the anchor,
where sums by minute and price are enough for it to be exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.metrics.batch import NO_QUOTES, Batch, Floats, Trades
from engine.metrics.calculator import Calculator, State
from engine.metrics.footprint import Footprint
from engine.metrics.spec import Bound, Context
from engine.metrics.windows import Anchor, check_state
from engine.tape import Ints


class Since:
    """A calculator that sees the trades with a clock at or after the anchor only. Unknown before the anchor."""

    def __init__(self, inner: Calculator, anchor: int, seeded: bool) -> None:
        self.inner = inner
        self.anchor = anchor
        self.seeded = seeded  # sums by minute and price make up for what came before it was asked for
        self.complete: int | None = None  # all trades since then are in it; None: all since the anchor

    def late(self, now: int, past: Footprint | None) -> None:
        """It is asked for when the clock stands at `now`, before its first `update`: begin with what is known of
        the past, in which sums of several trades at a price count as one."""
        if self.anchor > now:
            return
        if past is None or not self.seeded:
            self.complete = now
            return
        trades, complete = past.since(self.anchor)
        if complete > self.anchor:
            self.complete = complete
        if len(trades):
            self.inner.update(Batch(trades, NO_QUOTES, {}, (), int(trades.t[0]), int(trades.t[-1])))

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        if len(trades) and trades.t[0] < self.anchor:
            i = int(trades.t.searchsorted(self.anchor, "left"))
            columns = (trades.t, trades.px, trades.qty, trades.side, trades.seq)
            batch = replace(batch, trades=Trades(*(column[i:] for column in columns)))
        self.inner.update(batch)

    def sample(self, field: str, times: Ints) -> Floats:
        out = self.inner.sample(field, times)
        if len(times) and times[0] < self.anchor:
            out = np.where(times < self.anchor, np.nan, out)
        return out

    def advance(self, t: int) -> None:
        self.inner.advance(t)

    def state(self) -> State:
        return {
            "kind": "since",
            "version": 1,
            "anchor": self.anchor,
            "complete": self.complete,
            "inner": self.inner.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "since", 1)
        if state["anchor"] != self.anchor:
            raise ValueError(f"state of an anchor at {state['anchor']}, not {self.anchor}")
        self.complete = state["complete"]
        self.inner.restore(state["inner"])


def since(bound: Bound, anchor: Anchor, *, seeded: bool = False) -> Bound:
    """`bound`, which counts from the start of the tape, counting from the anchor instead.

    `seeded`: its values are exact also when the trades of a minute at a price come as one sum for each side.
    """
    make = bound.make
    if make is None:
        raise ValueError("what reads the book alone has no anchor")

    def made(context: Context) -> Calculator:
        return Since(make(context), anchor.t, seeded)

    return replace(bound, share=("since", anchor.t, seeded, bound.share), make=made)
