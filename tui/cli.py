"""The command line: one parser for the monitor, one for the sub-commands, one place where they end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tui.commands.failure import Failure, UsageError
from tui.untrusted import escape_text

#: Sub-commands in the order of `--help`: name -> (module, one line).
COMMANDS = {
    "play": ("tui.commands.monitor", "the monitor over recordings: pause, seek, speed"),
    "stream": ("tui.commands.stream", "metrics as NDJSON on stdout, on an event-time grid"),
    "alerts": ("tui.commands.alerts", "list, check and try alert rules"),
    "study": ("tui.commands.study", "what a recording says, as tables with an honest reading"),
    "fills": ("tui.commands.fills", "what your own fills come to: result, use of capital, fee tier"),
    "watch": ("tui.commands.watch", "rules and their delivery without a screen"),
    "notify": ("tui.commands.notify", "try every way an alert can take, and see what waits"),
    "markets": ("tui.commands.markets", "list the symbols of a venue"),
    "config": ("tui.commands.config", "where the configuration is, a commented first one, what is in effect"),
    "doctor": ("tui.commands.doctor", "check terminal, tmux, configuration, exchanges"),
}
_EXAMPLES = """\
examples:
  flowtape                                  the simulated market, until you configure your own
  flowtape binance:BTC/USDT:USDT            a live perpetual (spot: binance:BTC/USDT)
  flowtape play capture.gz --speed 10       a recording, ten times as fast
  flowtape stream sim:BTC/USDT --for 60s --metrics 'cvd,ti(30s)'
  flowtape watch binance:BTC/USDT:USDT      alert rules without a screen, delivered to your sinks
  flowtape stream --list                    every metric with its arguments

On the screen: ? lists the keys, a adds an alert, q quits.
Exit codes: 0 done, 1 failed with a message, 2 usage, 130 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Nothing foreign reaches the terminal unescaped."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parse(words)
        code: int = args.run(args)
        return code
    except UsageError as error:
        return _end(str(error), 2)
    except Failure as error:
        return _end(str(error), 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone: not an error. Python must not complain at exit, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _end(text: str, code: int) -> int:
    for line in text.splitlines() or [text]:
        print(f"flowtape: {escape_text(line, 1000)}", file=sys.stderr)
    return code


class _Version(argparse.Action):
    """Looks the version up when it is asked for: reading package metadata takes as long as the whole parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"flowtape {version('flowtape')}")
        parser.exit()


def _parse(words: list[str]) -> argparse.Namespace:
    if words and words[0] in COMMANDS:
        parser = argparse.ArgumentParser(prog="flowtape", allow_abbrev=False)
        import_module(COMMANDS[words[0]][0]).add_parser(parser.add_subparsers())
        return parser.parse_args(words)
    if words and not words[0].startswith("-"):
        _reject_unknown(words[:1])  # before its options are: a mistyped command is the better complaint
    from tui.commands.monitor import run
    from tui.commands.screen import add_screen_arguments
    from tui.commands.sources import add_source_arguments

    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  flowtape {name:<{width}}  {line}" for name, (_, line) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="flowtape",
        usage="flowtape [MARKET…] [options]\n       flowtape COMMAND …",
        description="Order flow of crypto markets in a terminal: who is pressing, and how hard.",
        epilog=f"commands (flowtape COMMAND --help):\n{listed}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "sources", nargs="*", metavar="MARKET", help="venue:SYMBOL, such as binance:ETH/USDT or sim:BTC/USDT"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    add_source_arguments(parser)
    add_screen_arguments(parser)
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew instead of going on where the last run of today stopped"
    )
    parser.set_defaults(run=run)
    args = parser.parse_args(words)
    _reject_unknown(args.sources)
    return args


def _reject_unknown(sources: Sequence[str]) -> None:
    from difflib import get_close_matches
    from pathlib import Path

    from tui.commands.sources import split_market

    for text in sources:
        if split_market(text) is None:
            if Path(text).exists():
                raise UsageError(f"{text!r} is a file; to watch a recording: flowtape play {text}")
            near = get_close_matches(text, COMMANDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a market is venue:SYMBOL, such as binance:ETH/USDT"
            raise UsageError(f"{text[:80]!r} is neither a market nor a command{hint}")
