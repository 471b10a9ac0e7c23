"""What systemd wants to hear (sd_notify): ready, still alive, reloading, stopping. Without it every call is nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Supervisor:
    """Datagrams to the socket that NOTIFY_SOCKET names."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environ.get("WATCHDOG_USEC", "")
        pid = environ.get("WATCHDOG_PID", "")
        mine = not pid or pid == str(os.getpid())
        #: It wants to hear from us within so many seconds; None: it does not watch.
        self.watchdog: float | None = int(usec) / 1e6 if usec.isascii() and usec.isdecimal() and mine else None

    def ready(self, status: str) -> None:
        """We run."""
        self._tell(f"READY=1\nSTATUS={_line(status)}")

    def alive(self, status: str) -> None:
        """We still do."""
        self._tell(f"WATCHDOG=1\nSTATUS={_line(status)}")

    def reloading(self) -> None:
        """We read our settings anew; `ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We end."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A supervisor that does not listen must not stop what it supervises.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(self._address)
            sender.send(text.encode("utf-8", "replace"))


def _line(text: str) -> str:
    return text.replace("\n", " ")[:200]
