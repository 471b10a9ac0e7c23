"""One run of `flowtape watch`: engine, rules, delivery, log, health file and signals, on one event loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.duration import parse_duration
from engine.runtime import Runtime
from engine.view import MarketView, Notice, ViewRequest
from tui.checkpoints import CheckpointFiles
from tui.commands.progress import show_progress
from tui.commands.sources import Sources, day_lots, read_config
from tui.config.fees import fees_of
from tui.config.paths import state_dir
from tui.config.rules import configured_rules, quiet_gate
from tui.delivery.building import destinations, open_courier
from tui.delivery.desk import Desk
from tui.delivery.notification import Notification, Origin, of_failure
from tui.headless.counted import Counted
from tui.headless.health import picture, write_health
from tui.headless.log import Form, Level, LogLines
from tui.headless.supervisor import Supervisor

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from tui.config.model import Config
    from tui.delivery.courier import Courier

#: Seconds between two looks at everything, and two health files.
LOOK_S, HEALTH_S = 1.0, 5.0
#: At the end: how long what was told may still take to leave, live and of a recording.
GRACE_S, PATIENT_S = 5.0, 30.0
_SMALL = ViewRequest(ladder_rows=1, tape_rows=1, series_columns=1)
_LEVELS: dict[str, Level] = {"info": "info", "warning": "warning", "high": "error"}


def health_path(text: str | None) -> Path | None:
    """Where the health file goes; `none`: nowhere."""
    if text == "none":
        return None
    return state_dir() / "watch.json" if text is None else Path(text).expanduser()


class Watcher:
    """`run()` returns the exit code. `terminal`: somebody reads the log on one, so it may ring and notify there."""

    def __init__(
        self,
        args: argparse.Namespace,
        config: Config,
        sources: Sources,
        *,
        form: Form,
        health: Path | None,
        terminal: bool,
        recorded: bool,
    ) -> None:
        self.broken = False  # nobody reads the log any more
        self._args = args
        self._config = config
        self._sources = sources
        self._form: Form = form
        self._health = health
        self._on_terminal = terminal
        self._recorded = recorded
        simulated = all(name.startswith("sim:") for name in sources.markets)
        self._origin: Origin = "recording" if recorded else "simulator" if simulated else "live"
        self._stop = asyncio.Event()
        self._signal: int | None = None
        self._health_failed = False
        self._fault = ""
        self._following: asyncio.Task[None] | None = None
        self._told_failures = 0
        self._suppressed = Counted()

    async def run(self) -> int:
        """Begin, watch, end."""
        self._loop = asyncio.get_running_loop()
        self._started = time.time_ns()
        self._log = LogLines(sys.stdout.fileno(), self._form, time.time_ns, self._reader_gone)
        self._supervisor = Supervisor()
        self._desk = Desk(
            time.monotonic,
            replay=self._recorded,
            everything=True,
            trouble_after=parse_duration(self._config.notify.trouble_after),
        )
        self._desk.watch(self._told)
        self._desk.courier = self._open_courier(self._config)
        if self._on_terminal:
            await self._open_terminal()
        config = self._config
        store = CheckpointFiles(state_dir() / "checkpoints-watch", fresh=self._args.fresh)
        self._runtime = Runtime(
            self._sources.feeds,
            rules=configured_rules(config),
            gate=quiet_gate(config),
            samplers=self._desk.samplers,
            day_lots=day_lots(self._args),
            fees=fees_of(config),
            on_notice=self._noticed,
            store=store if config.checkpoint and self._origin == "live" else None,
            warm=True,
        )
        self._runtime.listen(self._alert)
        self._catch_signals()
        rules = len(self._runtime.rules)
        status = f"watching {', '.join(self._sources.markets) or 'recordings'} with {rules} rules"
        self._log.write("info", "start", status, rules=rules, sinks=len(config.sinks))
        self._supervisor.ready(status)
        return await self._watch()

    async def _watch(self) -> int:
        engine = asyncio.create_task(self._runtime.run(), name="engine")
        stop = asyncio.create_task(self._stop.wait())
        look = asyncio.create_task(self._look_forever())
        progress = self._recorded and sys.stderr.isatty() and not self._on_terminal
        shown = asyncio.create_task(show_progress(self._runtime)) if progress else None
        code = 0
        try:
            await asyncio.wait({engine, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._supervisor.stopping()
            if not engine.done():
                engine.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await engine
        except Exception as error:
            self._log.write("error", "engine", f"stopped by an internal error: {type(error).__name__}: {error}")
            code = 1
        finally:
            for task in (stop, look, shown, self._following):
                if task is not None:
                    task.cancel()
        return await self._end(code)

    async def _end(self, code: int) -> int:
        if self._recorded and not self._runtime.markets and not self._runtime.failures and self._signal is None:
            self._log.write("error", "engine", "the sources held no rows: there was nothing to watch")
            code = 1
        code = code or (1 if self._runtime.failures else 0)
        left = 0
        if self._desk.courier is not None:
            patient = self._recorded and self._signal is None
            courier, grace = self._desk.courier, PATIENT_S if patient else GRACE_S
            left = await asyncio.to_thread(lambda: courier.close(grace, patient=patient))
        if left:
            lost = self._origin != "live"
            fate = "are lost: what is not live is not kept" if lost else "wait for the next start"
            self._log.write("warning", "delivery", f"{left} alerts are not delivered yet; they {fate}", waiting=left)
            code = code or (1 if lost and self._signal is None else 0)
        await self._write_health("failed" if code else "stopped")
        if self._desk.terminal is not None:
            self._desk.terminal.restore()
        why = signal.Signals(self._signal).name if self._signal is not None else "the sources have ended"
        self._log.write("info", "stop", f"{why}; {self._desk.told} messages were told", told=self._desk.told)
        await asyncio.to_thread(self._log.close)
        return 130 if self._signal == signal.SIGINT else code

    # ---- what happens

    def _alert(self, event: AlertEvent) -> None:
        self._desk.alert(event)
        if not event.delivered and event.kind in ("fired", "repeated", "held"):
            why = event.suppressed or event.reason or "held back"
            count = self._suppressed.tell((event.rule, event.market, why), event.t)
            if count is not None:
                times = f" ({count} times)" if count > 1 else ""
                self._log.write(
                    "info", "suppressed", f"{event.market} {event.rule}: {why}{times}", event.t,
                    rule=event.rule, market=event.market, reason=why, count=count,
                )  # fmt: skip

    def _told(self, note: Notification) -> None:
        self._log.write(
            _LEVELS.get(note.severity, "warning") if note.kind not in ("resolved", "recovered") else "info",
            note.kind, f"{note.title.removeprefix('flowtape ')}: {note.text}", note.t,
            rule=note.rule, market=note.market, severity=note.severity, key=note.key, origin=note.payload["origin"],
        )  # fmt: skip

    def _noticed(self, notice: Notice) -> None:
        self._log.write("warning", "notice", f"{notice.source}: {notice.text}", source=notice.source)
        if len(self._runtime.failures) > self._told_failures:
            self._told_failures = len(self._runtime.failures)
            self._desk.tell(of_failure(notice.source, notice.text, notice.at, self._origin))

    def _delivery(self, source: str, text: str) -> None:
        """A sink's word; in the courier's thread."""
        self._log.write("info" if text == "works again" else "warning", "delivery", f"{source}: {text}", sink=source)

    # ---- every second

    async def _look_forever(self) -> None:
        due = 0.0
        every = HEALTH_S if self._supervisor.watchdog is None else min(HEALTH_S, self._supervisor.watchdog / 3)
        while True:
            now = time.monotonic()
            try:
                self._look(now)
                if now >= due:
                    due = now + every
                    await self._write_health("running")
                self._fault = ""
            except Exception as error:
                # The engine and the delivery go on; whoever supervises sees the file grow old, and the watchdog ends.
                fault = f"looking after the markets failed: {type(error).__name__}: {error}"
                if fault != self._fault:
                    self._fault = fault
                    self._log.write("error", "watch", fault)
            else:
                self._supervisor.alive(f"{self._desk.told} alerts told")
            await asyncio.sleep(min(LOOK_S, every))

    def _look(self, now: float) -> None:
        markets = self._runtime.markets
        opened = ((name, markets.get(name)) for name in self._sources.markets)
        received = {name: None if market is None else market.recv or None for name, market in opened}
        self._desk.look(time.time_ns(), received)
        if self._desk.terminal is not None:
            self._desk.terminal.tick(now, time.time_ns())

    def _views(self) -> list[MarketView]:
        found = (self._runtime.view(market, _SMALL) for market in self._runtime.markets)
        return [view for view in found if view is not None]

    async def _write_health(self, state: str) -> None:
        path = self._health
        if path is None:
            return
        told = picture(
            time.time_ns(), self._started, state, self._sources.markets, self._views(), self._runtime.overview(),
            self._desk.status(), self._desk.last, self._desk.told, self._runtime.failures, not self._recorded,
        )  # fmt: skip
        try:
            await asyncio.to_thread(write_health, path, told)
            self._health_failed = False
        except OSError as error:
            if not self._health_failed:
                self._log.write("warning", "health", f"{path}: cannot be written: {error.strerror or error}")
            self._health_failed = True

    # ---- sinks, terminal, signals

    def _open_courier(self, config: Config) -> Courier | None:
        return open_courier(config.sinks, self._delivery, self._origin) if config.sinks else None

    async def _open_terminal(self) -> None:
        from tui.delivery.terminal import TerminalAlerts, TerminalOptions
        from tui.delivery.terminals import path_here

        notify = self._config.notify
        path = await asyncio.to_thread(path_here, notify.desktop)
        options = TerminalOptions(notify.bell, title=False, severity=notify.severity)
        terminal = TerminalAlerts(self._log.raw, path, options, lambda: path_here(notify.desktop))
        self._desk.terminal = terminal
        self._following = asyncio.create_task(terminal.follow())

    def _catch_signals(self) -> None:
        for name, handler in (("SIGTERM", self._ask_to_stop), ("SIGINT", self._ask_to_stop), ("SIGHUP", self._reload)):
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError, RuntimeError):  # none on this platform
                    self._loop.add_signal_handler(number, handler, number)

    def _ask_to_stop(self, number: int) -> None:
        self._signal = number
        self._stop.set()
        # Whoever asks twice does not want to wait for a clean end.
        for name in ("SIGTERM", "SIGINT"):
            self._loop.remove_signal_handler(getattr(signal, name))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _reader_gone(self) -> None:
        """The log can't be written; in its thread."""
        self.broken = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def _reload(self, _: int) -> None:
        """Rules and sinks from the configuration as it is now; with an error in it everything stays."""
        self._supervisor.reloading()
        loaded = read_config(self._args, strict=False)
        if loaded.problems:
            for problem in loaded.problems:
                self._log.write("error", "reload", str(problem))
            self._log.write("error", "reload", "the configuration has errors: rules and sinks stay as they were")
            self._supervisor.ready("the configuration has errors: nothing was changed")
            return
        config = self._config = loaded.config
        self._runtime.set_rules(configured_rules(config))
        self._runtime.set_gate(quiet_gate(config))
        if self._desk.courier is not None:
            self._desk.courier.reload(destinations(config.sinks))
        else:
            self._desk.courier = self._open_courier(config)
        status = f"rules and sinks read anew: {len(self._runtime.rules)} rules, {len(config.sinks)} sinks"
        self._log.write("info", "reload", status, rules=len(self._runtime.rules), sinks=len(config.sinks))
        self._supervisor.ready(status)
