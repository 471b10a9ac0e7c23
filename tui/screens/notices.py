"""What sources and the engine had to say: the newest beside the keys at the bottom, all of it in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.view import Notice
from tui.panels.format import clock
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text


def notices_text(notices: Sequence[Notice]) -> Text:
    """One line a notice, newest first."""
    if not notices:
        return Text("Nothing to report.", "dim")
    text = Text()
    for notice in notices:
        text.append(f"{clock(notice.at)}  ", "dim")
        text.append(f"{escape_text(notice.source, 24)}  ", "bold")
        text.append(escape_text(notice.text, 400) + "\n")
    return text


class NoticesScreen(Dialog[None]):
    """All notices, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("I,q", "close", "Close", show=False),
        Binding("j,down", "line(1)", "Down", show=False),
        Binding("k,up", "line(-1)", "Up", show=False),
    ]

    def __init__(self, notices: Sequence[Notice]) -> None:
        super().__init__()
        self._notices = notices

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -full", can_focus=False) as box:
            box.border_title = "Notices"
            box.border_subtitle = "↑ ↓ scroll · Esc closes"
            yield Static(notices_text(self._notices), id="notices", markup=False)

    def action_line(self, step: int) -> None:
        """One line."""
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)
