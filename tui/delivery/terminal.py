"""The terminal as a place where alerts go: its bell, a notification on the desktop, a count in the window's title."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tui.delivery.burst import Burst
from tui.delivery.escapes import BEL, POP_TITLE, PUSH_TITLE, notification, window_title
from tui.delivery.notification import SEVERITIES, Notification, Origin
from tui.delivery.terminals import Path

_RULE_PAUSE = 5.0  # seconds between two bells of one rule and market
_BELL_PAUSE = 1.0  # seconds between any two bells
#: Notifications a minute; a desktop that shows more only annoys.
BURST = 12
#: Between two looks at the terminal around tmux, s.
FOLLOW_S = 60.0
_NEWS = ("fired", "repeated", "trouble", "test")


@dataclass(frozen=True, slots=True)
class TerminalOptions:
    """What is wanted of the terminal."""

    bell: bool = True
    desktop: bool = True
    title: bool = True
    severity: str = "info"  # the least


class TerminalAlerts:
    """Writes to the terminal through `write`, which must not wait. Seconds of any clock are given with every call.

    The bell rings whatever else the terminal shows: it is what every terminal and multiplexer passes on.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        path: Path,
        options: TerminalOptions,
        find: Callable[[], Path] | None = None,
    ) -> None:
        self.path = path
        self._find = find  # the path as it is now; may take a second or two
        self.muted = False
        self._write = write
        self._options = options
        self._rules: dict[tuple[str, str], float] = {}
        self._bell = float("-inf")
        self._burst = Burst(BURST)
        self._badge: int | None = None  # what the title says; None: the title is as it was

    async def follow(self) -> None:
        """Inside tmux: see now and then which terminal it is shown on. People attach from another one."""
        while self._find is not None and self.path.multiplexer == "tmux":
            await asyncio.sleep(FOLLOW_S)
            self.path = await asyncio.to_thread(self._find)

    def tell(self, note: Notification, now: float) -> None:
        """Call the user, unless muted or it is not severe enough."""
        if self.muted or note.kind not in _NEWS:
            return
        if SEVERITIES.index(note.severity) < SEVERITIES.index(self._options.severity):
            return
        if self._options.bell and (note.kind == "test" or self._rings(note, now)):
            self._write(BEL)
        if self._options.desktop and self.path.protocol != "none":
            self._summarise(now, note.t, "live")
            if note.kind == "test" or self._burst.admit(note, now):
                self._notify(note)

    def tick(self, now: float, t: int, origin: Origin = "live") -> None:
        """Time passes: tell what was held back when there is room for it. `t`: event time, ns."""
        if self._burst.wait is not None and not self.muted:
            self._summarise(now, t, origin)

    def badge(self, unseen: int) -> None:
        """So many alerts are not seen yet."""
        if not (self._options.title and self.path.title) or unseen == (self._badge or 0):
            return
        if self._badge is None and self.path.multiplexer != "screen":
            self._write(PUSH_TITLE)
        self._badge = unseen
        text = f"({unseen}!) flowtape" if unseen else "flowtape"
        self._write(window_title(text, ascii_only=self.path.ascii_only))

    def restore(self) -> None:
        """Give the title back."""
        if self._badge is not None:
            # GNU screen keeps no titles on a stack; an empty one is its own again.
            self._write(POP_TITLE if self.path.multiplexer != "screen" else window_title("", ascii_only=True))
            self._badge = None

    def _rings(self, note: Notification, now: float) -> bool:
        key = (note.rule, note.market)
        if now - self._bell < _BELL_PAUSE or now - self._rules.get(key, float("-inf")) < _RULE_PAUSE:
            return False
        self._rules = {rule: at for rule, at in self._rules.items() if now - at < _RULE_PAUSE}
        self._rules[key] = self._bell = now
        return True

    def _summarise(self, now: float, t: int, origin: Origin) -> None:
        summary = self._burst.summary(now, t, origin)
        if summary is not None:
            self._notify(summary)

    def _notify(self, note: Notification) -> None:
        path = self.path
        sequence = notification(
            path.protocol,
            path.multiplexer,
            note.title,
            note.text,
            severity=note.severity,
            key=note.key,
            ascii_only=path.ascii_only,
        )
        if sequence:
            self._write(sequence)
