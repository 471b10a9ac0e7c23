"""What a sink is to whoever hands it notifications, and which notifications it wants."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from tui.delivery.notification import SEVERITIES, Notification


@dataclass(frozen=True, slots=True)
class Letter:
    """A notification on its way to one sink."""

    sink: str
    key: str  # the notification's
    id: str  # the same for every try at the same key: 32 hexadecimal digits, fit for a header
    body: bytes  # the payload as JSON
    title: str
    text: str
    severity: str
    tries: int  # before this one
    added: float  # seconds since the Unix epoch


class Trouble(Exception):  # noqa: N818 - what it is, not that it is an error
    """A letter could not be delivered now; it may work later. The message holds no secret."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait  # seconds that the receiver asks for


class Refused(Exception):  # noqa: N818
    """This very letter will never be taken."""


class Sink(Protocol):
    """Delivers letters, one at a time, on the loop of the courier's thread."""

    async def send(self, letter: Letter) -> None:
        """Deliver. Raises Trouble or Refused; a return is the receiver's word that it has the letter."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which notifications go to a sink."""

    severity: str = "info"  # the least
    rules: tuple[str, ...] = ("*",)
    markets: tuple[str, ...] = ("*",)
    events: tuple[str, ...] = ("fired", "trouble")

    def takes(self, note: Notification) -> bool:
        """Whether the sink wants it. The end of a trouble goes where troubles go, whatever patterns of rules say."""
        if note.kind == "test":
            return True
        trouble = note.kind in ("trouble", "recovered")
        event = "trouble" if trouble else "fired" if note.kind == "repeated" else note.kind
        if event not in self.events:
            return False
        return (
            SEVERITIES.index(note.severity) >= SEVERITIES.index(self.severity)
            and (trouble or _matches(note.rule, self.rules))
            # What befalls a whole source concerns everyone.
            and ((trouble and ":" not in note.market) or _matches(note.market, self.markets))
        )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
