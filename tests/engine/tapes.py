"""Random tapes as messages and as rows, and a sampler that records what it reads bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from engine.feed import Sink
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import Metric, parse_metrics
from engine.reading import to_decimal
from engine.sampling import Reader
from engine.tape import READINGS, ROW, Channel, Flag, Ints, Kind, Reason, Rows, Trust

INSTRUMENT = Instrument("test", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B")
START = 1_700_000_000_000_000_000
Message = tuple[str, tuple[Any, ...]]


def random_messages(seed: int, count: int = 600) -> list[Message]:
    """Calls of a Sink (name, arguments): trades, deltas, snapshots, losses, crossed books, equal and backward times."""
    rng = random.Random(seed)
    mid, t, trade_id, out = 268_000, START, 1, []
    out.append(("status", (t, t, Channel.TRADES, Trust.LIVE)))

    def levels(sign: int, n: int) -> list[tuple[str, float]]:
        prices = rng.sample(range(1, 60), n)
        return [(f"{(mid - sign * p) / 100:.2f}", rng.choice((0.0, rng.randrange(1, 50_000) / 1000))) for p in prices]

    def snapshot() -> Message:
        sides = (
            [(f"{(mid - sign * p) / 100:.2f}", rng.randrange(1, 50_000) / 1000) for p in range(1, 80)]
            for sign in (1, -1)
        )
        return ("snapshot", (t + 5, t, 1, *sides))

    out += [("status", (t, t, Channel.BOOK, Trust.LIVE)), snapshot()]
    for _ in range(count):
        t += rng.choice((0, 0, rng.randrange(1, 400_000_000), -rng.randrange(1, 50_000_000)))
        if rng.random() < 0.02:
            t += rng.randrange(1, 20_000_000_000)
        mid += rng.choice((-1, 0, 0, 0, 1))
        roll = rng.random()
        if roll < 0.45:
            px, size = f"{(mid + rng.choice((-1, 1))) / 100:.2f}", f"{rng.randrange(1, 9_000) / 1000:.3f}"
            marks = (Flag.NOT_FLOW, Flag.REPLAYED, Flag.RECOVERED, Flag.LIQUIDATED)
            flags = rng.choice((0, 0, 0, 0, *map(int, marks)))
            out.append(("trade", (t + 5, t, trade_id, px, size, rng.choice((1, -1, 1, -1, 0)), flags)))
            trade_id += 1
        elif roll < 0.93:
            bids, asks = levels(1, rng.randrange(0, 6)), levels(-1, rng.randrange(0, 6))
            # What the venue sends never crosses for long: clear the other side up to our own new touch.
            asks += [(f"{px / 100:.2f}", 0.0) for px in range(mid - 3, mid + 1)]
            bids += [(f"{px / 100:.2f}", 0.0) for px in range(mid, mid + 3)]
            out.append(("book", (t + 5, t, 1, bids, asks)))
        elif roll < 0.95:
            out.append(("hole", (t, t, trade_id, rng.choice((-1, 3)))))
        elif roll < 0.97:
            out.append(("clock", (t, t)))
        elif roll < 0.985:
            out.append(("status", (t, t, Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)))
            out.append(("status", (t, t, Channel.BOOK, Trust.LIVE)))
            out.append(snapshot())
        else:
            out.append(("day_volume", (t, t, f"{rng.randrange(1, 500)}.5")))
        if rng.random() < 0.1:
            out.append(_of_the_contract(rng, t, mid))
    return out


def _of_the_contract(rng: random.Random, t: int, mid: int) -> Message:
    """A liquidation, whether they are heard of, or a reading."""
    roll = rng.random()
    if roll < 0.4:
        size = f"{rng.randrange(1, 9_000) / 1000:.3f}"
        return ("liquidation", (t + 5, t, f"{mid / 100:.2f}", size, rng.choice((1, -1))))
    if roll < 0.5:
        return ("status", (t, t, Channel.LIQUIDATIONS, rng.choice((Trust.LIVE, Trust.STALE))))
    kind = rng.choice(READINGS)
    value = {
        Kind.FUNDING: f"{rng.randrange(-400, 400) / 1e6:.8f}",
        Kind.OPEN_INTEREST: f"{rng.randrange(10**9) / 1000}",
    }.get(kind, f"{(mid + rng.random()) / 100:.8f}")
    return ("reading", (t + 5, t, kind, value, t + rng.randrange(10**13) if kind is Kind.FUNDING else 0))


def push(sink: Sink, message: Message) -> None:
    """Make the call."""
    getattr(sink, message[0])(*message[1])


def to_rows(messages: list[Message]) -> Rows:
    """The same tape as rows."""
    rows: list[tuple[int, ...]] = []

    def level_rows(recv: int, ts: int, seq: int, bids: list[Any], asks: list[Any], head: list[tuple[int, ...]]) -> None:
        found = head + [
            (recv, ts, seq, INSTRUMENT.ticks(px), round(size * 1000), 0, Kind.LEVEL, 0, sign, 0)
            for sign, side in ((1, bids), (-1, asks))
            for px, size in side
        ]
        if not found:
            found = [(recv, ts, seq, 0, 0, 0, Kind.CLOCK, 0, 0, 0)]
        last = list(found[-1])
        last[7] = int(Flag.LAST)
        rows.extend([*found[:-1], tuple(last)])

    for name, args in messages:
        if name == "trade":
            recv, ts, trade_id, px, size, side, flags = args
            one = (recv, ts, trade_id, INSTRUMENT.ticks(px), INSTRUMENT.lots(size), 0)
            rows.append((*one, Kind.TRADE, flags | Flag.LAST, side, 0))
        elif name == "book":
            level_rows(*args, head=[])
        elif name == "snapshot":
            recv, ts, seq = args[:3]
            level_rows(*args, head=[(recv, ts, seq, 0, 0, 0, Kind.SNAPSHOT, 0, 0, 0)])
        elif name == "status":
            recv, ts, channel, trust, *reason = args
            aux = int(trust) | int(reason[0] if reason else 0) << 8
            rows.append((recv, ts, 0, 0, 0, aux, Kind.STATUS, int(Flag.LAST), 0, channel))
        elif name == "hole":
            rows.append((*args[:3], 0, args[3], 0, Kind.HOLE, int(Flag.LAST), 0, 0))
        elif name == "clock":
            rows.append((*args, 0, 0, 0, 0, Kind.CLOCK, int(Flag.LAST), 0, 0))
        elif name == "liquidation":
            recv, ts, px, size, side = args
            one = (recv, ts, 0, INSTRUMENT.ticks(px), INSTRUMENT.lots(size), 0)
            rows.append((*one, Kind.LIQUIDATION, int(Flag.LAST), side, 0))
        elif name == "reading":
            recv, ts, kind, value, due = args
            mantissa, decimals = to_decimal(kind, value)
            rows.append((recv, ts, due, mantissa, 0, decimals, kind, int(Flag.LAST), 0, 0))
        elif name == "day_volume":
            rows.append((args[0], args[1], 0, 0, INSTRUMENT.lots(args[2]), 0, Kind.DAY_VOLUME, int(Flag.LAST), 0, 0))
    return np.array(rows, ROW)


def message_cuts(rows: Rows, cut: Callable[[], int]) -> list[Rows]:
    """The rows in pieces of `cut()` messages each (0 is possible)."""
    ends = (np.flatnonzero(rows["flags"] & Flag.LAST) + 1).tolist()
    pieces, start, done = [], 0, 0
    while done < len(ends):
        done = min(len(ends), done + cut())
        stop = ends[done - 1] if done else 0
        pieces.append(rows[start:stop])
        start = stop
    return pieces


class Recorder:
    """A sampler that keeps every value it reads, as exact hexadecimal text."""

    def __init__(self, text: str, every: int = 1_000_000_000) -> None:
        self.metrics: tuple[Metric, ...] = tuple(parse_metrics(text))
        self.every = every
        self.read: list[tuple[Any, ...]] = []

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        columns = [[float(v).hex() for v in reader.values(metric, times)] for metric in self.metrics]
        book, trades = reader.trust(times)
        self.read += zip(times.tolist(), *columns, book, trades, strict=True)


def fold_rows(pieces: list[Rows], recorder: Recorder) -> Market:
    """A market that was given the rows in these pieces."""
    market = Market(INSTRUMENT, [recorder])
    for piece in pieces:
        market.apply(piece)
    market.finish()
    return market
