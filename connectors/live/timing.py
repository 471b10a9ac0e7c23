"""How long things may take, and the two clocks a live feed goes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    proven: float = 10.0  # a connection that has carried data for so long ends the backoff
    handshake: float = 8.0
    acknowledge: float = 10.0
    heartbeat: float = 15.0  # WebSocket ping; a dead line shows after one and a half of them
    lifetime: float | None = None  # of a connection, instead of what the venue's traits say
    between_requests: float | None = None  # frames sent on a socket, likewise
    tick: float = 0.25  # clock rows and silence
    quiet: float = 0.5  # without data for so long, clock rows begin
    first_book: float = 15.0  # from the subscription to the first book update
    silent_book: float = 15.0  # at least; more for a market that is slow by nature
    silent_trades: float = 60.0
    first_trade: float = 900.0  # from the subscription to the first trade, while nothing is known of the market's pace
    longest_silence: float = 900.0  # of a book that is normal at most; of trades a day
    recovery: float = 5.0  # later trades wait at most so long for missing ones
    settled: float = 30.0  # a book that has been right for so long is resynced without delay again
    day_volume: float = 1800.0
    figures: float = 15.0  # between two questions for mark, index, funding and open interest of a contract


class VenueClock:
    """What the venue's clock shows, from the times on its messages: ours plus their average lead.

    The average contains the usual latency, so `now` is the time a message arriving now would bear.
    """

    _WEIGHT = 1 / 64

    def __init__(self, ahead_ns: int = 0) -> None:
        self._ahead = float(ahead_ns)

    def saw(self, recv: int, ts: int) -> None:
        """A message of time `ts` arrived at `recv`, both ns."""
        self._ahead += (ts - recv - self._ahead) * self._WEIGHT

    def now(self, recv: int) -> int:
        """The venue's time when ours is `recv`, ns."""
        return recv + int(self._ahead)


class Pulse:
    """Whether the silence of a channel is longer than its own activity explains.

    `floor` and `longest` bound the silence that is normal, seconds; `first` is that before any activity is known.
    """

    _GAPS = 20.0  # mean gaps between messages
    _WEIGHT = 0.05

    def __init__(self, floor: float, first: float, longest: float) -> None:
        self._floor, self._first, self._longest = floor, first, longest
        self._count = 0
        self._mean: float | None = None
        self._last: float | None = None

    def start(self, now: float) -> None:
        """Silence counts from here (subscribed, connected)."""
        self._last = now

    def expect(self, gap: float) -> None:
        """The mean gap between messages as the venue's own numbers have it, seconds; what is heard goes before it."""
        if self._mean is None:
            self._mean = gap

    def look(self, now: float, count: int) -> None:
        """`count` messages have come in all."""
        if count == self._count:
            return
        if self._last is not None:
            gap = (now - self._last) / (count - self._count)
            self._mean = gap if self._mean is None else self._mean + (gap - self._mean) * self._WEIGHT
        self._last, self._count = now, count

    @property
    def limit(self) -> float:
        """The longest silence that is normal, seconds."""
        return self._first if self._mean is None else min(max(self._floor, self._GAPS * self._mean), self._longest)

    def silence(self, now: float) -> float:
        """Seconds since the last message (or the start)."""
        return 0.0 if self._last is None else now - self._last
