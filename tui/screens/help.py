"""The help screen: keys, what each panel shows, and the meaning of every metric. All generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.actions import BY_ID, grouped, key_text, keys_of
from tui.layout import PANELS
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

_KEY_WIDTH = 13
_TITLE_WIDTH = 22  # the longest title, and a blank
_METRIC_WIDTH = 24
_UNIT_WIDTH = 8


def help_text(keymap: Mapping[str, str], replay: bool, metrics: Sequence[tuple[str, str, str]], width: int) -> Text:
    """The whole help as text of at most `width` columns; long lines are wrapped under their own column."""
    text = Text()

    def heading(title: str) -> None:
        text.append(("\n" if text else "") + title + "\n", "bold")

    heading("Keys")
    for group, actions in grouped(replay).items():
        text.append(f" {group}\n", "dim")
        for action in actions:
            keys = " ".join(key_text(key) for key in keys_of(action, keymap))
            text.append(f"  {keys:<{_KEY_WIDTH}}", "bold")
            if len(keys) > _KEY_WIDTH:
                text.append("\n" + " " * (2 + _KEY_WIDTH))
            text.append(f" {action.title:<{_TITLE_WIDTH}}")
            _column(text, action.tooltip, 3 + _KEY_WIDTH + _TITLE_WIDTH, width)
    heading("Panels")
    for panel in PANELS:
        key = keys_of(BY_ID[f"panel_{panel.id}"], keymap)[0]
        text.append(f"  {key_text(key)} {panel.title:<{_TITLE_WIDTH}}", "bold")
        _column(text, panel.about, 4 + len(key_text(key)) - 1 + _TITLE_WIDTH, width)
    heading("Metrics")
    text.append(" as typed in alerts and on the command line\n", "dim")
    for example, unit, meaning in metrics:
        text.append(f"  {escape_text(example, 60):<{_METRIC_WIDTH}}", "bold")
        if len(example) > _METRIC_WIDTH:
            text.append("\n" + " " * (2 + _METRIC_WIDTH))
        text.append(f" {escape_text(unit, _UNIT_WIDTH):<{_UNIT_WIDTH}} ", "dim")
        _column(text, escape_text(meaning, 300), 4 + _METRIC_WIDTH + _UNIT_WIDTH, width)
    heading("Safe by nature")
    text.append("  The monitor only reads: it holds no keys of an exchange account and can place no order.")
    return text


def _column(text: Text, words: str, indent: int, width: int) -> None:
    """`words`, wrapped to the columns from `indent` to `width`; the cursor stands at `indent` already."""
    room = max(20, width - indent)
    line = ""
    lines: list[str] = []
    for word in words.split():
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    text.append(("\n" + " " * indent).join([*lines, line]) + "\n")


class HelpScreen(Dialog[None]):
    """Scrolls with arrows, page keys, j and k; `?`, q and Escape close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1,q", "close", "Close", show=False),
        Binding("j,down", "line(1)", "Down", show=False),
        Binding("k,up", "line(-1)", "Up", show=False),
        Binding("space,pagedown", "page(1)", "Page down", show=False),
        Binding("b,pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "end(-1)", "Top", show=False),
        Binding("G,end", "end(1)", "Bottom", show=False),
    ]

    def __init__(self, keymap: Mapping[str, str], replay: bool, metrics: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._content = (keymap, replay, metrics)
        self._width = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -full", can_focus=False) as box:
            box.border_title = "Help"
            box.border_subtitle = "↑ ↓ Space scroll · Esc closes"
            yield Static(id="help", markup=False)

    def on_resize(self) -> None:
        """Wrap anew for the width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        width = self.query_one(VerticalScroll).scrollable_content_region.width
        if width > 0 and width != self._width:
            self._width = width
            self.query_one("#help", Static).update(help_text(*self._content, width))

    def action_line(self, step: int) -> None:
        """One line."""
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        """One page."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=step * max(1, box.size.height - 2), animate=False)

    def action_end(self, side: int) -> None:
        """Top or bottom."""
        box = self.query_one(VerticalScroll)
        if side < 0:
            box.scroll_home(animate=False)
        else:
            box.scroll_end(animate=False)
