"""How far from the touch a book is known: what its snapshot reached, or what the venue's stream holds."""

from __future__ import annotations

from abc import ABC, abstractmethod

from engine.instrument import Instrument
from engine.tape import Ints


class KnownDepth(ABC):
    """The horizon of a book. Beyond it levels may rest that nobody told us of, so sums are lower bounds there.

    A stream of every change reaches as far as the snapshot it began with. One of the best N levels moves with the
    touch: what left it is forgotten, so beyond the Nth level nothing is known. One of the whole book has no horizon.
    Of one whose reach nobody tells (`book_depth` below 0) nothing is known beyond the last level there is.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.loaded = False  # a snapshot has been taken since the last loss
        self._reach: tuple[int | None, int | None] = (None, None)  # of the snapshot: lowest bid, highest ask

    @abstractmethod
    def levels(self, side: int, count: int | None = None, until: int | None = None) -> tuple[Ints, Ints]:
        """See `engine.metrics.spec.BookReader`."""

    @property
    def known_low(self) -> int | None:
        """See BookReader."""
        return self._horizon(1)

    @property
    def known_high(self) -> int | None:
        """See BookReader."""
        return self._horizon(-1)

    def _horizon(self, side: int) -> int | None:
        depth = self.instrument.book_depth
        if depth is None:
            return self._reach[0 if side > 0 else 1]
        if not depth or not self.loaded:
            return None
        if depth < 0:
            prices = self.levels(side)[0]
            return int(prices[-1]) if len(prices) else None
        prices = self.levels(side, depth)[0]
        return int(prices[-1]) if len(prices) >= depth else None
