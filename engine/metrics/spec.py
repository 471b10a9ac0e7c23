"""How a metric describes itself: name, arguments, unit, meaning, warm-up, and how to build it.

Every module of `engine/metrics` that computes something ends with a tuple `SPECS`; the registry
collects them, and `stream --list`, alerts, help and docs read nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Protocol

from engine.fees import FeeSchedule
from engine.instrument import Instrument
from engine.metrics.calculator import Calculator
from engine.tape import Ints

if TYPE_CHECKING:
    from engine.metrics.names import Metric

#: Unit of a metric that is in the unit of its first argument, itself a metric.
UNIT_OF_METRIC: Final = "of the metric"


class BookReader(Protocol):
    """The order book as a metric may read it. Prices in ticks, sizes in lots, levels best first."""

    @property
    def valid(self) -> bool:
        """False: empty by loss of sync, not yet there, crossed or locked. Then nothing may be computed."""

    @property
    def best_bid(self) -> int:
        """Ticks; NO_BID when there is no bid."""

    @property
    def best_ask(self) -> int:
        """Ticks; NO_ASK when there is no ask."""

    @property
    def bid_qty(self) -> int:
        """Lots at the best bid, 0 without one."""

    @property
    def ask_qty(self) -> int:
        """Lots at the best ask, 0 without one."""

    @property
    def known_low(self) -> int | None:
        """Below this price the bids are unknown (the snapshot did not reach further); None: no horizon."""

    @property
    def known_high(self) -> int | None:
        """Above this price the asks are unknown; None: no horizon."""

    def levels(self, side: int, count: int | None = None, until: int | None = None) -> tuple[Ints, Ints]:
        """(prices, sizes) of the non-empty levels of a side (+1 bids, -1 asks), best first: at most `count`
        of them, none beyond the price `until` (inclusive: bids >= until, asks <= until). int64, fresh arrays."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a metric may know besides the tape."""

    instrument: Instrument
    day_lots: int | None = None  # average daily volume given by the user (lots); the tape may tell it too
    fees: FeeSchedule | None = None  # the user's own; None: as the instrument was listed


@dataclass(frozen=True, slots=True)
class Bound:
    """A metric with its arguments, ready to be built for a market.

    Either `field` of the calculator that `make` builds (metrics with an equal `share` key of one market share
    one calculator), or `probe`, a function of the book alone, evaluated at the instants that are asked for.
    """

    share: Hashable = None
    make: Callable[[Context], Calculator] | None = None
    field: str = ""
    probe: Callable[[BookReader, Context], float | None] | None = None
    taps: tuple[int, ...] = ()  # level counts whose sums `Batch.sums` must carry
    ladders: tuple[int, ...] = ()  # level counts whose levels `Batch.ladders` must carry (costs ~20 µs a message)
    bands: tuple[Fraction, ...] = ()  # distances from the mid, bps, whose resting sizes `Batch.bands` must carry
    changes: bool = False  # whether `Batch.changes` must be there (costs ~0.3 µs a level)
    lags: bool = False  # whether `Batch.lags` must be there
    needs_book: bool = False
    needs_trades: bool = False
    of: Metric | None = None  # the calculator is `Derived` (history.py) from this metric


@dataclass(frozen=True, slots=True)
class Param:
    """One argument of a metric. `kind` decides how its text is read (see names.py)."""

    name: str  # as shown: W, L, V, n, side, X, N, k
    #: What the text may be and what the argument becomes (see names.py):
    #: "window" int ns | "anchored" int ns, or "session", or "start", or an Anchor | "levels" int | "bps" float |
    #: "levels_or_bps" int = levels, float = bps | "size" float, or "adv/50" as text | "least_size" float, may be 0 |
    #: "count" int | "side" one of "bid", "ask", "buy", "sell" | "notional" float, quote units |
    #: "factor" float, may be negative | "confidence" float | "metric" Metric, to be given |
    #: "choice:a|b|c" one of these words (lower case)
    kind: str
    default: str | None = None  # text of the default; None: must be given
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric name."""

    name: str
    params: tuple[Param, ...]
    unit: str  # UNIT_OF_METRIC, or "base", "quote", "bps", "price", "ratio", "count", "s", "1/s", ...
    meaning: str  # one line
    warmup: str  # one line: from when on there is a value, and what it covers
    bind: Callable[..., Bound]  # gets the parsed arguments in the order of `params`; ValueError: they don't go together
    group: str  # heading in lists: prices, flow, ofi, book, toxicity, cost, profile
