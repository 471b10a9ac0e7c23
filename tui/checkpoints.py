"""Checkpoints as files: one per market in the platform's state folder, the user's alone."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tui.config.paths import state_dir

_SUFFIX = ".checkpoint"
_ODD = re.compile(r"[^A-Za-z0-9]+")
#: A file larger than this is none of ours.
_LARGEST = 1 << 31
#: Files that were set aside and are kept for a look, per market.
_ASIDE = 3
#: Files being written begin so; one older than so many seconds is written by nobody any more.
_NEW, _STALE_S = ".new-", 600.0


class CheckpointFiles:
    """`engine.checkpoint.Store` in a folder. With `fresh` nothing is read, but what is written takes its place."""

    def __init__(
        self, folder: Path | None = None, *, fresh: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder if folder is not None else state_dir() / "checkpoints"
        self._fresh = fresh
        self._clock = clock
        self._swept = False

    def path(self, market: str) -> Path:
        """The file of a market. Its name can be read by people and is different for every market."""
        from hashlib import sha256  # brings OpenSSL with it, and the screen opens before any market does

        readable = _ODD.sub("-", market).strip("-")[:60]
        return self._folder / f"{readable}-{sha256(market.encode()).hexdigest()[:10]}{_SUFFIX}"

    def save(self, market: str, data: bytes) -> None:
        """See Store. A crash leaves the old file or the new one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            self._sweep()
        handle, temporary = tempfile.mkstemp(prefix=_NEW, dir=self._folder)  # mode 600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.path(market))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _sweep(self) -> None:
        """Remove what runs that were killed while writing have left."""
        for left in self._folder.glob(f"{_NEW}*"):
            with contextlib.suppress(OSError):
                if self._clock() - left.stat().st_mtime > _STALE_S:
                    left.unlink()

    def load(self, market: str) -> bytes | None:
        """See Store."""
        if self._fresh:
            return None
        try:
            with self.path(market).open("rb") as stream:
                data = stream.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        if len(data) > _LARGEST:
            raise OSError(f"{self.path(market)} is larger than a checkpoint can be")
        return data

    def set_aside(self, market: str, reason: str) -> str | None:
        """See Store; the newest few are kept."""
        path = self.path(market)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        aside = path.with_name(f"{path.name}.{stamp}.unused")
        try:
            os.replace(path, aside)
        except FileNotFoundError:
            return None
        for old in sorted(self._folder.glob(f"{path.name}.*.unused"))[:-_ASIDE]:
            old.unlink(missing_ok=True)
        return str(aside)
