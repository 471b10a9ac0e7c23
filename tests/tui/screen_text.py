"""What stands on the screen, as lines of text. The one place in the tests that reads Textual's compositor."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from textual.app import App


def screen_lines(app: App[Any]) -> list[str]:
    """The lines of the top screen, as wide as the terminal."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def screen_segments(app: App[Any]) -> list[Segment]:
    """The runs of the top screen, as they go to the terminal (after the filters of the app)."""
    return [segment for strip in app.screen._compositor.render_strips() for segment in strip]


def screen_text(app: App[Any]) -> str:
    """The same as one text."""
    return "\n".join(screen_lines(app))
