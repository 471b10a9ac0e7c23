"""`flowtape notify`: try every way an alert can take, say what to expect and what to set; see what waits."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.failure import UsageError
from tui.commands.sources import read_config
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from tui.config.model import Config
    from tui.config.sinks import Notify
    from tui.delivery.courier import Destination
    from tui.delivery.notification import Notification
    from tui.delivery.terminals import Path as Way

_PROTOCOLS = {"osc9": "OSC 9", "osc777": "OSC 777", "osc99": "OSC 99"}


def add_parser(subparsers: Any) -> None:
    """`notify test|status` on the command line."""
    parser = subparsers.add_parser(
        "notify",
        help="try every way an alert can take, and see what waits",
        description="An alert goes to the terminal ([notify] in the configuration) and to your [[sinks]].",
    )
    commands = parser.add_subparsers(dest="notify_command", metavar="COMMAND", required=True)
    test = commands.add_parser(
        "test",
        help="send a test over every channel",
        description="Rings the bell, notifies the desktop, sets the title, and sends a test to every sink; says what "
        "to expect and what to set. Exit code 1 when a sink did not take it.",
    )
    test.add_argument("--sink", metavar="NAME", action="append", help="only this sink (may be repeated)")
    test.add_argument(
        "--pause", metavar="SECONDS", type=float, default=1.0, help="between bell, desktop and title (default 1)"
    )
    test.set_defaults(run=run_test)
    status = commands.add_parser(
        "status",
        help="alerts that wait to be delivered",
        description="Lists how many alerts wait for each sink, from whichever run they are.",
    )
    status.set_defaults(run=run_status)
    drop = commands.add_parser(
        "drop",
        help="give up the alerts that wait for a sink",
        description="Forgets the alerts that wait for a sink, which need no longer be configured.",
    )
    drop.add_argument("sink", metavar="NAME", help="a sink that `notify status` lists")
    drop.set_defaults(run=run_drop)
    for command in (test, status, drop):
        command.add_argument("--config", metavar="FILE", type=Path, help="another configuration file")


def run_test(args: argparse.Namespace) -> int:
    """Walk all channels."""
    if not 0 <= args.pause <= 60:
        raise UsageError("--pause: must be a number from 0 to 60")
    config = read_config(args, strict=True).config
    names = [sink.name for sink in config.sinks]
    for name in args.sink or ():
        if name not in names:
            from tui.config.problems import unknown_name

            raise UsageError(f"--sink: {unknown_name(name, names, 'sink')}")
    if not args.sink:
        _test_terminal(config.notify, args.pause)
    return 0 if asyncio.run(_test_sinks(config, args.sink)) else 1


def run_status(args: argparse.Namespace) -> int:
    """What waits."""
    from tui.delivery.building import outbox_path
    from tui.delivery.outbox import Outbox

    config = read_config(args, strict=False).config
    names = [sink.name for sink in config.sinks]
    path = outbox_path()
    outbox = Outbox(path) if path.exists() else None
    waiting = outbox.sinks() if outbox is not None else {}
    _say(f"outbox  {path}" + ("" if outbox is not None else " (not there: nothing was ever sent)"))
    for name in dict.fromkeys([*names, *waiting]):
        oldest = outbox.waiting(name)[1] if outbox is not None else None
        since = "" if oldest is None else f", the oldest since {_ago(time.time() - oldest)}"
        gone = "" if name in names else "  (no longer configured; forgotten after two weeks)"
        _say(f"{name:<16}  {waiting.get(name, 0)} waiting{since}{gone}")
    if not names and not waiting:
        _say("no [[sinks]] are configured: alerts go to the terminal only")
    if outbox is not None:
        outbox.close()
    return 0


def run_drop(args: argparse.Namespace) -> int:
    """Give up what waits for a sink."""
    from tui.config.problems import unknown_name
    from tui.delivery.building import outbox_path
    from tui.delivery.outbox import Outbox

    names = [sink.name for sink in read_config(args, strict=False).config.sinks]
    path = outbox_path()
    outbox = Outbox(path) if path.exists() else None
    waiting = outbox.sinks() if outbox is not None else {}
    if args.sink not in (*names, *waiting):
        raise UsageError(unknown_name(args.sink, [*names, *waiting], "sink"))
    dropped = outbox.drop(args.sink) if outbox is not None else 0
    if outbox is not None:
        outbox.close()
    _say(f"{args.sink}: {dropped} alerts are no longer delivered")
    return 0


def _test_terminal(notify: Notify, pause: float) -> None:
    """Bell, desktop, title: nobody but the user can say whether they came."""
    from tui.delivery.notification import of_test
    from tui.delivery.terminals import path_here

    way = path_here(notify.desktop)
    for text in describe(way):
        _say(text)
    if not sys.stdout.isatty():
        _say("terminal  skipped: standard output is not a terminal")
        return
    note = of_test("the terminal", time.time_ns())

    def write(sequence: str) -> None:
        sys.stdout.write(sequence)
        sys.stdout.flush()

    for step in steps(notify, way, note, write):
        for line in step:
            _say(line)
        time.sleep(pause)


def steps(notify: Notify, way: Way, note: Notification, write: Callable[[str], None]) -> Iterator[list[str]]:
    """Do one thing after the other, and say what it was and what to expect."""
    from tui.delivery import escapes

    if notify.bell:
        write(escapes.BEL)
        said = ["bell      rung: expect a sound, a flash, or a mark on the window or tab; many terminals mute it"]
        if way.multiplexer == "tmux":
            said.append("          (a window of tmux that is not shown is marked with ! while monitor-bell is on)")
        yield said
    else:
        yield ["bell      off ([notify] bell = false)"]
    sequence = escapes.notification(
        way.protocol,
        way.multiplexer,
        note.title,
        note.text,
        severity=note.severity,
        key=note.key,
        ascii_only=way.ascii_only,
    )
    if sequence:
        write(sequence)
        sent = f"desktop   sent as {_PROTOCOLS[way.protocol]}: expect a notification"
        yield [f"{sent}, maybe only while the terminal is not in front"]
    else:
        yield [f"desktop   not sent: {way.reason}"]
    if notify.title and way.title:
        stack = way.multiplexer != "screen"
        write((escapes.PUSH_TITLE if stack else "") + escapes.window_title("(1!) flowtape", ascii_only=True))
        yield ["title     expect “(1!) flowtape” for a moment"]
        write(escapes.POP_TITLE if stack else escapes.window_title("", ascii_only=True))
    else:
        yield ["title     not set"]


def describe(way: Way) -> Iterator[str]:
    """How a desktop notification would travel, and what to set so that it arrives."""
    protocol = _PROTOCOLS.get(way.protocol, "the bell only")
    yield f"terminal  {protocol}: {way.reason}"
    for text in advice(way):
        yield f"          -> {text}"


def advice(way: Way) -> list[str]:
    """What to set."""
    found = [way.hint] if way.hint else []
    if way.multiplexer == "tmux" and way.protocol != "none":
        if way.passes is False:
            found.append("tmux holds notifications back; in ~/.tmux.conf: set -g allow-passthrough on")
        elif way.passes is None:
            found.append("tmux lets notifications through only with: set -g allow-passthrough on")
    if way.multiplexer == "tmux" and way.protocol == "none" and not way.program:
        found.append('if the terminal around tmux can notify, name how: [notify] desktop = "osc9" (or osc777, osc99)')
    elif way.protocol == "none" and not way.program and way.reason == "the terminal is not known":
        found.append('if it can notify, name how: [notify] desktop = "osc9" (or osc777, osc99)')
    return found


async def _test_sinks(config: Config, only: Sequence[str] | None) -> bool:
    """Whether every sink took the test."""
    from tui.delivery.building import destinations

    chosen = [to for to in destinations(config.sinks) if not only or to.name in only]
    if not chosen and not only:
        _say("sinks     none are configured ([[sinks]]; `flowtape config init` writes examples)")
    fine = True
    for to in chosen:
        problem = await try_once(to)
        fine = fine and problem is None
        _say(f"{'ok' if problem is None else 'FAILED':<8}  {to.name} ({to.kind}): {problem or _expect(to.kind)}")
    return fine


async def try_once(to: Destination) -> str | None:
    """Send a test once, past the outbox; what went wrong, or None."""
    from tui.delivery.notification import of_test
    from tui.delivery.outbox import letter_id
    from tui.delivery.sink import Letter, Refused, Trouble

    if to.sink is None:
        return to.problem
    note = of_test(to.name, time.time_ns())
    letter = Letter(
        to.name, note.key, letter_id(to.name, note.key), note.body(), note.title, note.text,
        note.severity, 0, time.time(),
    )  # fmt: skip
    try:
        await to.sink.send(letter)
    except (Trouble, Refused) as error:
        return str(error)
    finally:
        await to.sink.close()
    return None


def _expect(kind: str) -> str:
    return {
        "webhook": "the receiver said yes; its payload has event = test",
        "apprise": "the service took it: expect a message titled “flowtape test”",
        "command": "it ran and ended with status 0",
        "file": "a line was written",
    }[kind]


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"


def _say(text: str) -> None:
    print(escape_text(text, 400), flush=True)
