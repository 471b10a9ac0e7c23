"""What the shared machinery must know of Hyperliquid."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connectors.live.venue import Traits
from engine.codes import Reason, Trust

#: Books bear no number, so that none is missing can't be proven; ids of trades are unique without an order. Every
#: subscription is a frame of its own, of which 2,000 a minute may be sent.
SPOT: Final = Traits(
    consecutive_ids=False, book_trust=Trust.UNVERIFIABLE, book_reason=Reason.NO_SEQUENCE, between_requests=0.05
)
#: Liquidations are not told in public.
PERPETUALS: Final = replace(SPOT, figures=True)


def traits_of(section: str) -> Traits:
    """Of perpetuals (`perp`) or spot."""
    return SPOT if section == "spot" else PERPETUALS
