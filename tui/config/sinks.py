"""What the configuration may say of where alerts go: the terminal, and `[[sinks]]` of four kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.duration import parse_duration
from tui.config.values import HttpUrl, Name, Severity, Text, Window

Event = Literal["fired", "resolved", "trouble"]
Burst = Annotated[int, Meta(ge=1, le=10_000, description="a whole number of alerts a minute from 1 to 10000")]
Variable = Annotated[
    str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="the name of an environment variable, without $")
]


class Notify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the terminal does when an alert fires."""

    bell: bool = True
    desktop: Literal["auto", "osc9", "osc777", "osc99", "none"] = "auto"
    title: bool = True
    severity: Severity = "info"  # what is less severe stays silent
    trouble_after: Window = "10s"  # a channel that can't be relied on for so long is told like an alert


class Sink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all kinds have in common: which alerts, how many, how long to wait."""

    name: Name
    severity: Severity = "info"  # the least
    rules: tuple[Text, ...] = ("*",)  # names or patterns
    markets: tuple[Text, ...] = ("*",)
    events: tuple[Event, ...] = ("fired", "trouble")
    burst: Burst = 20
    timeout: Window = "10s"
    give_up: Window = "1d"


class WebhookSink(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """JSON by HTTP POST. One of the three addresses; the secret signs what is sent."""

    kind: Literal["webhook"]
    url: HttpUrl | None = None
    url_env: Variable | None = None
    url_file: Text | None = None
    secret_env: Variable | None = None
    secret_file: Text | None = None


class AppriseSink(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service that the library apprise knows, by its URL, which holds a password or token."""

    kind: Literal["apprise"]
    url_env: Variable | None = None
    url_file: Text | None = None


class CommandSink(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program with its arguments, without a shell; the payload comes on its standard input."""

    kind: Literal["command"]
    command: Annotated[tuple[Text, ...], Meta(min_length=1, description="a list of a program and its arguments")]
    give_up: Window = "10m"


class FileSink(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that gets a line of JSON for each alert."""

    kind: Literal["file"]
    path: Text


AnySink = WebhookSink | AppriseSink | CommandSink | FileSink


#: The longest of each; the outbox forgets what has waited for two weeks.
_MOST = {"timeout": ("5m", 300), "give_up": ("14d", 14 * 86400)}


def sink_problem(sink: AnySink) -> tuple[str, str] | None:
    """(key, what is wrong with it), or None."""
    for key, (most, seconds) in _MOST.items():
        given = getattr(sink, key)
        if parse_duration(given) > seconds * 1_000_000_000:
            return key, f'"{given}" is too long; at most "{most}"'
    if isinstance(sink, WebhookSink | AppriseSink):
        named = [key for key in ("url", "url_env", "url_file") if getattr(sink, key, None) is not None]
        names = '"url_env" or "url_file"' if isinstance(sink, AppriseSink) else '"url", "url_env" or "url_file"'
        if len(named) != 1:
            return (named[1] if named else "kind"), f"exactly one of {names} says where to send"
    if isinstance(sink, WebhookSink) and sink.secret_env is not None and sink.secret_file is not None:
        return "secret_file", 'only one of "secret_env" or "secret_file" can hold the secret'
    return None
