"""The mid in force, by walking the events one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.metrics.batch import NO_ASK, NO_BID
from tests.engine.metrics.cuts import Event, Touch


def mid_after(events: Iterable[Event]) -> tuple[int, int] | None:
    """(bid + ask, epoch) after these events; None: there is no mid."""
    twice, epoch = 0, None
    for event in events:
        if not isinstance(event, Touch):
            continue
        if event.epoch != epoch:
            twice, epoch = 0, event.epoch
        if event.valid:
            two_sided = event.bid != NO_BID and event.ask != NO_ASK
            twice = event.bid + event.ask if two_sided else 0
    return (twice, epoch) if twice and epoch is not None else None


def mid_at(events: Sequence[Event], t: int) -> tuple[int, int] | None:
    """As `mid_after`, of all events with clock <= t."""
    return mid_after(e for e in events if e.t <= t)


def with_epochs(events: Sequence[Event], every: int) -> list[Event]:
    """The same events with a new epoch after so many touches."""
    out: list[Event] = []
    seen = 0
    for event in events:
        if isinstance(event, Touch):
            seen += 1
            event = Touch(
                event.t, event.bid, event.bid_qty, event.ask, event.ask_qty, event.valid, seen // every, event.sums
            )
        out.append(event)
    return out
