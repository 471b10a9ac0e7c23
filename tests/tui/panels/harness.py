"""A minimal app around one panel, with the colour variables a theme gives, and what every row must satisfy."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import App, ComposeResult

from tui.panels.base import ROLES, RowPanel

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
        for word in ("nan", "None", "inf", "Ellipsis"):
            assert word not in text.replace("info", ""), text


def check_runs(runs: tuple[tuple[str, str], ...]) -> None:
    """Runs have known roles, and there are few of them: each costs a colour sequence on the wire."""
    assert all(role in ROLES for role, _ in runs), runs
