"""The tape: one ordered, columnar log of everything a market told us.

Rows are the canonical carrier. They stand in arrival order and are never re-sorted; the market's
clock is the running maximum of ``ts``. Prices are in ticks and sizes in lots of the instrument
that heads the tape, so sums never drift and equality is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codes import NO_ASK, NO_BID, NOT_COUNTED, READINGS, REASON_TEXT, Channel, Flag, Kind, Reason, Trust

Rows = NDArray[np.void]
Ints = NDArray[np.int64]

#: recv, ts: receive and exchange time, ns since the Unix epoch (recv only serves latency and staleness);
#: id: trade id, or the sequence number of a book message; px: ticks; qty: lots; aux: see ``Kind``.
ROW = np.dtype(
    [
        ("recv", "<i8"),
        ("ts", "<i8"),
        ("id", "<i8"),
        ("px", "<i8"),
        ("qty", "<i8"),
        ("aux", "<i4"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("side", "i1"),
        ("channel", "u1"),
    ]
)

__all__ = [
    "NOT_COUNTED",
    "NO_ASK",
    "NO_BID",
    "READINGS",
    "REASON_TEXT",
    "ROW",
    "Channel",
    "Flag",
    "Ints",
    "Kind",
    "Reason",
    "Rows",
    "Trust",
    "clock_row",
    "hole_row",
    "row",
    "rows_of",
    "status_row",
]


def rows_of(n: int) -> Rows:
    """`n` zeroed rows."""
    return np.zeros(n, ROW)


def row(kind: Kind, recv: int, ts: int, **fields: Any) -> Rows:
    """One row; `flags` defaults to LAST."""
    r = np.zeros(1, ROW)
    r["kind"], r["recv"], r["ts"], r["flags"] = kind, recv, ts, Flag.LAST
    for name, value in fields.items():
        r[name] = value
    return r


def status_row(
    recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
) -> Rows:
    """A change of trust of one channel."""
    return row(Kind.STATUS, recv, ts, channel=channel, aux=int(trust) | int(reason) << 8, qty=percent)


def hole_row(recv: int, ts: int, first_id: int, count: int) -> Rows:
    """`count` trades from `first_id` on never arrived (-1: an unknown number)."""
    return row(Kind.HOLE, recv, ts, channel=Channel.TRADES, id=first_id, qty=count)


def clock_row(recv: int, ts: int) -> Rows:
    """Nothing happened until `ts`."""
    return row(Kind.CLOCK, recv, ts)
