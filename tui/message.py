"""The bottom line: the newest notice while it is new, else the keys a newcomer needs. And what a small screen says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from engine.view import Notice
from tui.actions import BY_ID, key_text, keys_of
from tui.layout import small_text
from tui.untrusted import escape_text

#: The hints, in the order they give way when the line is short (the last first).
HINTS: tuple[tuple[str, str], ...] = (
    ("help", "help"),
    ("quit", "quit"),
    ("pause", "pause"),
    ("next_panel", "panel"),
    ("next_market", "market"),
    ("add_alert", "alert"),
)
_NOTICE_SECONDS = 20.0


class MessageLine(Widget):
    """One line, painted only when its text changes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"message--key", "message--hint", "message--notice"}
    DEFAULT_CSS = """
    MessageLine > .message--key { color: $foreground; text-style: bold; }
    MessageLine > .message--hint { color: $flow-dim; }
    MessageLine > .message--notice { color: $flow-alert; }
    """

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="message")
        self._keymap = keymap
        self._newest: Notice | None = None
        self._since = 0.0
        self._shown = ("", 0)  # text of the notice (empty: hints), how many notices there are
        self._styles: dict[str, Style] | None = None

    def present(self, notices: tuple[Notice, ...], now: float) -> None:
        """Show the newest notice for a while after it came (`now`: seconds, monotonic), else key hints."""
        newest = notices[0] if notices else None
        if newest != self._newest:
            self._newest, self._since = newest, now
        text = ""
        if newest is not None and now - self._since < _NOTICE_SECONDS:
            text = f"{escape_text(newest.source, 24)}: {escape_text(newest.text, 300)}"
        if (text, len(notices)) != self._shown:
            self._shown = (text, len(notices))
            self.refresh()

    def _parts(self, width: int) -> list[tuple[str, str]]:
        """(component class, text) from the left; together as wide as the line."""
        text, count = self._shown
        end = ""
        if count:
            key = key_text(keys_of(BY_ID["notices"], self._keymap)[0])
            end = f"{key} {count} notice{'s' if count > 1 else ''} "
        parts: list[tuple[str, str]] = []
        used, room = 0, width - len(end) - 1
        if text and room > 2:
            notice = " " + escape_text(text, room - 1)
            parts.append(("message--notice", notice))
            used = cell_len(notice)
        for action, word in HINTS if not text else ():
            key, word = f" {key_text(keys_of(BY_ID[action], self._keymap)[0])}", f" {word} "
            if used + len(key) + len(word) > room:
                break
            parts += [("message--key", key), ("message--hint", word)]
            used += len(key) + len(word)
        parts.append(("message--hint", " " * max(0, width - used - len(end)) + end))
        return parts

    def render_line(self, y: int) -> Strip:
        """The line."""
        if self._styles is None:
            self._styles = {name: self.get_component_rich_style(name) for name in self.COMPONENT_CLASSES}
        width = self.size.width
        styles = self._styles
        strip = Strip([Segment(text, styles[name]) for name, text in (self._parts(width) if y == 0 else [])])
        return strip.adjust_cell_length(width, styles["message--hint"])

    def notify_style_update(self) -> None:
        """The theme changed."""
        self._styles = None
        super().notify_style_update()


class SmallMessage(Widget):
    """Stands in for all panels on a terminal too small for them."""

    DEFAULT_CSS = "SmallMessage { content-align: center middle; color: $flow-mid; }"

    def __init__(self) -> None:
        super().__init__(id="small")

    def render(self) -> Text:
        """How large it is, and how large it must be."""
        size = self.app.size
        return Text(small_text(size.width, size.height), justify="center")
