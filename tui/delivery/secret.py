"""Passwords, tokens and addresses that hold them: from the environment, or from a file that only its owner can read.

What is read here is never logged, shown or put into an error.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

_MOST_BYTES = 1 << 16


class SecretError(Exception):
    """A secret can't be had; the message names the variable or file and what to do, never what is in it."""


def read_secret(variable: str | None, file: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The value of an environment variable or the first line of a file; None when neither is named.

    Raises SecretError when it is not set, empty, unreadable, or readable by others.
    """
    if variable is not None:
        value = environ.get(variable, "").strip()
        if not value:
            raise SecretError(f"the environment variable {variable} is not set")
        return value
    return None if file is None else _from_file(Path(file).expanduser())


def _from_file(path: Path) -> str:
    try:
        # Without waiting: a pipe has nobody at its other end.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_MOST_BYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise SecretError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(mode):
        raise SecretError(f"{path}: not a file")
    if sys.platform != "win32" and mode & 0o077:
        raise SecretError(f"{path}: others may read it (mode {mode & 0o777:o}); chmod 600 {path}")
    if len(content) > _MOST_BYTES:
        raise SecretError(f"{path}: larger than a secret can be")
    try:
        line = content.decode("utf-8").strip().partition("\n")[0].strip()
    except UnicodeDecodeError:
        raise SecretError(f"{path}: not UTF-8 text") from None
    if not line:
        raise SecretError(f"{path}: empty")
    return line
