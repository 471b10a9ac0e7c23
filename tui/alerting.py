"""What the keys do about alerts: the editor, the list, one alert's evidence, an alert on what is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.monitor import AlertFields
from tui.panels.ladder import Ladder
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from tui.app import FlowtapeApp


def open_editor(app: FlowtapeApp, edit: AlertFields | None = None, **begin: object) -> None:
    """Write a rule; `begin` is what a new one begins with (see AlertEditor)."""
    from tui.screens.alert_editor import AlertEditor

    market = app.main.chosen.choose(app.monitor.markets())
    if market is None:
        app.notify("There is no market to watch yet.", severity="warning")
        return

    def done(fields: AlertFields | None) -> None:
        if fields is not None:
            kept = "saved to your configuration" if app.book.keeper is not None else "until flowtape ends"
            title = "Alert added" if edit is None else "Alert changed"
            app.notify(escape_text(f"{fields.when}  ({kept})", 160), title=title, markup=False)

    app.push_screen(AlertEditor(app.monitor, market, app.book, edit=edit, **begin), done)  # type: ignore[arg-type]


def open_list(app: FlowtapeApp) -> None:
    """All rules and news."""
    from tui.screens.alert_list import AlertList

    def edit(name: str) -> None:
        alert = app.book.of(name)
        if alert is not None:
            open_editor(app, alert.fields)

    screen = AlertList(
        app.monitor,
        app.book,
        lambda: app.main.view,
        edit=edit,
        add=lambda: open_editor(app),
        open_=lambda episode: open_evidence(app, episode),
    )
    app.push_screen(screen)


def open_evidence(app: FlowtapeApp, episode: str) -> None:
    """The moment an alert was about."""
    from tui.screens.evidence import EvidenceScreen

    playback = app.monitor.playback
    seek = None if playback is None else playback.seek
    app.push_screen(EvidenceScreen(lambda: app.monitor.evidence(episode), seek))


def alert_here(app: FlowtapeApp, price: float | None = None) -> None:
    """An alert on a number of the focused panel, or on a price of the ladder: `price`, else the one in its middle."""
    panel = app.main.panels.get(app.main.focused_panel)
    if isinstance(panel, Ladder) and panel.view is not None and panel.view.ladder.rows:
        instrument, rows = panel.view.instrument, panel.view.ladder.rows
        steps = [instrument.price(row.px) for row in rows]
        middle = steps[len(steps) // 2] if price is None else price
        open_editor(app, metric="last", comparison="crosses", level=f"{middle:.10g}", steps=steps)
        return
    numbers = () if panel is None else panel.metrics or panel.NUMBERS
    open_editor(app, metric=numbers[0] if numbers else "", first=tuple(numbers))
