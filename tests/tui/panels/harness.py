"""A minimal app around one panel, with the colour variables of a theme, and what every row must satisfy."""

from __future__ import annotations

import re

from rich.cells import cell_len
from textual.app import ComposeResult

from engine.view import EngineView, MarketView
from tui.panels.base import ROLES, RowPanel, Runs, fit
from tui.themes import FlowVariables


class PanelApp(FlowVariables):
    """One panel fills the screen."""

    def __init__(self, panel: RowPanel) -> None:
        super().__init__()
        self.panel = panel

    def compose(self) -> ComposeResult:
        yield self.panel


def check_texts(texts: list[str], width: int) -> None:
    """Each row is exactly as wide as the panel, of narrow characters, and shows no unformatted unknown."""
    for text in texts:
        assert cell_len(text) == width == len(text), (text, width)
        assert text.isprintable(), repr(text)
        assert not re.search(r"\b(nan|inf|None)\b", text), text


def check_runs(runs: Runs, most: int = 12) -> None:
    """Runs have known roles, and there are few of them: each costs a colour sequence on the wire."""
    assert all(role in ROLES for role, _ in runs), runs
    assert len(runs) <= most, runs


def painted(panel: RowPanel, view: MarketView, overview: EngineView, width: int, height: int) -> list[Runs]:
    """All rows of a panel at a size, without an app: what `RowPanel.render_line` would turn into segments."""
    panel.view, panel.overview = view, overview
    head = [panel._header(width)] if panel.TITLE and height else []
    rows = [*head, *panel.body(width, height - len(head))]
    return [fit(panel.paint(key, width), width) for key in rows]


def lines(panel: RowPanel, view: MarketView, overview: EngineView, width: int, height: int) -> list[str]:
    """The same as text."""
    return ["".join(text for _, text in runs) for runs in painted(panel, view, overview, width, height)]
