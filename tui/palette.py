"""The command palette: every action of the registry that can be done now, every layout and every theme."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.types import IgnoreReturnCallbackType

from tui.actions import ACTIONS, MAIN, key_text, keys_of
from tui.themes import ThemeSet
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from tui.screens.main import MainScreen


class ActionCommands(Provider):
    """Finds actions, layouts and themes by a part of their title."""

    def _commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        """(title, help, what to run)."""
        app, screen = self.app, self.screen
        keymap: dict[str, str] = getattr(app, "keys", {})
        for action in ACTIONS:
            if action.id in ("palette", "back", "quit_now"):
                continue
            node = screen if action.scope == MAIN else app
            name, parameters = action.action.partition("(")[0], ()
            if not node.check_action(name, parameters):
                continue
            keys = " ".join(key_text(key) for key in keys_of(action, keymap))
            yield f"{action.title}  ({keys})", action.tooltip, partial(app.run_action, action.action, node)
        main: MainScreen | None = getattr(app, "main", None)
        if main is not None:
            for name, layout in main.layouts.items():
                panels = ", ".join(layout.panels)
                yield f"Layout: {escape_text(name, 64)}", f"Show {panels}", partial(main.use_layout, layout)
        themes: ThemeSet | None = getattr(app, "themes", None)
        for name in themes.themes if themes is not None else ():
            yield f"Theme: {name}", "Use this colour theme", partial(setattr, app, "theme", name)

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for title, about, run in self._commands():
            # As content: a string would be read as markup, and names are the user's.
            yield DiscoveryHit(Content(title), run, text=title, help=about)

    async def search(self, query: str) -> Hits:
        """What matches the typed text."""
        matcher = self.matcher(query)
        for title, about, run in self._commands():
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), run, help=about)
