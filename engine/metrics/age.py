"""How old the last news of a channel is, by the market's clock."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

CHANNELS: Final = ("book", "trades")


class Age:
    """Fields: `book`, `trades`: seconds since the latest message that left a good book, since the latest trade that is
    order flow."""

    def __init__(self) -> None:
        self._heard = {channel: Steps() for channel in CHANNELS}

    def update(self, batch: Batch) -> None:
        # That the book was lost is no news of the market: its age goes on.
        for channel, times in (("book", batch.quotes.t[batch.quotes.valid]), ("trades", batch.trades.t)):
            if len(times):
                self._heard[channel].append(times)

    def sample(self, field: str, times: Ints) -> Floats:
        heard = self._heard[field]
        out = np.full(len(times), np.nan)
        position = heard.position(times)
        some = position >= 0
        out[some] = (times[some] - heard.clock[position[some]]) / 1e9
        return out

    def advance(self, t: int) -> None:
        for heard in self._heard.values():
            heard.forget(t)

    def state(self) -> State:
        return {"kind": "age", "version": 1, "heard": {name: heard.state() for name, heard in self._heard.items()}}

    def restore(self, state: State) -> None:
        check_state(state, "age", 1)
        for channel, heard in self._heard.items():
            heard.restore(state["heard"][channel])


def _bind(channel: str) -> Bound:
    # A rule on it must go on when the channel cannot be relied on: that is what it is for.
    return Bound(share="age", make=lambda context: Age(), field=channel)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "age",
        (Param("channel", "choice:book|trades", "book", "book or trades"),),
        "s",
        "time since the last message of a channel, by the market's clock",
        "from the first message on",
        _bind,
        "trust",
    ),
)
