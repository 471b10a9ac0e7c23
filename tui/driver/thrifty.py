"""Textual's driver for Unix terminals, sending less: changed cells only, and no picture before the last has arrived.

What Textual writes is told apart: frames go into a `Picture`, of which differences leave when `Flow` says so; known
control sequences pass; on anything else the driver steps aside for good and sends everything as Textual's own does.
All but the reading of keys happens on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.driver.flow import TOKENS, Flow
from tui.driver.picture import Picture
from tui.driver.writer import Writer

#: Sequences that neither draw nor move the cursor: bell, OSC, DEC modes and queries, keyboard and title stacks, DCS.
HARMLESS = re.compile(
    r"(?:\x07|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[\?[\d;]+(?:[hl]|\$p)|\x1b\[[<>=][\d;]*u|\x1b\[\d+(?:;\d+)*t"
    r"|\x1bP(?:[^\x1b]|\x1b[^\\])*\x1b\\)*"
)
FRAME = re.compile(r"\x1b\[\d+;\d+H")
#: A whole other screen from here on: nothing of the last one is known.
_OTHER_SCREEN = re.compile(r"\x1b\[\?(?:1049|1047|47)[hl]")
#: Bytes that Textual's frames may pile up, once this driver has stepped aside, before whoever draws has to wait.
_STOCK_QUEUE = 1 << 16
_FRESH_S = 0.05  # how long a picture waits for the newer one that the application was asked for
_RESIZE_S = 0.3  # how long a picture of the old size is kept back when the terminal has another one
_RATE_S = 3.0  # bytes a second are counted over this time


class ThriftyDriver(LinuxDriver):
    """See the module; what the application may ask of it is in `Link`."""

    def __init__(
        self, app: Any, *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._picture = Picture()
        self._flow = Flow()
        self._writer: Writer | None = None
        self._active = False
        self._synchronised = False
        self._timer: asyncio.TimerHandle | None = None
        self._fresh_by: float | None = None
        self._settled_at = 0.0  # a resize is under way until then
        self._sent: deque[tuple[float, int]] = deque()  # when, bytes
        self.pictures = 0  # that have left
        self.bytes_sent = 0
        self._aside: str | None = None
        self.on_ready: Callable[[], bool] | None = None
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        attach = getattr(app, "attach_link", None)
        if attach is not None:
            attach(self)

    # ---- what the application may know

    @property
    def congested(self) -> bool:
        """See Link."""
        return self._active and self._aside is None and bool(self._picture.dirty)

    @property
    def round_trip(self) -> float | None:
        """See Link."""
        return self._flow.round_trip if self._flow.answers else None

    @property
    def bytes_per_s(self) -> float:
        """See Link; over the last seconds."""
        now = time.monotonic()
        self._drop_old(now)
        return sum(size for _, size in self._sent) / _RATE_S

    @property
    def aside(self) -> str | None:
        """See Link."""
        return self._aside

    def redraw(self) -> None:
        """See Link."""
        self._picture.forget()
        self._pump()

    # ---- Textual's side

    # Textual makes a thread of its own here and starts it: ours stands in for it, whatever it is given.
    @property  # type: ignore[override]
    def _writer_thread(self) -> Writer | None:
        return self._writer

    @_writer_thread.setter
    def _writer_thread(self, thread: WriterThread | None) -> None:
        self._writer = None
        if thread is not None and self._file is not None:
            self._writer = Writer(self._file, self._writer_is_idle)

    def write(self, data: str) -> None:
        """See Driver."""
        if data in (SYNC_START, SYNC_END):
            self._synchronised = True
            if self._aside is not None:
                self._send(data)
        elif self._aside is not None:
            self._send(data)
            if self._writer is not None:
                self._writer.wait_below(_STOCK_QUEUE)
        elif FRAME.match(data):
            self._frame(data)
        elif HARMLESS.fullmatch(data):
            self._send(data)
            if _OTHER_SCREEN.search(data):
                self._picture.forget()
        else:
            self._step_aside(f"Textual wrote {data[:40]!r}", data)

    def _frame(self, data: str) -> None:
        try:
            size = self._app.size
            if size != (self._picture.width, self._picture.height):
                self._picture.resize(*size)
                self._settled_at = 0.0
            self._picture.paint(data)
            self._fresh_by = None
            self._pump()
        except Exception as error:
            self._step_aside(f"{type(error).__name__}: {error}", data)

    def _step_aside(self, reason: str, data: str) -> None:
        """From here on as Textual's own driver; first the whole picture, of which some may have been held back."""
        self._aside = reason
        try:
            self._picture.forget()
            whole = self._picture.diff()
        except Exception:  # the picture itself is what failed; Textual sends its own with the next layout
            whole = ""
            self._app.call_later(self._app.refresh, layout=True)
        self._send(f"{whole}\x1b[m")
        self._send(data)

    # ---- pictures

    def _pump(self) -> None:
        """Send what differs, if it may leave now; else see to it that this is tried again."""
        writer = self._writer
        if not self._active or writer is None or self._aside is not None or not self._picture.dirty:
            return
        now = time.monotonic()
        if self._flow.overdue(now):
            self._picture.forget()
        if writer.held:
            writer.call_when_idle()
            return
        wait = max(self._flow.wait(now), self._settled_at - now)
        if wait > 0:
            self._try_again(wait)
            return
        if self._fresh_by is not None:
            if now < self._fresh_by:
                self._try_again(self._fresh_by - now)
                return
            self._fresh_by = None
        difference = self._picture.diff()
        if difference:
            self._send_picture(difference, now)

    def _send_picture(self, difference: str, now: float) -> None:
        token = self._flow.next_token(now)
        parts = [SYNC_START, difference, SYNC_END] if self._synchronised else [difference]
        column, row = self._picture.cursor
        if token is not None:
            token = min(token, self._picture.height - 1)
            parts.append(f"\x1b[{token + 1}H\x1b[6n")
        if column or row:  # where the application has its cursor: input methods open their windows there
            parts.append(f"\x1b[{row + 1};{column + 1}H")
        size = self._send("".join(parts))
        self._flow.sent(token, size, now)
        self.pictures += 1

    def _send(self, data: str) -> int:
        if self._writer is None:
            return 0
        size = self._writer.write(data)
        now = time.monotonic()
        self.bytes_sent += size
        self._sent.append((now, size))
        self._drop_old(now)
        return size

    def _drop_old(self, now: float) -> None:
        while self._sent and self._sent[0][0] < now - _RATE_S:
            self._sent.popleft()

    def _try_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._ready)

    def _ready(self) -> None:
        """Something has changed that may let a picture leave."""
        if not self.congested:
            return
        now = time.monotonic()
        held = self._writer is None or self._writer.held
        may = self._fresh_by is None and not held and self._flow.wait(now) == 0
        if may and self.on_ready is not None and self.on_ready():
            self._fresh_by = now + _FRESH_S
        self._pump()

    def _writer_is_idle(self) -> None:
        self._from_another_thread(self._ready)

    def _from_another_thread(self, call: Callable[..., object], *arguments: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop has ended
            return False
        return True

    # ---- answers

    def process_message(self, message: Message) -> None:
        """See Driver; called by the thread that reads the keys. Reports of the cursor end here."""
        if isinstance(message, events.CursorPosition) and message.x == 0 and message.y < TOKENS:
            self._from_another_thread(self._answered, message.y, time.monotonic())
            return
        super().process_message(message)

    def _answered(self, token: int, now: float) -> None:
        if self._flow.answered(token, now):
            self._ready()

    # ---- beginning and end; other programs in between

    def start_application_mode(self) -> None:
        """See Driver."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer is None:
            return  # in the background: the shell has stopped us
        self._active = True
        self._picture.forget()
        if self._aside is None:
            token = self._flow.begin(time.monotonic())
            self._send(f"\x1b[{token + 1}H\x1b[6n")
        on_resize = signal.getsignal(signal.SIGWINCH)

        def resized(number: int, frame: FrameType | None) -> None:
            # Terminals rearrange what they show, also when the size is the old one again before anyone has looked.
            self._from_another_thread(self._resized)
            if callable(on_resize):
                on_resize(number, frame)

        signal.signal(signal.SIGWINCH, resized)
        self._pump()

    def _resized(self) -> None:
        self._picture.forget()
        self._settled_at = time.monotonic() + _RESIZE_S
        self._pump()

    def stop_application_mode(self) -> None:
        """See Driver. A picture that still waits is dropped."""
        self._active = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._send("\x1b[m")
        super().stop_application_mode()

    def close(self) -> None:
        """See Driver."""
        super().close()
        self._writer = None

    # Python runs a signal's handler between any two instructions, also within `write`; what these two do takes the
    # same locks. On the event loop nothing is half done.
    def _sigtstp_application(self, *_: object) -> None:
        if not self._from_another_thread(self._stop_process):
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        self._from_another_thread(self._continue_process)

    def _stop_process(self) -> None:
        super()._sigtstp_application()

    def _continue_process(self) -> None:
        if self._auto_restart and self._active:
            # Stopped by a signal that no program sees: whoever had the terminal since has left it as they liked.
            self.suspend_application_mode()
        super()._sigcont_application()
