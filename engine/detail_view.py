"""Parts of a market's picture that only some panels ask for, and the provenance of a number.

Kept apart from `engine.view`: a first frame does without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.view import ChannelView

if TYPE_CHECKING:
    from engine.position import Position


@dataclass(frozen=True, slots=True)
class HistogramRow:
    """What traded this session in one row of prices."""

    px: int  # ticks, the lowest price of the row
    volume: float  # in the instrument's unit
    node: int  # +1 a high volume node, -1 a low one, 0 neither


@dataclass(frozen=True, slots=True)
class HistogramView:
    """Volume by price around the market since the session or an anchor began, rows from the highest price down."""

    width: int  # ticks a row holds
    rows: tuple[HistogramRow, ...]
    poc: int  # ticks
    val: int  # ticks, the value area's ends
    vah: int
    since: int | None = None  # ns, the anchor as the numbers begin with it; None: the session


@dataclass(frozen=True, slots=True)
class ShockView:
    """A position after a move of the price."""

    shock: float  # -0.1: a fall of 10 %
    equity: float  # margin and profit, in the currency of settlement
    ratio: float  # equity over what maintenance requires; below 1 it is liquidated
    holds: bool


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position that the user entered, at the present mid. Money in the currency of settlement; None: unknown."""

    position: Position
    currency: str
    price: float | None
    profit: float | None
    liquidation: float | None  # price; None also: there is none
    distance_bps: float | None
    distance_sigma: float | None  # standard deviations of a day
    volatility: str  # the metric that the distance and the name of its model stand on; empty: none is known
    var_bps: float | None  # move against the position of `var`
    var: str  # the metric of the value at risk
    loss: float | None  # value at risk in money
    exit_cost: float | None  # of closing it at market now, the taker fee included
    total: float | None  # loss and exit cost
    shocks: tuple[ShockView, ...]


@dataclass(frozen=True, slots=True)
class FeeView:
    """The user's fees on a market, and the way to the next tier. Volumes and savings in quote units."""

    maker_bps: float
    taker_bps: float
    tier: int  # from 1 on
    tiers: int
    volume: float  # own, of the last 30 days, as the user told it
    source: str
    as_of: str  # ISO date; empty: unknown
    missing: float | None  # volume up to the next tier; None: the present one is the highest
    saving_made: float | None  # what the next tier saves a month on such a volume, if all of it is made
    saving_taken: float | None  # and if all of it is taken; negative: it costs more


@dataclass(frozen=True, slots=True)
class MemberView:
    """One market of a composite. Prices in the quote currency of the composite, amounts in base units; None: unknown.

    `best_bid` and `best_ask`: no other member that is in has a better one, taker fees included.
    """

    market: str
    initial: str  # what marks its sizes in the merged ladder
    book: ChannelView
    trades: ChannelView
    counted: bool  # its trades are in the sum now
    last: float | None
    bid: float | None
    ask: float | None
    all_in_bid: float | None  # what a taker gets, the fee taken off
    all_in_ask: float | None  # what a taker pays, the fee added
    best_bid: bool
    best_ask: bool
    cvd: float | None
    delta: float | None  # of 60 s
    share: float | None  # of the composite's volume of the last hour, 0 to 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """The provenance of one number: what it means, over what, and how much of that is known."""

    metric: str  # as asked
    usage: str  # as the list of metrics writes it
    unit: str
    meaning: str
    warmup: str
    value: float | None
    window: str  # as people write it; empty: the state of the moment
    start: int | None  # ns, left edge of the window
    since: int | None  # ns: counted from here on; None: nothing came yet
    covered: float | None  # share of the window that the tape holds, 0 to 1; None where there is no window
    holes: tuple[tuple[int, int], ...]  # ns: stretches of the window in which trades are known to be missing
    inputs: tuple[tuple[str, ChannelView], ...]  # the channels it stands on, by name
    warmed: str  # what of it comes from bars instead of the tape, in words
