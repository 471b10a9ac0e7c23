"""Keeping checkpoints: markets that go on from the last one, and new ones taken while they run.

Nothing that a store or a file does may stop a market: what cannot be used is set aside and said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.checkpoint import CheckpointError, Store, check, checkpoint_of, pack, resume, seal, unpack
from engine.market import Market
from engine.metrics.calculator import State

Notice = Callable[[str, str], None]  # source, text


class Keeper:
    """Checkpoints of the markets of one run in one store."""

    def __init__(self, store: Store, notice: Notice) -> None:
        self._store = store
        self._notice = notice
        #: What the alerts of a market stood at, from checkpoints that were read; also of an earlier session.
        self.alerts: dict[str, State] = {}

    def resumed(self, make: Callable[[], Market], now: int) -> Market | None:
        """A market made by `make` that goes on from its checkpoint; None when there is none to go on from at wall
        time `now` (ns): then a market made so must be used as it is."""
        market = make()
        name = market.instrument.market
        try:
            data = self._store.load(name)
        except OSError as error:
            self._notice(name, f"its checkpoint can't be read: {_reason(error)}; its metrics begin anew")
            return None
        if data is None:
            return None
        try:
            checkpoint = unpack(data)
            same_session = check(checkpoint, market, now)
            if isinstance(checkpoint.state.get("alerts"), dict):
                self.alerts[name] = checkpoint.state["alerts"]
            if not same_session:
                return None
            resume(market, checkpoint)
        except CheckpointError as error:
            self._set_aside(name, str(error))
            return None
        at = datetime.fromtimestamp(checkpoint.clock / 1e9, UTC).strftime("%H:%M:%S")
        ago = max(0, round((now - checkpoint.clock) / 1e9))
        self._notice(name, f"goes on from its checkpoint of {at} UTC, {ago} s ago (--fresh begins anew)")
        return market

    def _set_aside(self, name: str, reason: str) -> None:
        try:
            where = self._store.set_aside(name, reason)
        except OSError as error:
            where = None
            reason += f"; it can't be put aside either: {_reason(error)}"
        kept = f", it is kept as {where}" if where else ""
        self._notice(name, f"its checkpoint is not used: {reason}{kept}; its metrics begin anew")

    def take(self, market: Market, alerts: Callable[[], State | None] = lambda: None) -> Taken | None:
        """A checkpoint of the market as it is now, with what its alerts stand at; None when there is nothing to keep
        yet."""
        if not market.t:
            return None
        checkpoint = checkpoint_of(market)  # folds what came
        if (state := alerts()) is not None:
            checkpoint.state["alerts"] = state
        return Taken(self._store, market.instrument.market, *pack(checkpoint))


@dataclass(frozen=True)
class Taken:
    """A checkpoint that waits to be written."""

    store: Store
    market: str
    head: bytes
    body: bytes

    def write(self) -> str | None:
        """Write it; may run in another thread. Returns what is wrong when that fails."""
        try:
            self.store.save(self.market, seal(self.head, self.body))
        except OSError as error:
            return f"its checkpoint can't be written: {_reason(error)}; a restart would begin anew"
        return None


def _reason(error: OSError) -> str:
    return str(error.strerror or error)[:200]
