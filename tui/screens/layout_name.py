"""Keep the panels on the screen as a layout with a name."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from tui.arrangement import Arrangement
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text


def read_name(text: str) -> str:
    """The name as typed, without blanks around it. Raises ValueError when it can't be one."""
    name = text.strip()
    if not name:
        raise ValueError("Name: missing")
    if len(name) > 64 or not name.isprintable():
        raise ValueError("Name: write 1 to 64 characters, none of them hidden")
    return name


class LayoutName(Dialog[Arrangement]):
    """Returns the layout once it is saved, or None.

    `save` puts it into the user's configuration; it raises ValueError or OSError with a text for the user. Without
    it the layout lives until the monitor ends. A name of `taken` is used again only when it is confirmed by a second
    Enter, or when it is `name`, which stands in the field from the start.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", show=False)]

    def __init__(
        self,
        layout: Arrangement,
        name: str,
        taken: Container[str],
        save: Callable[[Arrangement], None] | None = None,
    ) -> None:
        super().__init__()
        self._layout = layout
        self._offered = name
        self._taken = taken
        self._save = save
        self._warned = ""  # the name whose replacement was announced

    def compose(self) -> ComposeResult:
        columns = " | ".join(", ".join(column) for column in self._layout.columns)
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = "Save layout"
            box.border_subtitle = "Enter saves · Esc closes"
            with Horizontal(classes="field"):
                yield Label("Name")
                yield Input(value=self._offered, placeholder="such as mine", compact=True, id="name")
            yield Static(f"Columns: {columns}", markup=False)
            kept = "Kept in your configuration; flowtape opens with it." if self._save else "Kept until flowtape ends."
            yield Static(kept, markup=False)
            yield Static("", markup=False, id="problem")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check, save, leave; stay open and say why when that fails."""
        try:
            name = read_name(self.query_one("#name", Input).value)
            if name in self._taken and name not in (self._offered, self._warned):
                self._warned = name
                raise ValueError(f'There is a layout "{name}" already: Enter again replaces it')
            layout = Arrangement(name, self._layout.columns)
            if self._save is not None:
                self._save(layout)
        except (ValueError, OSError) as error:
            self.query_one("#problem", Static).update(escape_text(str(error), 300))
            return
        self.dismiss(layout)
