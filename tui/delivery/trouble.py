"""Trouble with a feed, told like an alert: a channel that can't be relied on for a while, and its return.

Both are judged on a grid of the market's own clock, so a recording tells what was told live.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.metrics.names import Metric
from engine.sampling import Reader
from engine.tape import Ints
from tui.delivery.notification import Notification, Origin, of_recovery, of_trouble

#: Distance of the instants at which trust is looked at, ns.
EVERY = 1_000_000_000
_SOUND = frozenset({"LIVE", "UNVERIFIABLE"})
_CHANNELS = ("book", "trades")


class _Channel:
    """`since`: from when on it is (not) sound, as it is now; `told`: since when it is in trouble that was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sound: bool | None = None
        self.since = 0
        self.told: int | None = None


class TroubleWatch:
    """A sampler (engine.sampling.Sampler) of one market. A state must have lasted `after` ns before it is told, the
    sound one too: a feed that flaps is told of once."""

    def __init__(self, market: str, after: int, origin: Origin, tell: Callable[[Notification], None]) -> None:
        self._market = market
        self._after = after
        self._origin: Origin = origin
        self._tell = tell
        self._channels = [_Channel(name) for name in _CHANNELS]

    @property
    def every(self) -> int:
        """See Sampler."""
        return EVERY

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See Sampler."""
        return ()

    @property
    def troubled(self) -> tuple[str, ...]:
        """Channels whose trouble was told and is not over."""
        return tuple(channel.name for channel in self._channels if channel.told is not None)

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        if not len(times):
            return
        instants = times.tolist()
        for channel, states in zip(self._channels, reader.trust(times), strict=True):
            for t, state in zip(instants, states, strict=True):
                if state is not None:  # there is such a channel
                    self._look(channel, t, state)

    def _look(self, channel: _Channel, t: int, state: str) -> None:
        sound = state in _SOUND
        if sound is not channel.sound:
            channel.sound, channel.since = sound, t
        if t - channel.since < self._after:
            return
        if not sound and channel.told is None:
            channel.told = channel.since
            self._tell(of_trouble(self._market, channel.name, state, "", channel.since, t, self._origin))
        elif sound and channel.told is not None:
            self._tell(of_recovery(self._market, channel.name, channel.told, t, self._origin))
            channel.told = None
