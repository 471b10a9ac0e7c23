"""The main screen: all panels, one frame at a time, and what the keys do to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from engine.view import EngineView, MarketView, Notice, PlayView, ViewRequest
from tui.actions import ACTIONS, MAIN, bindings
from tui.arrangement import BUILT_IN, DEFAULT, SECOND, Arrangement
from tui.config.holdings import Holdings
from tui.config.problems import ConfigError
from tui.display import Display, next_speed
from tui.layout import PANELS, TITLES, Desk, size_class, small_order
from tui.message import MessageLine, SmallMessage
from tui.monitor import Monitor
from tui.panels.alerts import Alerts
from tui.panels.base import RowPanel, Runs
from tui.panels.cvd import STEPS, CvdChart
from tui.panels.flow import Flow
from tui.panels.imbalance import Imbalance
from tui.panels.ladder import Ladder
from tui.panels.status import Status, stands_still
from tui.panels.strip import Strip
from tui.panels.tape import Tape
from tui.panels.toxicity import Toxicity
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.position import Position

#: Frames after which a recording that stands still has told all, and which of the later ones are looked at still.
_LAST_LOOKS, _SELDOM = 20, 4
_REPLAY_ONLY = frozenset(action.action.partition("(")[0] for action in ACTIONS if action.replay)


@dataclass(frozen=True, slots=True)
class Look:
    """What the panels begin with."""

    flow: str = "60s"  # window of the trades
    ofi: str = "10s"  # window of order-flow imbalance
    step: int = STEPS[0]  # ns a chart column stands for
    minimum: float = 0.0  # least trade of the tape, in quote currency
    beside: str = "cvd"  # the panel next to the ladder on a small screen
    layout: str = DEFAULT.name
    layouts: Mapping[str, Arrangement] = field(default_factory=lambda: BUILT_IN)
    holdings: Holdings = field(default_factory=lambda: Holdings(None))  # the user's own positions


class SecondLadder(Ladder):
    """The ladder of the market beside the chosen one; its title names it."""

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The market's name first."""
        return (("text", escape_text(view.instrument.symbol, 24) + " "), *super().note(view, overview, width))


class SecondCvd(CvdChart):
    """The chart of the market beside the chosen one; its title names it."""

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The market's name first."""
        return (("text", escape_text(view.instrument.symbol, 24) + " "), *super().note(view, overview, width))


class MainScreen(Screen[None]):
    """Panels are mounted once; `show` gives the visible ones the newest views."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MAIN)]
    AUTO_FOCUS = "#ladder"

    def __init__(
        self,
        monitor: Monitor,
        keymap: Mapping[str, str],
        fps: float,
        report: Callable[[str, str], None],
        wall: Callable[[], int],
        look: Look | None = None,
    ) -> None:
        super().__init__()
        look = look or Look()
        self.monitor = monitor
        self.layouts = dict(look.layouts)
        self._fps = fps
        self.holdings = look.holdings
        self.chosen = Display()
        self._report = report
        self._wall = wall
        self._stood_at: PlayView | None = None  # where a recording stood still at the last frame
        self._same = 0  # frames that it has stood there
        self.panels: dict[str, RowPanel] = {
            "ladder": Ladder(id="ladder"),
            "cvd": CvdChart(id="cvd", step=look.step),
            "imbalance": Imbalance(id="imbalance", flow=look.flow, ofi=look.ofi),
            "toxicity": Toxicity(id="toxicity"),
            "flow": Flow(id="flow", window=look.flow),
            "alerts": Alerts(id="alerts"),
            "tape": Tape(id="tape", minimum=look.minimum),
            "ladder2": SecondLadder(id="ladder2"),
            "cvd2": SecondCvd(id="cvd2", step=look.step),
        }
        self.strip = Strip(id="strip")
        self.status = Status(id="status", now=wall)
        for panel in (*self.panels.values(), self.strip, self.status):
            panel.set_clock(fps)
        self.message = MessageLine(keymap)
        self.desk = Desk(
            self.strip, *self.panels.values(), self.status, self.message, SmallMessage(), make=self._make_panel
        )
        self.desk.arrangement = look.layouts.get(look.layout, DEFAULT)
        usual = self.desk.arrangement is DEFAULT
        self.desk.beside = look.beside if usual else self.desk.arrangement.beside
        self._failed: set[str] = set()
        self._shown: str | None = None  # the market of the last frame
        self.view: MarketView | None = None  # what that frame showed

    def compose(self) -> ComposeResult:
        yield self.desk

    def _make_panel(self, name: str) -> RowPanel | None:
        """A panel that the plan has for the first time. Those of the default layout are there from the start."""
        from tui.panels import later

        panel = later.make(name, self.holdings.of, self.chosen.anchors.get)
        if panel is not None:
            panel.set_clock(self._fps)
            self.panels[name] = panel
        return panel

    # ---- frames

    @property
    def _ladder(self) -> Ladder:
        ladder = self.panels["ladder"]
        assert isinstance(ladder, Ladder)
        return ladder

    def request(self, panels: list[RowPanel], market: str) -> ViewRequest:
        """What the engine should send for these panels; next to nothing of what none of them shows."""
        fields: dict[str, Any] = {"ladder_rows": 1, "tape_rows": 1, "series_columns": 1}
        metrics: dict[str, None] = {}
        for panel in panels:
            wanted = getattr(panel, "request_fields", None)
            if wanted is not None:
                fields |= wanted()
            own = getattr(panel, "request_for", None)
            if own is not None:
                fields |= own(market)
            metrics |= dict.fromkeys(panel.metrics)
        return ViewRequest(**fields, metrics=tuple(metrics))

    def show(self, now: float, notices: tuple[Notice, ...], fps: float) -> None:
        """One frame at `now` (seconds, monotonic): the newest view to every visible panel, unless paused."""
        overview = self.monitor.overview()
        self.message.present((*notices, *overview.notices), now)
        self.status.fps = fps
        if self.chosen.paused_at is not None and self.view is not None:
            return
        # A recording that stands still has no news but what the user does; that is shown at once by `show_again`.
        playing = overview.playing if stands_still(overview) else None
        self._same = self._same + 1 if playing is not None and playing == self._stood_at else 0
        self._stood_at = playing
        if self.still and self._same % _SELDOM:
            return
        self._frame(overview, force=False)

    @property
    def still(self) -> bool:
        """Whether nothing can change but by the user: few frames will do."""
        return self.chosen.paused_at is not None or self._same > _LAST_LOOKS

    def show_again(self) -> None:
        """A frame at once, also of slow panels and when paused: the user has just changed what is shown."""
        try:
            self._frame(self.monitor.overview(), force=True)
        except Exception as error:
            self.log(error)
            self._report("screen", f"{type(error).__name__}: {error}")

    def on_resize(self) -> None:
        """Fill the new size at once, also when paused."""
        self.call_after_refresh(self.show_again)

    def _frame(self, overview: EngineView, force: bool) -> None:
        markets = self.monitor.markets()
        if self.desk.markets != len(markets):
            self.desk.markets = len(markets)
            self.desk.rearrange()
        market = self.chosen.choose(markets)
        shown = [panel for name, panel in self.panels.items() if panel.display and name not in SECOND]
        view = self.monitor.view(market, self.request(shown, market)) if market is not None else None
        if market != self._shown and view is not None:
            # The ladder asked for the prices of another market: let it find its place first, then ask again.
            self._shown, force = market, True
            if self._ladder.display and market is not None:
                self._present(self._ladder, view, overview, force)
                view = self.monitor.view(market, self.request(shown, market))
        self.view = view
        self.strip.current = market
        for panel in (self.strip, *shown, self.status):
            if panel.display:
                self._present(panel, view, overview, force)
        second = [self.panels[name] for name in SECOND if self.panels[name].display]
        other = self.chosen.second(markets) if second else None
        if other is not None:
            beside = self.monitor.view(other, self.request(second, other))
            for panel in second:
                self._present(panel, beside, overview, force)

    def _present(self, panel: RowPanel, view: MarketView | None, overview: EngineView, force: bool) -> None:
        name = panel.id or ""
        if name in self._failed:
            return
        try:
            panel.present(view, overview, force=force)
        except Exception as error:
            # One panel's fault must not take the others down; it stays as it was, and says so.
            self._failed.add(name)
            self.log(name, error)
            self._report(name, f"this panel stopped: {type(error).__name__}: {error}. Zoom another, or restart.")

    # ---- actions: panels

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Replay keys are greyed out while nothing is replayed."""
        if action in _REPLAY_ONLY:
            return True if self.monitor.playback is not None else None
        return True

    def action_alert_here(self) -> None:
        """Watch what is looked at."""
        from tui import alerting

        alerting.alert_here(self.app)  # type: ignore[arg-type]

    def on_ladder_price_chosen(self, message: Ladder.PriceChosen) -> None:
        """A price of a ladder was clicked twice."""
        from tui import alerting

        self.focus_panel(message.panel)
        alerting.alert_here(self.app, message.price)  # type: ignore[arg-type]

    def focus_panel(self, panel: str) -> None:
        """Keys go to this panel."""
        if panel in self.panels:
            self.panels[panel].focus(scroll_visible=False)

    @property
    def focused_panel(self) -> str:
        """Where keys go."""
        return self._focused()

    def _narrow(self) -> bool:
        return size_class(self.desk.size.width, self.desk.size.height) == "narrow"

    def _focused(self) -> str:
        panel = self.focused.id if self.focused is not None else None
        return panel if panel in self.panels else self.desk.arrangement.first

    def action_panel(self, panel: str) -> None:
        """Focus a panel: bring it beside the first one, or zoom it where there is no room for it otherwise."""
        if self.desk.zoomed is not None:
            self.desk.zoomed = panel
        elif self._narrow() and panel != self.desk.arrangement.first:
            self.desk.beside = panel
        elif panel not in self.desk.shown():
            self.desk.zoomed = panel
        self._rearrange(panel)

    def action_cycle_panel(self, step: int) -> None:
        """The next panel: the one beside the ladder changes on a small screen, the focus on a larger one."""
        if self.desk.zoomed is not None:
            ids = [panel.id for panel in PANELS]
        elif self._narrow():
            ids = small_order(self.desk.arrangement)
        else:
            ids = self.desk.shown()
        if not ids:
            return
        current = self.desk.beside if self._narrow() and self.desk.zoomed is None else self._focused()
        self.action_panel(ids[(ids.index(current) + step) % len(ids)] if current in ids else ids[0])

    def action_zoom(self) -> None:
        """The focused panel alone on the screen, and back."""
        panel = self._focused()
        self.desk.zoomed = panel.rstrip("2") if self.desk.zoomed is None else None
        self._rearrange(self.desk.zoomed or panel)

    def action_back(self) -> None:
        """Leave zoom."""
        if self.desk.zoomed is not None:
            self.action_zoom()

    def action_explain(self) -> None:
        """Where each number of the focused panel comes from."""
        from tui.screens.provenance import ProvenanceScreen

        panel, market = self.panels.get(self._focused()), self.chosen.choose(self.monitor.markets())
        if panel is None or market is None or self.view is None:
            self.notify("There are no numbers to explain yet.", severity="warning")
            return
        told = [self.monitor.explain(market, metric) for metric in panel.metrics]
        title = TITLES.get((panel.id or "").rstrip("2"), "")
        self.app.push_screen(ProvenanceScreen(title, [each for each in told if each is not None], self.view.t))

    def action_number(self) -> None:
        """Where one number comes from: of the focused panel, or any."""
        from tui.screens.number_card import NumberCard

        panel, market = self.panels.get(self._focused()), self.chosen.choose(self.monitor.markets())
        if panel is None or market is None or self.view is None:
            self.notify("There are no numbers to explain yet.", severity="warning")
            return
        title = TITLES.get((panel.id or "").rstrip("2"), "")

        def clock() -> int:
            view = self.monitor.view(market, ViewRequest(1, tape_rows=1, series_columns=1))
            return 0 if view is None else view.t

        self.app.push_screen(
            NumberCard(title, panel.metrics or panel.NUMBERS, lambda name: self.monitor.explain(market, name), clock)
        )

    def action_position(self) -> None:
        """Enter the position in the market that is shown."""
        from tui.screens.position_form import PositionForm

        if self.view is None:
            self.notify("There is no market yet.", severity="warning")
            return
        market = self.view.instrument.market

        def entered(answer: tuple[Position | None] | None) -> None:
            if answer is None:
                return
            try:
                self.holdings.put(market, answer[0])
            except ConfigError as error:
                self._report("position", str(error))
            self.action_panel("risk")

        self.app.push_screen(PositionForm(self.view.instrument, self.holdings.of(market)), entered)

    def action_anchor(self) -> None:
        """Choose where the profile of the market that is shown begins."""
        from tui.screens.anchor_form import AnchorForm

        if self.view is None or not self.view.t:
            self.notify("There is no market yet.", severity="warning")
            return
        market = self.view.instrument.market

        def chosen(answer: tuple[int | None] | None) -> None:
            if answer is None:
                return
            if answer[0] is None:
                self.chosen.anchors.pop(market, None)
            else:
                self.chosen.anchors[market] = answer[0]
            self.action_panel("profile")

        self.app.push_screen(AnchorForm(market, self.chosen.anchors.get(market), self.view.t), chosen)

    def action_layout(self, step: int) -> None:
        """The next layout."""
        names = list(self.layouts)
        at = names.index(self.desk.arrangement.name) if self.desk.arrangement.name in self.layouts else -step
        self.use_layout(self.layouts[names[(at + step) % len(names)]])
        self.notify(f"Layout {escape_text(self.desk.arrangement.name, 40)}", timeout=2, markup=False)

    def use_layout(self, layout: Arrangement) -> None:
        """Show the panels of a layout."""
        self.desk.arrangement, self.desk.beside, self.desk.zoomed = layout, layout.beside, None
        self._rearrange(layout.first)

    def present_layout(self) -> Arrangement:
        """The layout as it is on the screen now: a zoomed panel alone, on a small screen the panel chosen beside."""
        now = self.desk.arrangement
        if self.desk.zoomed is not None:
            return Arrangement(now.name, ((self.desk.zoomed,),))
        return now.with_beside(self.desk.beside) if self._narrow() else now

    def add_layout(self, layout: Arrangement) -> None:
        """Make a layout one of those that can be chosen (in place of that of the same name), and show it."""
        self.layouts[layout.name] = layout
        self.use_layout(layout)

    def _rearrange(self, focus: str) -> None:
        self.desk.rearrange()
        if focus in self.panels:  # a screen that is too small makes none
            self.panels[focus].focus(scroll_visible=False)
        self.call_after_refresh(self.show_again)

    # ---- actions: what is shown

    def toggle_pause(self, now: float) -> None:
        """Hold the picture, or let it run again (`now`: seconds, monotonic).

        What is held is one instant: panels that look less often than others are brought to it first.
        """
        if self.chosen.paused_at is None:
            self.show_again()
        self.chosen.paused_at = now if self.chosen.paused_at is None else None
        self.status.paused_since = None if self.chosen.paused_at is None else self._wall()
        self.show_status()

    def show_status(self) -> None:
        """The status line anew, at once: something was switched that it tells."""
        if self.view is not None:
            self._present(self.status, self.view, self.monitor.overview(), force=True)

    def action_market(self, step: int) -> None:
        """The next or previous market."""
        if self.chosen.step(self.monitor.markets(), step):
            self.show_again()

    def show_market(self, market: str | None) -> None:
        """A market by its name; None leaves things as they are."""
        if market is not None:
            self.chosen.market = market
            self.show_again()

    def action_recentre(self) -> None:
        """Mid price to the middle."""
        self._ladder.recentre()
        self.show_again()

    def action_follow(self) -> None:
        """Mid price always in the middle, or not."""
        self._ladder.toggle_follow()
        self.show_again()

    def action_group(self, step: int) -> None:
        """Coarser or finer prices."""
        if step > 0:
            self._ladder.coarser()
        else:
            self._ladder.finer()
        self.show_again()

    def action_scroll(self, rows: int) -> None:
        """Higher or lower prices."""
        self._ladder.scroll_rows(rows)
        self.show_again()

    def action_timeframe(self, step: int) -> None:
        """A longer or shorter chart column."""
        flow = self.panels["flow"]
        if isinstance(flow, Flow) and flow.has_focus:
            flow.shift_window(step)
        for name in ("cvd", "cvd2") if not flow.has_focus else ():
            chart = self.panels[name]
            assert isinstance(chart, CvdChart)
            chart.shift_step(step)
        self.show_again()

    def action_tape_min(self) -> None:
        """Hide small prints, or show them again."""
        tape = self.panels["tape"]
        assert isinstance(tape, Tape)
        tape.cycle_minimum()
        self.show_again()

    # ---- actions: replay

    def action_playback(self) -> None:
        """Stop or go on playing."""
        playback, playing = self.monitor.playback, self.monitor.overview().playing
        self._same = 0
        if playback is not None:
            if playing is not None and playing.paused:
                playback.resume()
            else:
                playback.pause()

    def action_speed(self, step: int) -> None:
        """Twice or half as fast."""
        playback, playing = self.monitor.playback, self.monitor.overview().playing
        if playback is not None:
            playback.set_speed(next_speed(playing.speed if playing is not None else 1.0, step))

    def action_seek(self, seconds: int) -> None:
        """So many seconds on, or back."""
        playback, playing = self.monitor.playback, self.monitor.overview().playing
        if playback is None or playing is None or playing.t is None:
            return
        wanted = playing.t + seconds * 1_000_000_000
        if playing.start is not None:
            wanted = max(wanted, playing.start)
        if playing.end is not None:
            wanted = min(wanted, playing.end)
        self._same = 0
        playback.seek(wanted)
