"""How the monitor calls its user: the terminal's bell, desktop and title, the sinks, and what it says when one fails.

Nothing of `tui.delivery` is imported before the first frame is on the screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from tui.delivery.desk import Desk
    from tui.delivery.terminal import TerminalAlerts

#: The terminal, given what writes to it; made in a thread, for it may ask tmux.
MakeTerminal = Callable[[Callable[[str], None]], "TerminalAlerts"]


class Calling:
    """`make_desk` None: nothing but the screen. `write` must not wait; `clock` gives seconds, `wall` ns."""

    def __init__(
        self,
        make_desk: Callable[[], Desk] | None,
        make_terminal: MakeTerminal | None,
        write: Callable[[str], None],
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._make_desk, self._make_terminal = make_desk, make_terminal
        self._write, self._clock, self._wall = write, clock, wall
        self._desk: Desk | None = None
        self._muted = False
        self._looked = float("-inf")

    async def begin(self) -> None:
        """Get ready, after the first frame; then follow the terminal as long as there is something to follow."""
        if self._make_desk is not None:
            self._desk = self._make_desk()
            if self._make_terminal is not None:
                terminal = await asyncio.to_thread(self._make_terminal, self._write)
                terminal.muted = self._muted
                self._desk.terminal = terminal
                await terminal.follow()

    def alert(self, event: AlertEvent) -> None:
        """The engine tells of an alert."""
        if self._desk is not None:
            self._desk.alert(event)

    def mute(self, muted: bool) -> None:
        """The terminal stays silent, or not."""
        self._muted = muted
        if self._desk is not None and self._desk.terminal is not None:
            self._desk.terminal.muted = muted

    def tick(self, unseen: Callable[[], int]) -> str:
        """Once a second: the title says how many alerts are not seen. Returns which sinks fail, in words."""
        desk, now = self._desk, self._clock()
        if desk is None:
            return ""
        if now - self._looked >= 1.0 and desk.terminal is not None:
            self._looked = now
            desk.terminal.badge(unseen())
            desk.terminal.tick(now, self._wall())
        failing = [status.name for status in desk.status() if status.problem]
        return f"{', '.join(failing)} not delivering" if failing else ""

    def end(self) -> None:
        """Give the terminal back as it was."""
        if self._desk is not None and self._desk.terminal is not None:
            self._desk.terminal.restore()
