"""`flowtape stream`: metrics as NDJSON on stdout, on a grid of event time. The contract for scripts."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from engine.duration import parse_duration
from engine.fees import FeeSchedule
from engine.instrument import Instrument
from engine.metrics.names import Metric, MetricError, parse_metrics
from engine.metrics.registry import listing
from engine.runtime import Runtime
from engine.sampling import Reader
from engine.tape import Ints
from engine.view import Notice
from tui.commands.begin import Begin, add_begin_argument, read_begin
from tui.commands.failure import Failure, UsageError
from tui.commands.progress import show_progress
from tui.commands.sources import Sources, add_source_arguments, day_lots, open_sources, read_config
from tui.config.fees import fees_of
from tui.untrusted import escape_text

DEFAULT_METRICS = "last,mid,spread_bps,delta(60s),cvd,ti(60s),ofi(10s),imbalance(5),vpin(adv/50,50)"
_encode = msgspec.json.Encoder().encode


def add_parser(subparsers: Any) -> None:
    """`stream` on the command line."""
    parser = subparsers.add_parser(
        "stream",
        help="metrics as NDJSON on stdout, on an event-time grid",
        description="Prints one JSON line per market and grid instant: the state after all rows with time <= t. "
        "Unknown values are null. Recordings run as fast as they can be read, live markets as they happen.",
        epilog="flowtape stream capture.gz --every 1s --metrics 'cvd,ti(30s),vpin(1000,50),imbalance(5)'",
    )
    parser.add_argument(
        "sources", nargs="*", metavar="FILE|MARKET", help="recordings, or live markets such as sim:BTC/USDT"
    )
    parser.add_argument("--every", default="1s", metavar="DURATION", help="distance of the grid instants (default 1s)")
    parser.add_argument("--metrics", default=DEFAULT_METRICS, metavar="LIST", help="comma-separated names, see --list")
    parser.add_argument(
        "--list", action="store_true", help="list the metrics with arguments, unit, meaning and warm-up"
    )
    parser.add_argument("--for", dest="duration", metavar="DURATION", help="stop after this much of each market's tape")
    add_begin_argument(parser)
    add_source_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Stream until the sources end, `--for` is over, or the user interrupts."""
    if args.list:
        return _list()
    if not args.sources:
        raise UsageError("stream needs a FILE or a MARKET; try: flowtape stream sim:BTC/USDT --for 60s")
    every, duration = _duration("--every", args.every), None
    if args.duration is not None:
        duration = _duration("--for", args.duration)
    try:
        metrics = tuple(parse_metrics(args.metrics))
    except MetricError as error:
        raise UsageError(f"--metrics: {error}") from None
    begin = read_begin(args.begin)
    loaded = read_config(args, strict=True)
    sources = open_sources(args, loaded, paced=False)
    if begin is not None and sources.live:
        raise UsageError("--from is for recordings: a live market begins when it is asked for")
    return asyncio.run(_stream(sources, metrics, every, duration, begin, args, fees_of(loaded.config)))


def _duration(option: str, text: str) -> int:
    try:
        ns = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if ns < 1_000_000:
        raise UsageError(f"{option}: {text!r} must be at least 1ms")
    return ns


def _list() -> int:
    rows = listing()
    width = max(len(row.usage) for row in rows)
    unit = max(len(row.unit) for row in rows)
    group = None
    for row in rows:
        if row.group != group:
            group = row.group
            print(f"\n{group}")
        print(f"  {row.usage:<{width}}  {row.unit:<{unit}}  {row.meaning}")
        print(f"  {'':<{width}}  {'':<{unit}}  warm-up: {row.warmup}")
    return 0


class Lines:
    """NDJSON lines of all markets. Recordings: in order of (time, order of opening); live: as they come.

    Nothing is written in order before `expected` markets have begun: a later one may begin earlier.
    """

    def __init__(self, write: Callable[[bytes], None], ordered: bool, expected: int = 1) -> None:
        self._write = write
        self._ordered = ordered
        self._expected = expected
        self._waiting: list[deque[tuple[int, bytes]]] = []
        self._reached: list[int] = []  # every instant before it has been handed in, by market

    def join(self) -> int:
        """A market begins; its number."""
        self._waiting.append(deque())
        self._reached.append(0)
        return len(self._waiting) - 1

    def add(self, number: int, reached: int, lines: list[tuple[int, bytes]]) -> None:
        """Lines of a market, ascending; it will hand in no more before `reached`."""
        self._reached[number] = reached
        if not self._ordered:
            self._write(b"".join(line for _, line in lines))
            return
        self._waiting[number].extend(lines)
        if len(self._waiting) >= self._expected:
            self._release(min(self._reached))

    def finish(self) -> None:
        """No more lines will come."""
        self._release(1 << 62)

    def _release(self, until: int) -> None:
        out = []
        for number, waiting in enumerate(self._waiting):
            while waiting and waiting[0][0] < until:
                t, line = waiting.popleft()
                out.append((t, number, line))
        if out:
            out.sort()
            self._write(b"".join(line for _, _, line in out))


class Span:
    """`--for`: so much of each market's tape, as instants of the grid. `passed` is set once `expected` markets or
    more have begun and all of them are through; None as duration: never."""

    def __init__(self, duration: int | None, expected: int = 1) -> None:
        self._duration = duration
        self._expected = expected
        self._begun = self._through = 0
        self.passed = asyncio.Event()

    def join(self) -> None:
        """A market begins."""
        self._begun += 1

    def leave(self) -> None:
        """A market is through."""
        self._through += 1
        if self._through == self._begun >= self._expected:
            self.passed.set()

    def end(self, first: int, every: int) -> int:
        """The first instant that is not wanted any more, of a market whose first one is `first`."""
        return 1 << 62 if self._duration is None else first + max(1, self._duration // every) * every


class LineSampler:
    """Turns the grid instants of one market into lines (engine.sampling.Sampler)."""

    def __init__(
        self,
        instrument: Instrument,
        every: int,
        metrics: tuple[Metric, ...],
        lines: Lines,
        span: Span | None = None,
        begin: Begin | None = None,
    ) -> None:
        self._market = instrument.market
        self._every = every
        self._metrics = metrics
        self._lines = lines
        self._number = lines.join()
        self._span = span or Span(None)
        self._span.join()
        self._begin = begin
        self._first: int | None = None  # no instant before it is wanted
        self._end: int | None = None  # no instant from here on is wanted
        self._ended = False

    @property
    def every(self) -> int:
        """See Sampler."""
        return self._every

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See Sampler."""
        return self._metrics

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        if not len(times):
            return
        if self._first is None:
            self._first = int(times[0]) if self._begin is None else self._begin.at(int(times[0]))
        early = int(np.searchsorted(times, self._first))
        if self._end is None and early < len(times):
            self._end = self._span.end(int(times[early]), self._every)
        wanted = early if self._end is None else max(early, int(np.searchsorted(times, self._end)))
        columns = [reader.values(metric, times)[early:wanted].tolist() for metric in self._metrics]
        book, trades = (states[early:wanted] for states in reader.trust(times))
        keys = [metric.key for metric in self._metrics]
        lines = []
        for i, t in enumerate(times[early:wanted].tolist()):
            values: dict[str, float | None] = {}
            flags: dict[str, str] = {}
            for key, column in zip(keys, columns, strict=True):
                value = column[i]
                if value - value != 0:  # not finite
                    if value == value:
                        flags[key] = "inf" if value > 0 else "-inf"
                    value = None
                values[key] = value
            line: dict[str, object] = {"t": t, "market": self._market, "metrics": values}
            line["trust"] = {"book": book[i], "trades": trades[i]}
            if flags:
                line["flags"] = flags
            lines.append((t, _encode(line) + b"\n"))
        self._lines.add(self._number, int(times[-1]) + 1, lines)
        if self._end is not None and wanted < len(times) and not self._ended:
            self._ended = True
            self._span.leave()


async def _stream(
    sources: Sources,
    metrics: tuple[Metric, ...],
    every: int,
    duration: int | None,
    begin: Begin | None,
    args: argparse.Namespace,
    fees: Callable[[Instrument], FeeSchedule | None],
) -> int:
    out = sys.stdout.buffer
    expected = 1 if sources.live else max(1, len(sources.markets))
    span = Span(duration, expected)
    refused: list[OSError] = []
    written = 0

    def write(data: bytes) -> None:
        # The engine must not take a reader that has gone, or a full disk, for a fault of the source.
        nonlocal written
        written += len(data)
        if not refused:
            try:
                out.write(data)
                if sources.live:
                    out.flush()
            except OSError as error:
                refused.append(error)
                span.passed.set()

    lines = Lines(write, not sources.live, expected)
    runtime = Runtime(
        sources.feeds,
        samplers=lambda instrument: [LineSampler(instrument, every, metrics, lines, span, begin)],
        day_lots=day_lots(args),
        fees=fees,
        on_notice=_tell,
    )
    tasks = {asyncio.create_task(runtime.run()), asyncio.create_task(span.passed.wait())}
    progress = asyncio.create_task(show_progress(runtime)) if sys.stderr.isatty() and not out.isatty() else None
    try:
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
    finally:
        if progress is not None:
            progress.cancel()
            print("\r\x1b[K", end="", file=sys.stderr)
    lines.finish()
    try:
        if refused:
            raise refused[0]
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"the lines can't be written: {error.strerror or error}") from None
    if runtime.failures:
        return 1
    if not runtime.markets:
        raise Failure("the sources held no rows: nothing to stream")
    if begin is not None and not written:
        raise Failure("--from: the recordings end before that time")
    if not written and not sources.live:
        print("flowtape: no instant of --every lies within the recordings: choose a shorter one", file=sys.stderr)
    return 0


def _tell(notice: Notice) -> None:
    print(f"flowtape: {escape_text(notice.source, 120)}: {escape_text(notice.text, 500)}", file=sys.stderr)
