"""What the shared machinery must know of Bybit."""

from __future__ import annotations

from typing import Final

from connectors.live.venue import Traits

#: Ids of trades are UUIDs, or (spot) numbers that all markets share; `u` proves every book message.
SPOT: Final = Traits(consecutive_ids=False, between_requests=0.1)
CONTRACTS: Final = Traits(consecutive_ids=False, between_requests=0.1, figures=True, liquidations=True)


def traits_of(category: str) -> Traits:
    """Of a category."""
    return SPOT if category == "spot" else CONTRACTS
