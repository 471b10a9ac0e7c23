"""What an application may know of the way to its terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Link(Protocol):
    """A driver that knows what the way to the terminal carries. It calls `attach_link(self)` of its application."""

    #: Called when a picture can leave that could not before; True: a newer one is being drawn, and worth the wait.
    on_ready: Callable[[], bool] | None

    @property
    def congested(self) -> bool:
        """Whether a picture waits for the link: a newer one would only take its place."""

    @property
    def round_trip(self) -> float | None:
        """Seconds to the terminal and back; None while it is not known, or the terminal does not answer."""

    @property
    def bytes_per_s(self) -> float:
        """What has been sent of late."""

    @property
    def aside(self) -> str | None:
        """Why the driver sends all that Textual writes as it is; None while it does not."""

    def redraw(self) -> None:
        """Send the whole picture again."""
