"""What the configuration may say: names, types, limits and defaults.

The TOML names are the field names (`for` of an alert is `hold` here, since `for` is a word of Python). The kinds of
values are in `tui.config.values`.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tui.config.sinks import AnySink, Notify
from tui.config.values import (
    Column,
    Duration,
    HttpUrl,
    Level,
    Name,
    Repeat,
    Severity,
    Text,
    TimeOfDay,
    Url,
    Window,
    WsUrl,
)

#: From which 30-day volume on, maker fee in bps, taker fee in bps.
Tier = Annotated[
    tuple[float, ...],
    Meta(min_length=3, max_length=3, description="[30-day volume, maker bps, taker bps], three numbers"),
]


class Windows(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far back the panels look when they open."""

    flow: Window = "60s"  # delta, trade imbalance, pace
    ofi: Window = "10s"  # order-flow imbalance
    chart: Column = "1s"  # what one column of a chart stands for


class Layout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the screen is filled."""

    name: Name = "default"  # a built-in layout, or one of [layouts]
    beside: Name = "cvd"  # the panel next to the ladder on a small screen
    glyphs: Literal["auto", "braille", "block", "ascii"] = "auto"


class OwnLayout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layout of the user's: panels by column, from left to right."""

    columns: tuple[tuple[Name, ...], ...]


class Tape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list of trades."""

    minimum: Annotated[float, Meta(ge=0, le=1e15, description="an amount of 0 or more, in the quote currency")] = 0.0


class Simulator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The built-in market."""

    seed: Annotated[int, Meta(ge=0, le=2**32 - 1, description="a whole number from 0 to 4294967295")] = 1
    markets: Annotated[tuple[Text, ...], Meta(min_length=1, description="at least one symbol")] = (
        "BTC/USDT",
        "ETH/USDT",
    )


class Venue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and what to ask of one exchange. Unset: what its connector knows.

    `rest` and `ws` stand for every part of the exchange; `endpoints` for one by its name in the connector
    ("usdm_rest"), and goes before them.
    """

    rest: HttpUrl | None = None
    ws: WsUrl | None = None
    endpoints: dict[str, Url] = field(default_factory=dict)
    channels: tuple[Name, ...] | None = None


class CompositeMarket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument on several venues, watched as `composite:NAME`. `rates`: by the quote currency of a member the
    market that tells its worth in that of the first."""

    markets: Annotated[tuple[Text, ...], Meta(min_length=2, description="at least two markets")]
    rates: dict[str, str] = field(default_factory=dict)


class Fees(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user pays on a venue, or on its markets of one kind ("binance:linear")."""

    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, description="at least one tier")]
    volume: Annotated[float, Meta(ge=0, le=1e15, description="an amount of 0 or more, in the quote currency")] = 0.0
    date: Annotated[datetime.date, Meta(description="a date such as 2026-01-31")] | None = None


class Alert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Its expressions are checked by whoever knows the metrics."""

    name: Name
    when: Text
    on: Text = "*"
    hold: Duration = field(name="for", default="0s")
    rearm: Level | None = None  # the level that `when` must come back beyond, or a condition
    keep_firing_for: Duration = "0s"
    cooldown: Duration = "0s"
    repeat: Repeat = "never"
    stale_after: Window = "10s"
    expires: Text | None = None
    severity: Severity = "warning"
    message: str = ""
    enabled: bool = True


class QuietHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When alerts below a severity are listed and not announced. The same time twice: never."""

    from_: TimeOfDay = field(name="from", default="00:00")
    to: TimeOfDay = "00:00"
    zone: Text = "local"
    below: Severity = "high"


class Terminal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the terminal can do, where its judgement is not trusted, and what the way to it can carry."""

    color: Literal["auto", "truecolor", "256", "16", "none"] = "auto"
    mouse: Literal["auto", "on", "off"] = "auto"
    driver: Literal["auto", "thrifty", "stock"] = "auto"
    low_bandwidth: bool = False


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    markets: tuple[Text, ...] = ()
    checkpoint: bool = True  # live markets go on where the last run of the day stopped
    theme: Name = "okabe-dark"
    fps: Annotated[float, Meta(ge=0.5, le=60, description="a number from 0.5 to 60")] = 10.0
    windows: Windows = Windows()
    layout: Layout = Layout()
    layouts: dict[str, OwnLayout] = field(default_factory=dict)
    terminal: Terminal = Terminal()
    tape: Tape = Tape()
    keys: dict[str, str] = field(default_factory=dict)  # action id -> keys, separated by commas
    venues: dict[str, Venue] = field(default_factory=dict)
    composites: dict[str, CompositeMarket] = field(default_factory=dict)
    fees: dict[str, Fees] = field(default_factory=dict)
    simulator: Simulator = Simulator()
    presets: tuple[Text, ...] = ("toxic-flow", "one-sided-flow")  # ready rules
    alerts: tuple[Alert, ...] = ()
    quiet_hours: QuietHours = QuietHours()
    notify: Notify = Notify()
    sinks: tuple[AnySink, ...] = ()
