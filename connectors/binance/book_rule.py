"""Binance's depth sequence as a rule of the live machinery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from connectors.binance import depth_sync
from connectors.binance.depth_sync import DepthSync
from connectors.binance.messages import Depth, MarketType, Snapshot
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason

_GAP = Broken(Reason.SEQUENCE_GAP)


class DepthRule:
    """A `connectors.live.wire.SnapshotRule` over `DepthSync`."""

    def __init__(self, market: MarketType) -> None:
        self._sync = DepthSync(market)

    @property
    def synced(self) -> bool:
        """See BookRule."""
        return self._sync.synced

    def take(self, message: object) -> Verdict:
        """See BookRule: the delta behind a gap is kept, for it already starts the next buffer."""
        d = cast(Depth, message)
        step = self._sync.delta(d)
        if step is depth_sync.Step.APPLY:
            return (_update(d),)
        if step is depth_sync.Step.GAP:
            return _GAP
        return Step.BUFFERED if step is depth_sync.Step.BUFFERED else Step.OLD

    def reset(self) -> None:
        """See BookRule."""
        self._sync.reset()

    def join(self, snapshot: Update) -> Sequence[Update] | None:
        """See SnapshotRule."""
        follow = self._sync.snapshot(Snapshot(snapshot.seq, [], []))
        return None if follow is None else [_update(d) for d in follow]


def _update(d: Depth) -> Update:
    return Update(d.ts, d.last, d.bids, d.asks)
