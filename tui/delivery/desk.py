"""Where alerts and feed trouble come in, and go on to the terminal and to the courier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tui.delivery.notification import Notification, Origin, of_alert

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from engine.instrument import Instrument
    from engine.sampling import Sampler
    from tui.delivery.courier import Courier, SinkStatus
    from tui.delivery.silence import Silence
    from tui.delivery.terminal import TerminalAlerts


class Desk:
    """`everything`: the sinks also get what is simulated or replayed. Without it that stays on the terminal, where
    somebody looks at it. `clock` gives seconds for the terminal's pauses."""

    def __init__(
        self, clock: Callable[[], float], *, replay: bool = False, everything: bool = False, trouble_after: int = 10**10
    ) -> None:
        self.terminal: TerminalAlerts | None = None
        self.courier: Courier | None = None
        self.last: Notification | None = None
        self.told = 0
        self._clock = clock
        self.replay = replay
        self._everything = everything
        self._trouble_after = trouble_after
        self._simulated: set[str] = set()
        self._silence: Silence | None = None
        self._watchers: list[Callable[[Notification], None]] = []

    def watch(self, callback: Callable[[Notification], None]) -> None:
        """Call `callback` for everything that is told."""
        self._watchers.append(callback)

    def origin(self, market: str) -> Origin:
        """Where a market's tape comes from."""
        if self.replay:
            return "recording"
        return "simulator" if market in self._simulated or market.startswith("sim:") else "live"

    def alert(self, event: AlertEvent) -> None:
        """The engine's listener."""
        note = of_alert(event, self.origin(event.market))
        if note is not None:
            self.tell(note)

    def tell(self, note: Notification) -> None:
        """To everyone. Waits for nobody."""
        self.last = note
        self.told += 1
        if self.terminal is not None:
            self.terminal.tell(note, self._clock())
        if self.courier is not None and (self._everything or self.origin(note.market) == "live"):
            self.courier.post(note)
        for callback in self._watchers:
            callback(note)

    def samplers(self, instrument: Instrument) -> Iterable[Sampler]:
        """What looks for trouble with a market's feed. In a recording that one looks at it is nothing to call for."""
        from tui.delivery.trouble import TroubleWatch

        if instrument.simulated:
            self._simulated.add(instrument.market)
        if self.replay and not self._everything:
            return []
        return [TroubleWatch(instrument.market, self._trouble_after, self.origin(instrument.market), self.tell)]

    def look(self, now: int, received: Mapping[str, int | None]) -> None:
        """Once a second or so, by the wall clock (ns): tell of live markets from which nothing comes any more, given
        when the newest row of each was received (None: it is not open yet)."""
        from tui.delivery.silence import Silence

        if self._silence is None:
            self._silence = Silence(now)
        for note in self._silence.look(now, {m: t for m, t in received.items() if self.origin(m) == "live"}):
            self.tell(note)

    def status(self) -> Sequence[SinkStatus]:
        """Every sink now."""
        return self.courier.status() if self.courier is not None else ()
