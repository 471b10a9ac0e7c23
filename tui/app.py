"""The monitor as a Textual app: one clock, the engine as a worker beside it, dialogs, themes and alerts."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen

from engine.view import Notice
from tui import alerting
from tui.actions import APP, bindings, check_keys, usable_keys
from tui.alert_book import AlertBook, AlertKeeper, OwnAlert
from tui.arrangement import BUILT_IN, Arrangement
from tui.ascii import AsciiFilter
from tui.attention import Attention
from tui.calling import Calling, MakeTerminal
from tui.palette import ActionCommands
from tui.panels import glyphs
from tui.panels.base import RowPanel
from tui.screens.main import Look, MainScreen
from tui.terminal import hung_up
from tui.themes import COLOURLESS, DEFAULT, FlowVariables, load_themes
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from textual.worker import WorkType

    from engine.alert_view import AlertEvent
    from tui.delivery.desk import Desk
    from tui.driver.link import Link
    from tui.monitor import Monitor

_MAX_NOTICES = 50


@dataclass(frozen=True, slots=True)
class AppOptions:
    """How the monitor runs; the command line and the configuration fill it."""

    fps: float = 10.0  # most frames a second; 0: none by itself (tests call `tick`)
    driver: type[Driver] | None = None  # None: the one that Textual takes by itself
    theme: str = DEFAULT
    themes_dir: Path | None = None  # the user's own themes
    keys: Mapping[str, str] = field(default_factory=dict)  # action id -> keys
    muted: bool = False
    desk: Callable[[], Desk] | None = None  # where alerts go besides the screen
    terminal: MakeTerminal | None = None  # which calls the user
    alerts: tuple[OwnAlert, ...] = ()  # the user's rules, on and off
    presets: tuple[str, ...] = ()  # those that are on
    keeper: AlertKeeper | None = None  # keeps changes of them in the user's configuration
    save_layout: Callable[[Arrangement], None] | None = None  # keeps a layout there, and opens with it next time
    notices: tuple[tuple[str, str], ...] = ()  # (source, text) found before the screen was there
    look: Look | None = None  # what the panels begin with
    clock: Callable[[], float] = time.monotonic  # seconds
    wall: Callable[[], int] = time.time_ns  # ns since the Unix epoch
    freeze: bool = True  # take what start-up built out of the garbage collector's sight


class FlowtapeApp(FlowVariables):
    """Shows what a `Monitor` knows. `start` runs the engine until it is cancelled (or a recording ends)."""

    TITLE = "flowtape"
    CSS_PATH = "flowtape.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(APP)]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 6

    def __init__(
        self, monitor: Monitor, start: Callable[[], Awaitable[None]] | None = None, options: AppOptions | None = None
    ) -> None:
        no_color = "NO_COLOR" in os.environ
        # The terminal's own colours then, so that Textual sends none at all instead of greys.
        self.options = options or AppOptions()
        super().__init__(driver_class=self.options.driver, ansi_color=True if no_color else None)
        self.link: Link | None = None
        self._owed = False  # a frame was left out because the link could not take it
        self.clock = self.options.clock
        self.monitor = monitor
        self.book = AlertBook(monitor.watch_rules, self.options.alerts, self.options.presets, self.options.keeper)
        self._start = start
        self._ascii = AsciiFilter()
        self._notices: deque[Notice] = deque(maxlen=_MAX_NOTICES)
        self.attention = Attention()
        self.calling = Calling(
            self.options.desk, self.options.terminal, self._to_terminal, self.clock, self.options.wall
        )
        self._frames: deque[float] = deque(maxlen=64)
        self._ticks = 0
        self._signals: list[signal.Signals] = []
        self._unseen = 0
        for source, text in self.options.notices:
            self.report(source, text)
        self.themes = load_themes(self.options.themes_dir)
        for theme in self.themes.themes.values():
            self.register_theme(theme)
        chosen, problem = self.themes.choose(COLOURLESS if no_color else self.options.theme)
        self.theme = chosen
        for text in (*self.themes.problems, *([problem] if problem else [])):
            self.report("theme", text)
        self.keys = usable_keys(self.options.keys)
        for text in check_keys(self.options.keys):
            self.report("keys", text)
        self.set_keymap(self.keys)
        self.main = MainScreen(
            monitor, self.keys, self.options.fps or 10.0, self.report, self.options.wall, self.options.look
        )
        self._mute(self.options.muted)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """See App; last, whatever is left of other characters where only ASCII can be shown."""
        filters = super().get_line_filters()
        return [*filters, self._ascii] if glyphs.current() is glyphs.ASCII else filters

    def get_default_screen(self) -> Screen[None]:
        return self.main

    # ---- start and end

    def attach_link(self, link: Link) -> None:
        """Called by a driver that knows what the way to the terminal carries: frames it can't take are left out."""
        self.link = link
        link.on_ready = self._catch_up

    def on_load(self) -> None:
        """Before the screen is taken over, so that whatever ends the program gives it back."""
        self._catch_signals()

    def on_mount(self) -> None:
        """Paint first; the engine, and all it imports, come after the first frame is on the screen."""
        self.monitor.listen(self._alert)
        # Back from the shell the terminal's screen is empty, and Textual itself would send only what changes.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.tick()
        if self.options.fps > 0:
            self.set_interval(1 / self.options.fps, self.tick)
        # Functions, not coroutines: who quits at once would leave those unawaited.
        calling: WorkType[None] = self.calling.begin
        self.run_worker(calling, name="calling", exit_on_error=False)
        if self._start is not None:
            engine: WorkType[None] = partial(self._run_engine, self._start)
            self.run_worker(engine, name="engine", exit_on_error=False)
        if self.options.freeze:
            self.set_timer(5.0, _freeze)
        if not self.is_headless and os.isatty(0):
            self.set_interval(1.0, self._look_for_terminal)

    def _look_for_terminal(self) -> None:
        """Nobody would ever end what runs on without a terminal."""
        if hung_up(0):
            self.exit(None, 128 + getattr(signal, "SIGHUP", 1))

    async def _run_engine(self, start: Callable[[], Awaitable[None]]) -> None:
        try:
            await start()
        except Exception as error:
            self.log(error)
            self.report("engine", f"stopped: {type(error).__name__}: {error}. What is shown is old; restart flowtape.")

    def _catch_signals(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                try:
                    loop.add_signal_handler(number, self.exit, None, 128 + number)
                except (NotImplementedError, RuntimeError):  # no signals on this platform or thread
                    return
                self._signals.append(number)

    def on_unmount(self) -> None:
        """Give the signals and the terminal's title back."""
        self.calling.end()
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)
        self._signals.clear()

    # ---- the clock

    def tick(self) -> None:
        """One frame. Nothing that goes wrong in it may end the app."""
        if self.link is not None and self.link.congested:
            self._owed = True
            return
        self._owed = False
        now = self.clock()
        self._frames.append(now)
        self._ticks += 1
        quiet = self.screen is not self.main or self.main.still
        if quiet and self._ticks % 5:
            return  # under a dialog or while nothing moves, twice a second will do
        try:
            delivery = self.calling.tick(lambda: self.monitor.overview().unseen)
            if delivery != self.main.status.delivery:
                self.main.status.delivery = delivery
                self.main.show_status()  # also while the picture is held
            if self.link is not None:
                self.main.status.wire = self.link.bytes_per_s, self.link.round_trip
                if self.link.aside is not None:
                    self.report("driver", f"frames are sent whole from now on, as Textual does: {self.link.aside}")
            self.main.show(now, tuple(self._notices), self.fps)
        except Exception as error:
            self.log(error)
            self.report("screen", f"{type(error).__name__}: {error}")

    def _catch_up(self) -> bool:
        """The link takes frames again; True when one is on its way that it could not take before."""
        if not self._owed:
            return False
        self.tick()
        return True

    @property
    def fps(self) -> float:
        """Frames a second of late."""
        if len(self._frames) < 2 or self._frames[-1] <= self._frames[0]:
            return 0.0
        return (len(self._frames) - 1) / (self._frames[-1] - self._frames[0])

    # ---- alerts and notices

    def report(self, source: str, text: str) -> None:
        """Say something in the notices; once, while it is still among them."""
        if any((notice.source, notice.text) == (source, text) for notice in self._notices):
            return
        self._notices.appendleft(Notice(self.options.wall(), source, text))

    def _alert(self, event: AlertEvent) -> None:
        self.calling.alert(event)
        text = self.attention.toast(event, self.clock())
        if text is not None:
            self.notify(escape_text(text, 160), title=escape_text(event.rule, 40), severity="warning", markup=False)

    def _to_terminal(self, sequence: str) -> None:
        """Something that is not part of the picture."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)
            self._driver.flush()

    def _mute(self, muted: bool) -> None:
        self.main.status.muted = muted
        self.calling.mute(muted)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Clashes of the user's keys were reported at the start, by `check_keys`."""

    # ---- actions

    def action_pause(self) -> None:
        """Hold the picture, or let it run again; the engine runs on."""
        self.main.toggle_pause(self.clock())
        self.tick()

    def action_help(self) -> None:
        """Keys, panels, metrics."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.keys, self.monitor.playback is not None, self.monitor.metric_names()))

    def action_notices(self) -> None:
        """Everything that was reported."""
        from tui.screens.notices import NoticesScreen

        self.push_screen(NoticesScreen((*self._notices, *self.monitor.overview().notices)))

    def action_search(self) -> None:
        """Find a market."""
        from tui.screens.market_search import MarketSearch

        markets = self.monitor.markets()
        self.push_screen(MarketSearch(markets, self.main.chosen.market), self.main.show_market)

    def action_add_alert(self) -> None:
        """Add an alert on the market that is shown."""
        alerting.open_editor(self)

    def action_alert_here(self) -> None:
        """Add an alert on a number of the focused panel, or on a price of the ladder."""
        alerting.alert_here(self)

    def action_alert_list(self) -> None:
        """All rules, and what was told."""
        alerting.open_list(self)

    def action_mute_all(self) -> None:
        """Announce no alert, by no channel; or all again."""
        muted = not self.monitor.overview().muted
        self.monitor.mute(muted)
        self.notify("All alerts are muted: listed, not announced" if muted else "Alerts are announced again", timeout=3)

    def action_save_layout(self) -> None:
        """Keep the panels on the screen under a name; that of the present layout is offered when it is the user's."""
        from tui.screens.layout_name import LayoutName

        layout = self.main.present_layout()
        name = "" if layout.name in BUILT_IN else layout.name
        self.push_screen(LayoutName(layout, name, self.main.layouts, self.options.save_layout), self._layout_saved)

    def _layout_saved(self, layout: Arrangement | None) -> None:
        if layout is not None:
            self.main.add_layout(layout)
            kept = "saved to your configuration" if self.options.save_layout else "until flowtape ends"
            self.notify(escape_text(f"{layout.name}  ({kept})", 160), title="Layout kept", markup=False)

    def action_acknowledge(self) -> None:
        """All alerts are seen."""
        self.monitor.acknowledge()
        self.main.show_again()

    def action_mute(self) -> None:
        """Bell on or off."""
        self._mute(not self.main.status.muted)
        self.main.show_status()
        self.notify("Bell off" if self.main.status.muted else "Bell on", timeout=2)

    def action_theme(self) -> None:
        """The next theme."""
        names = list(self.themes.themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.notify(f"Theme {self.theme}", timeout=2, markup=False)

    def action_redraw(self) -> None:
        """The whole screen again: another program has written over it."""
        if self.link is not None:
            self.link.redraw()
        self.refresh(layout=True)

    def action_copy(self) -> None:
        """The market's numbers as one line of `name=value`, tab separated."""
        view = self.main.view
        if view is None:
            self.notify("There are no numbers to copy yet.", severity="warning")
            return
        at = datetime.fromtimestamp(view.t / 1e9, UTC).isoformat(timespec="milliseconds")
        ladder, instrument = view.ladder, view.instrument
        # Those of the panels on the screen; some have none, so the usual ones come with any.
        usual = [self.monitor.explain(instrument.market, name) for name in RowPanel.NUMBERS]
        numbers: dict[str, float | None] = {
            **{told.metric: told.value for told in usual if told is not None},
            "bid": None if ladder.best_bid is None else instrument.price(ladder.best_bid),
            "ask": None if ladder.best_ask is None else instrument.price(ladder.best_ask),
            **view.metrics,
        }
        cells = [f"{name}={'' if value is None else f'{value:.10g}'}" for name, value in numbers.items()]
        self.copy_to_clipboard("\t".join([escape_text(instrument.market), at, *cells]))
        self.notify(f"{len(cells)} numbers sent to the clipboard", timeout=3)


def _freeze() -> None:
    # One full collection now, then what start-up and the connectors' imports built is never walked again.
    gc.collect()
    gc.freeze()
