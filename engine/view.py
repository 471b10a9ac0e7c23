"""Immutable pictures of a market, made by the engine at the rate a front end asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they bring arrays with them, or are not needed for a first frame
    from engine.alert_view import AlertEvent
    from engine.detail_view import FeeView, HistogramView, MemberView, PositionView
    from engine.instrument import Instrument
    from engine.lateness import LatencyView
    from engine.metrics.cost_table import CostRow
    from engine.position import Position


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What a front end wants to see of one market; the same request may be repeated at every frame."""

    ladder_rows: int = 40
    ladder_top: int | None = None  # price of the top row in ticks (a multiple of group); None: centred on the mid
    group: int = 1  # ticks a ladder row holds together
    tape_rows: int = 100
    tape_min: int = 0  # only trades of at least so many lots
    series_step: int = 1_000_000_000  # ns a chart column stands for
    series_columns: int = 120
    metrics: tuple[str, ...] = ()  # metric keys as a user would type them
    notionals: tuple[float, ...] = ()  # sizes of `MarketView.costs`, quote units
    histogram_rows: int = 0  # of `MarketView.histogram`; 0: none
    anchor: int | None = None  # ns: where the histogram begins; None: with the session
    position: Position | None = None  # of `MarketView.position`


@dataclass(frozen=True, slots=True)
class ChannelView:
    """Trust of one channel. `state` is the name of an `engine.tape.Trust`."""

    state: str
    reason: str  # empty, or why, in words
    since: int  # ns, on the market's clock
    percent: int  # of WARMING
    last: int | None  # exchange time of the last message of this channel, ns
    losses: int = 0  # how often it could not be relied on any more


@dataclass(frozen=True, slots=True)
class LadderRow:
    """One price (or `group` ticks: bids rounded down into it, asks rounded up). Sizes in lots."""

    px: int  # ticks
    bid: int
    ask: int
    sold: int  # session volume of taker sells at this price
    bought: int
    held_by: str = ""  # in a composite: initial of the member with most of what rests here


@dataclass(frozen=True, slots=True)
class LadderView:
    """Rows from the highest price down. Empty when the book is not valid (`ok` False)."""

    ok: bool
    group: int
    rows: tuple[LadderRow, ...]
    best_bid: int | None  # ticks, ungrouped
    best_ask: int | None
    bid_qty: int
    ask_qty: int
    known_low: int | None  # below this price (ticks) the book's depth is unknown; None: no horizon
    known_high: int | None
    poc: int | None = None  # ticks, session point of control
    levels_bid: int = 0  # number of non-empty levels
    levels_ask: int = 0


@dataclass(frozen=True, slots=True)
class TradeView:
    """One print of the tape, newest first in `MarketView.tape`."""

    t: int  # exchange time, ns
    px: int
    qty: int
    side: int
    flags: int  # engine.tape.Flag
    id: int


@dataclass(frozen=True, slots=True)
class SeriesView:
    """Chart columns, oldest first, on an absolute grid; None where nothing is known yet."""

    step: int  # ns
    start: int  # ns, left edge of the first column
    price: tuple[float | None, ...]  # last trade at the column's end
    high: tuple[float | None, ...]  # of the price inside the column
    low: tuple[float | None, ...]
    cvd: tuple[float | None, ...]  # session CVD at the column's end, in the instrument's unit
    cvd_high: tuple[float | None, ...]
    cvd_low: tuple[float | None, ...]
    buy: tuple[float, ...]  # taker volume inside the column
    sell: tuple[float, ...]
    hole: tuple[bool, ...]  # trades are known to be missing inside the column
    warmed: bool = False  # the session's CVD goes on from what bars tell of the time before the start


@dataclass(frozen=True, slots=True)
class RuleView:
    """One alert rule on one market: its text and where its state machine stands."""

    rule: str  # name
    when: str
    state: str  # warming, inactive, pending, firing, clearing, expired
    value: float | None  # of its first comparison
    level: float | None  # as evaluated; the lower end of a range
    since: int | None  # ns: when the present state began
    fires: int
    suppressed: int
    toxicity: bool  # it watches a VPIN metric
    severity: str = "warning"
    upper: float | None = None  # the other end of a range
    t0: int | None = None  # ns: the condition holds since, while pending, firing or clearing
    peak: float | None = None  # the most extreme value of the episode that runs
    held: bool = False  # it fires, and nobody knows at present whether it still would
    acknowledged: bool = False  # the episode that runs
    snoozed_until: int | None = None  # ns, on the market's clock: not announced before
    version: str = ""


@dataclass(frozen=True, slots=True)
class MarketView:
    """Everything a screen draws of one market, at one instant of its clock."""

    instrument: Instrument
    t: int  # the market's clock, ns (0: nothing came yet)
    recv: int  # receive time of the newest row, ns
    latency: LatencyView | None  # None before the first message
    book: ChannelView
    trades: ChannelView
    ladder: LadderView
    tape: tuple[TradeView, ...]
    series: SeriesView
    metrics: Mapping[str, float | None]  # by the keys of the request
    rules: tuple[RuleView, ...]
    events: int  # rows so far
    holes: int  # trades known to be missing (a hole of unknown size counts 1)
    skipped: int  # rows refused as unreadable or off the grid
    began: int | None = None  # ns: clock of the first row that the numbers stand on
    #: What of a value comes from bars instead of the tape, in words, by the keys of the request.
    warmed: Mapping[str, str] = field(default_factory=dict)
    warmup: Mapping[str, str] = field(default_factory=dict)  # of metrics that are unknown now: from when on they are
    since: Mapping[str, int] = field(default_factory=dict)  # ns, of metrics that began under way: when
    costs: tuple[CostRow, ...] = ()  # of this market and the others of its base currency, ranked all-in
    fees: FeeView | None = None  # with `costs`, where the user has configured them
    histogram: HistogramView | None = None
    position: PositionView | None = None
    members: tuple[MemberView, ...] = ()  # of a composite


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """One cell of the markets strip."""

    market: str
    simulated: bool
    book: ChannelView
    trades: ChannelView
    last: float | None
    digits: int
    delta: float | None  # delta(60s)
    vpin: float | None  # the first preset VPIN that has a value
    firing: int  # rules now firing


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the user from a source or the engine."""

    at: int  # wall time, ns
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class EngineView:
    """What is common to all markets."""

    markets: tuple[MarketSummary, ...]
    alerts: tuple[AlertEvent, ...]  # newest first, at most 200
    unseen: int  # fired and not acknowledged
    notices: tuple[Notice, ...]  # newest first, at most 50
    events_per_s: float
    lag_ms: float  # how late the engine's own loop runs
    playing: PlayView | None = None
    muted: bool = False  # alerts are listed and not announced


@dataclass(frozen=True, slots=True)
class PlayView:
    """Position of a replay."""

    start: int | None  # ns
    end: int | None  # ns, None while unknown
    t: int | None
    speed: float  # 0: as fast as it goes
    paused: bool
    done: bool
