"""The two shapes a metric's implementation can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from engine.metrics.batch import Batch, Floats
from engine.tape import Ints

if TYPE_CHECKING:
    from engine.history import Bars

#: A calculator's complete carried state: plain ints, floats, strings, None, lists, dicts and numpy arrays.
State = dict[str, Any]


class Learner(Protocol):
    """What a calculator may have besides, which can be warmed up with bars from before the market began."""

    def learn_bars(self, bars: Bars) -> None:
        """Once for each length of bars (a day of 60 s, 28 days of 5 min): whole bars, over by the market's first row.
        It may come before the first `update`, or when rows have come for a while. Ignore lengths that don't help.
        Never change what the tape decides (sums over what was seen, bucket sizes): see engine/history.py."""

    def warmed(self, field: str) -> str | None:
        """What of the field's present value comes from bars, in words; None when nothing does (any more)."""


@runtime_checkable
class LateLearner(Protocol):
    """A Learner that may miss what came between its bars and its making: it is given them whenever it is made."""

    learns_late: Literal[True]

    def learn_bars(self, bars: Bars) -> None:
        """See Learner."""


class Calculator(Protocol):
    """A metric (or several that share state, as `fields`) over trades and quotes.

    The market calls, for every batch: `update(batch)`, then `sample(field, times)` for the grid
    instants that have just become complete, then `advance(t)`. Results never depend on where the
    tape was cut. A sample at time t is the state after all rows with clock <= t; windows of length
    W are (t - W, t]. When the market binds a field it calls `sample(field, no times)` once before the
    next `update`: from then on the calculator keeps what that field's window needs.
    """

    def update(self, batch: Batch) -> None:
        """Take the news in. Times of instants not yet sampled may lie before the end of the batch."""

    def sample(self, field: str, times: Ints) -> Floats:
        """Values at `times` (ascending ns, shape (n,)), float64, NaN = unknown. `times` are never before
        the last `advance`, and never after the clock unless only time has passed. Must not change state."""

    def advance(self, t: int) -> None:
        """No instant before `t` will be sampled any more: forget what no window ending at or after `t` needs."""

    def state(self) -> State:
        """Everything carried, so that `restore(state())` of a fresh calculator goes on bit-identically."""

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it is of another version or shape."""
