"""How a command ends when it can't do what was asked."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it is shown to the user, not handled
    """Ends the command with exit code 1 and this text."""


class UsageError(Exception):
    """Ends the command with exit code 2 and this text."""
