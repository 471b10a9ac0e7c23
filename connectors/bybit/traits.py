"""What the shared machinery must know of Bybit. Nothing in it differs between the categories."""

from __future__ import annotations

from typing import Final

from connectors.live.venue import Traits

#: Ids of trades are UUIDs, or (spot) numbers that all markets share; `u` proves every book message.
TRAITS: Final = Traits(consecutive_ids=False, markets_a_socket=100, between_requests=0.1)
