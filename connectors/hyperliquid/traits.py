"""What the shared machinery must know of Hyperliquid. Nothing in it differs between perpetuals and spot."""

from __future__ import annotations

from typing import Final

from connectors.live.venue import Traits
from engine.codes import Reason, Trust

#: Books bear no number, so that none is missing can't be proven; ids of trades are unique without an order. Every
#: subscription is a frame of its own, of which 2,000 a minute may be sent.
TRAITS: Final = Traits(
    consecutive_ids=False,
    book_trust=Trust.UNVERIFIABLE,
    book_reason=Reason.NO_SEQUENCE,
    markets_a_socket=100,
    between_requests=0.05,
)
