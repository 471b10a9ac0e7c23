"""Immutable pictures of a market, made by the engine at the rate a front end asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.instrument import Instrument

if TYPE_CHECKING:  # it brings arrays with it
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
class LeafReading:
    """One comparison of a rule as it was evaluated."""

    what: str  # the compared measure as the rule has it: `spread_bps`, `count(cvd > 5, 1m)`
    comparison: str  # > >= < <=, crosses up, crosses down, crosses, inside, outside, enters, exits
    value: float | None
    level: float | None  # as evaluated; the lower end of a range
    upper: float | None = None  # the other end of a range
    unit: str = ""
    truth: bool | None = None  # None: unknown


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the market stood when an alert was stamped; None where it is unknown."""

    book: str = ""  # trust of the channels, names of `engine.tape.Trust`; empty: there is no such channel
    trades: str = ""
    mid: float | None = None
    spread_bps: float | None = None
    cvd: float | None = None  # of the session, in the instrument's unit
    vpin: float | None = None  # the slowest of the three usual ones that is known


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What became of one episode of one rule on one market.

    `kind` is "fired" (an episode begins), "repeated" (it goes on, and the rule asked to be reminded), "held" (its
    inputs can't be relied on for now; never delivered, at most once an episode) or "resolved" (it is over).
    All times are the market's own clock, ns.
    """

    kind: str
    rule: str
    market: str
    when: str
    t: int  # event time it is stamped with; of a fire: exactly t0 + for
    detected: int  # clock when it was found out
    t0: int  # first instant the condition held
    value: float | None  # of the rule's first comparison
    level: float | None  # as evaluated
    severity: str
    delivered: bool  # False: to be listed, not to be announced; `suppressed` says why
    message: str  # of a fire: the user's text with its placeholders filled in
    suppressed: str = ""  # why it is not delivered: cooldown, snoozed, muted, quiet hours, acknowledged, resumed
    reason: str = ""  # of a resolve or a hold: "back", "no data", "expired", "book RESYNC", …
    version: str = ""  # of the rule: another one when anything about it changes
    readings: tuple[LeafReading, ...] = ()
    percentile: float | None = None  # of the value among those of the hour before, 0 to 1
    peak: float | None = None  # the most extreme value of the episode so far
    surroundings: Surroundings = Surroundings()

    @property
    def episode(self) -> str:
        """Names the episode: rule, market and t0."""
        return f"{self.rule}|{self.market}|{self.t0}"

    @property
    def key(self) -> str:
        """Names this one piece of news, for receivers that must not take it twice."""
        return f"{self.episode}|{self.kind}" + (f"|{self.t}" if self.kind == "repeated" else "")


@dataclass(frozen=True, slots=True)
class EvidenceTrade:
    """A trade near an alert."""

    t: int  # the market's clock, ns
    px: int  # ticks
    qty: int  # lots
    side: int  # of the taker


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """What is kept of one episode."""

    fired: AlertEvent
    news: tuple[AlertEvent, ...]  # all that was told of it, oldest first
    instrument: Instrument | None  # None: its market is gone
    trades: tuple[EvidenceTrade, ...]  # of the minute before and the minute after, oldest first
    before: int  # trades of the minute before that were too many to keep
    after: int
    complete: bool  # the minute after has passed


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number was spread of late, as far as it is remembered."""

    unit: str
    span: int  # ns: so much of it is known
    quantiles: tuple[tuple[float, float], ...] = ()  # (share of the time, value that it was below)
    low: float = 0.0  # ends of the bins
    high: float = 0.0
    bins: tuple[int, ...] = ()  # looks in each of as many equal parts of [low, high]; what lies beyond is in the last


@dataclass(frozen=True, slots=True)
class RulePreview:
    """What a rule that is being written would have done over the last hour, looked at every 2 s."""

    value: float | None  # of what is measured, now
    spread: Spread | None = None
    observed: int = 0  # ns
    episodes: int | None = None  # None: nothing was observed
    suppressed: int = 0
    longest: int = 0  # ns
    per_day: float | None = None
    problem: str = ""  # why there is no rule yet: key and what is wrong with it


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
