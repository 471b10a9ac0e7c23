"""The health file: how a watcher stands, replaced as a whole every few seconds, for whoever supervises it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.view import EngineView, MarketView

if TYPE_CHECKING:
    from tui.delivery.courier import SinkStatus
    from tui.delivery.notification import Notification

#: A market whose newest row is older than this is not healthy, s.
STALE_S = 30.0
#: A field may be added under the same number, not taken away or given another meaning.
SCHEMA = 1
_SOUND = ("LIVE", "UNVERIFIABLE", "NONE")


def picture(
    now: int,
    started: int,
    state: str,
    asked: Sequence[str],
    views: Sequence[MarketView],
    overview: EngineView,
    sinks: Sequence[SinkStatus],
    last: Notification | None,
    told: int,
    failures: Sequence[str],
    live: bool,
) -> dict[str, Any]:
    """What the file says. Times are ISO 8601 in UTC, ages in seconds; `now` and `started` are wall time in ns. `ok`
    is true when every market is open, sound and fresh, and no sink fails."""
    markets: dict[str, Any] = dict.fromkeys(asked)
    firing = {summary.market: summary.firing for summary in overview.markets}
    for view in views:
        age = max(0.0, (now - view.recv) / 1e9) if live and view.recv else None
        markets[view.instrument.market] = {
            "age_s": None if age is None else round(age, 1),
            "clock": _iso(view.t) if view.t else None,
            "book": view.book.state,
            "book_reason": view.book.reason,
            "trades": view.trades.state,
            "trades_reason": view.trades.reason,
            "firing": firing.get(view.instrument.market, 0),
        }
    fine = all(
        market is not None
        and market["book"] in _SOUND
        and market["trades"] in _SOUND
        and (market["age_s"] is None or market["age_s"] <= STALE_S)
        for market in markets.values()
    )
    return {
        "schema": SCHEMA,
        "ok": state == "running" and bool(markets) and fine and not failures and not any(s.problem for s in sinks),
        "state": state,
        "time": _iso(now),
        "pid": os.getpid(),
        "started": _iso(started),
        "uptime_s": round((now - started) / 1e9, 1),
        "markets": markets,
        "alerts": {
            "told": told,
            "last": None
            if last is None
            else {
                "time": _iso(last.t),
                "event": last.kind,
                "rule": last.rule,
                "market": last.market,
                "text": last.text,
            },
        },
        "sinks": [_sink(status, now) for status in sinks],
        "engine": {"lag_ms": round(overview.lag_ms, 1), "events_per_s": round(overview.events_per_s, 1)},
        "failures": list(failures),
    }


def write_health(path: Path, told: dict[str, Any]) -> None:
    """Replace the file: a reader sees the old or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(json.dumps(told, indent=2).encode("ascii") + b"\n")
        os.chmod(temporary, 0o644)  # supervisors run as somebody else
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sink(status: SinkStatus, now: int) -> dict[str, Any]:
    told: dict[str, Any] = asdict(status)
    oldest = told.pop("oldest")
    told["oldest_s"] = None if oldest is None else round(max(0.0, now / 1e9 - oldest), 1)
    return told


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
