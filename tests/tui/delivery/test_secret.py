"""Secrets come from where only the user can read, and never show in an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.delivery.secret import SecretError, read_secret


def test_from_the_environment() -> None:
    assert read_secret("X", None, {"X": " abc \n"}) == "abc"
    assert read_secret(None, None, {}) is None
    for environ in ({}, {"X": "  "}):
        with pytest.raises(SecretError, match="variable X is not set"):
            read_secret("X", None, environ)


def test_from_a_file_of_the_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\nsecond line\n")
    file.chmod(0o600)
    assert read_secret(None, str(file)) == "s3cret"
    for mode in (0o640, 0o604, 0o644, 0o660):
        file.chmod(mode)
        with pytest.raises(SecretError, match="chmod 600") as caught:
            read_secret(None, str(file))
        assert "s3cret" not in str(caught.value)


def test_what_is_no_secret(tmp_path: Path) -> None:
    empty, binary, large = tmp_path / "empty", tmp_path / "binary", tmp_path / "large"
    empty.write_bytes(b"\n")
    binary.write_bytes(b"\xff\xfe")
    large.write_bytes(b"x" * 70_000)
    for file, word in ((empty, "empty"), (binary, "UTF-8"), (large, "larger")):
        file.chmod(0o600)
        with pytest.raises(SecretError, match=word):
            read_secret(None, str(file))
    with pytest.raises(SecretError, match="cannot be read"):
        read_secret(None, str(tmp_path / "missing"))
    with pytest.raises(SecretError):
        read_secret(None, str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="not a file"):
        read_secret(None, str(tmp_path / "pipe"))
