"""A minimal app around one panel, with the colour variables a theme gives, and what every row must satisfy."""

from __future__ import annotations

import re

from rich.cells import cell_len
from textual.app import App, ComposeResult

from engine.view import EngineView, MarketView
from tui.panels.base import ROLES, RowPanel, Runs, fit

FLOW = {
    "bid": "#56B4E9", "ask": "#E69F00", "buy": "#56B4E9", "sell": "#E69F00", "bid-bar": "#2a5a75",
    "ask-bar": "#735000", "toxic": "#CC79A7", "alert": "#F0E442", "dim": "#808080", "mid": "#c0c0c0",
    "large": "#ffffff", "flash-up": "#1d3d4e", "flash-down": "#4d3500",
}  # fmt: skip


class PanelApp(App[None]):
    """One panel fills the screen."""

    def __init__(self, panel: RowPanel) -> None:
        super().__init__()
        self.panel = panel

    def get_css_variables(self) -> dict[str, str]:
        return super().get_css_variables() | {f"flow-{name}": colour for name, colour in FLOW.items()}

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
