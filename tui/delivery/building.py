"""From the configuration to a terminal and sinks that can send. What is wrong with one is its problem alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.duration import parse_duration
from tui.config.paths import state_dir
from tui.config.sinks import AnySink, AppriseSink, CommandSink, FileSink, WebhookSink
from tui.delivery.courier import Courier, Destination, Report
from tui.delivery.notification import Origin
from tui.delivery.outbox import Outbox
from tui.delivery.secret import SecretError, read_secret
from tui.delivery.sink import Route, Sink


def outbox_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where letters wait: one file for all processes of the user."""
    return state_dir(environ) / "outbox.db"


def open_courier(sinks: Sequence[AnySink], report: Report, origin: Origin = "live") -> Courier:
    """A courier, begun. What is not live waits in memory only, and is limited by its own clock: the same recording
    played again is told again."""
    live = origin == "live"
    courier = Courier(
        destinations(sinks),
        lambda: Outbox(outbox_path() if live else None),
        report,
        origin=origin,
        by_tape=origin == "recording",
    )
    courier.start()
    return courier


def destinations(sinks: Sequence[AnySink], environ: Mapping[str, str] = os.environ) -> list[Destination]:
    """One for each sink, those that can't be used included."""
    return [_destination(sink, environ) for sink in sinks]


def _destination(config: AnySink, environ: Mapping[str, str]) -> Destination:
    problem, sink = "", None
    try:
        sink = _sink(config, environ)
    except (SecretError, ValueError) as error:
        problem = str(error)
    return Destination(
        name=config.name,
        kind=config.kind,
        sink=sink,
        route=Route(config.severity, config.rules, config.markets, config.events),
        burst=config.burst,
        timeout=_seconds(config.timeout),
        give_up=_seconds(config.give_up),
        problem=problem,
    )


def _sink(config: AnySink, environ: Mapping[str, str]) -> Sink:
    """Raises SecretError, ValueError. Each kind is imported when one is configured."""
    timeout = _seconds(config.timeout)
    if isinstance(config, WebhookSink):
        from tui.delivery.webhook import Webhook

        url = config.url or read_secret(config.url_env, config.url_file, environ) or ""
        if not url.startswith(("https://", "http://")):
            raise ValueError("its address must start with https:// or http://")
        return Webhook(url, read_secret(config.secret_env, config.secret_file, environ), timeout)
    if isinstance(config, AppriseSink):
        from tui.delivery.services import INSTALL, Service, installed

        if not installed():
            raise ValueError(f"apprise is not there; {INSTALL}")
        return Service(read_secret(config.url_env, config.url_file, environ) or "", timeout)
    if isinstance(config, CommandSink):
        from tui.delivery.command import Command

        return Command(config.command, timeout)
    assert isinstance(config, FileSink)
    from tui.delivery.file import LinesFile

    return LinesFile(Path(config.path).expanduser(), timeout)


def _seconds(text: str) -> float:
    return parse_duration(text) / 1e9
