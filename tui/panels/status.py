"""The status line: can the picture be trusted, how old is it, and what is the program itself doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from engine.lateness import LatencyView
from engine.view import ChannelView, EngineView, MarketView, PlayView
from tui.panels import format as fmt
from tui.panels.base import TRUSTED, Role, RowPanel, Run, Runs, message_rows, spread_row, trust_text
from tui.panels.glyphs import Glyphs
from tui.untrusted import escape_text

#: A latency below this can't be: the clocks differ.
SKEW_MS = -1.0
SLOW_MS = 1_000.0
LATE_MS = 100.0


class Item(NamedTuple):
    """One thing to say; the lowest ranks stay longest when the row is short."""

    rank: int
    role: Role
    text: str


def latency_items(latency: LatencyView | None) -> list[Item]:
    """Median and 99th percentile of receive minus exchange time. Where a negative one shows that the clocks differ,
    they count from the fastest message, and the difference is told beside them."""
    if latency is None:
        return []
    skewed = latency.fastest < SKEW_MS
    median, p99 = (ms - latency.fastest if skewed else max(0.0, ms) for ms in (latency.median, latency.p99))
    shown = f"{median / 1000:.1f}/{p99 / 1000:.1f} s" if median >= SLOW_MS else f"{median:.0f}/{p99:.0f} ms"
    items = [Item(3, "toxic" if median >= SLOW_MS else "text", f"latency {shown}")]
    if latency.median - latency.fastest >= SLOW_MS:
        # Usual messages come much later than the fastest ones: the line, or this program, does not keep up.
        items.insert(0, Item(1, "alert", f"LAG {(latency.median - latency.fastest) / 1000:.1f} s"))
    if skewed:
        items.append(Item(3, "toxic", f"clock skew {fmt.signed(latency.fastest / 1000, 8).strip()} s"))
    return items


def channel_item(name: str, channel: ChannelView, now: int) -> Item:
    """Trust of a channel; the reason too when it is not LIVE."""
    if channel.state == "NONE":
        return Item(4, "dim", f"no {name}")
    text = f"{name} {trust_text(channel, now) or channel.state}"
    return Item(2, "text", text) if channel.state in TRUSTED else Item(1, "alert", text)


def play_item(play: PlayView, glyphs: Glyphs) -> Item:
    """Position, speed and state of a replay."""
    speed = f"{play.speed:g}{glyphs.times}" if play.speed else "full speed"
    state = "done" if play.done else "paused" if play.paused else speed
    part = ""
    if play.start is not None and play.end is not None and play.t is not None and play.end > play.start:
        part = f" {fmt.percent(max(0.0, min(1.0, (play.t - play.start) / (play.end - play.start)))).strip()}"
    return Item(0, "alert", f"REPLAY {fmt.clock(play.t)}{part} {state}")


def stands_still(overview: EngineView) -> bool:
    """Whether no rows come: a recording that is stopped or at its end."""
    return overview.playing is not None and (overview.playing.paused or overview.playing.done)


def wire_text(bytes_per_s: float, round_trip: float | None) -> str:
    """What goes to the terminal in a second, and how long it takes it to answer (seconds; None: it does not)."""
    away = "" if round_trip is None else f" {min(99_999.0, 1000 * round_trip):.0f} ms away"
    return f"{bytes_per_s / 1000:4.1f} kB/s{away}"


def status_items(
    view: MarketView | None,
    overview: EngineView,
    glyphs: Glyphs,
    paused_since: int | None = None,
    muted: bool = False,
    fps: float = 0.0,
    delivery: str = "",
    wire: tuple[float, float | None] | None = None,
) -> list[Item]:
    """What the line says, in its order. On a screen that stands still nothing moves in it, so nothing is sent."""
    items: list[Item | None] = []
    still = paused_since is not None or stands_still(overview)
    if paused_since is not None:
        # The engine runs on: this is how old the picture is.
        items.append(Item(0, "alert", f"PAUSED since {fmt.clock(paused_since)}"))
    if view is not None and view.instrument.simulated:
        items.append(Item(0, "alert", "SIMULATED"))
    if overview.playing is not None:
        items.append(play_item(overview.playing, glyphs))
    if view is not None:
        items.append(channel_item("book", view.book, view.t))
        items.append(channel_item("trades", view.trades, view.t))
        lost = [f"{name} {n}x" for name, n in (("book", view.book.losses), ("trades", view.trades.losses)) if n]
        if lost:
            items.append(Item(5, "dim", f"lost: {', '.join(lost)}"))
        if overview.playing is None and not view.instrument.simulated:
            items += latency_items(view.latency)
        if view.holes:
            items.append(Item(3, "toxic", f"{fmt.count(view.holes)} trades missing"))
        if view.skipped:
            items.append(Item(3, "toxic", f"{fmt.count(view.skipped)} rows refused"))
    if delivery:
        items.append(Item(1, "alert", escape_text(delivery, 40)))
    if overview.muted:
        items.append(Item(1, "alert", "alerts muted"))
    if muted:
        items.append(Item(4, "dim", "bell off"))
    if still:
        return [item for item in items if item is not None]
    items.append(Item(5, "dim", f"{fmt.size(overview.events_per_s, 6)} ev/s"))
    if fps > 0:
        items.append(Item(6, "dim", f"{fps:4.1f} fps"))
    if wire is not None:
        items.append(Item(6, "dim", wire_text(*wire)))
    late = overview.lag_ms >= LATE_MS
    items.append(
        Item(
            2 if late else 7,
            "toxic" if late else "dim",
            f"{'LAG' if late else 'lag'} {fmt.fixed(overview.lag_ms, 4, 0)} ms",
        )
    )
    return [item for item in items if item is not None]


def status_row(items: list[Item], clock: str, width: int) -> Runs:
    """The items that fit, most important ones kept, and the clock at the right edge."""
    kept = list(items)
    room = width - len(clock) - 2
    while kept and sum(len(item.text) + 2 for item in kept) > room:
        if len(kept) == 1:
            break
        kept.remove(max(kept, key=lambda item: item.rank))
    runs: list[Run] = []
    for item in kept:
        runs += [("text", " "), (item.role, item.text), ("text", " ")]
    return spread_row(tuple(runs), (("dim", f"{clock} "),), width)


class Status(RowPanel):
    """One row. The app sets `paused_since`, `muted`, `fps`, `delivery` (what of it fails) and `wire`; `now` gives the
    wall clock in ns."""

    DEFAULT_CSS = "Status { height: 1; }"
    HZ = 1.0
    can_focus = False

    def __init__(
        self, *, id: str | None = None, classes: str | None = None, now: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.paused_since: int | None = None  # ns since the Unix epoch; None: not paused
        self.muted = False
        self.delivery = ""
        self.fps = 0.0  # frames shown a second; 0: not known
        self.wire: tuple[float, float | None] | None = None  # bytes a second, round trip in seconds; None: not known
        self._now = now

    def body(self, width: int, height: int) -> Sequence[Hashable]:
        """The one row; it needs no market to be there."""
        if self.overview is None:
            return message_rows("starting", width, height)
        items = status_items(
            self.view, self.overview, self._glyphs, self.paused_since, self.muted, self.fps, self.delivery, self.wire
        )
        still = self.paused_since is not None or stands_still(self.overview)
        return [status_row(items, "" if still else f"{fmt.clock(self._now())} UTC", width)][:height]
