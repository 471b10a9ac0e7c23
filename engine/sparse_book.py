"""The order book of a market without a fixed tick: prices are far apart on a very fine grid.

A dictionary per side; the best price is kept, everything else is sorted when read.
"""

from __future__ import annotations

import numpy as np

from engine.book import Touch
from engine.feed import Levels
from engine.instrument import Instrument, OffGridError
from engine.known_depth import KnownDepth
from engine.tape import NO_ASK, NO_BID, Ints

#: Prices remembered: a market's come again and again, a hostile venue's might not.
_REMEMBERED = 1 << 16


class _Ticks(dict[str, int]):
    """Price text to ticks, remembered. Raises OffGridError."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__()
        self._of = instrument.ticks

    def __missing__(self, text: str) -> int:
        value = self._of(text)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = value
        return value


class SparseBook(KnownDepth):
    """Same behaviour as `engine.book.TickBook`, for any distance between prices."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.trusted = True
        self._ticks = _Ticks(instrument)
        self._bids: dict[int, float] = {}
        self._asks: dict[int, float] = {}
        self.best_bid = NO_BID
        self.best_ask = NO_ASK
        self._inverse_lot = float(1 / instrument.lot)

    # ---- writing

    def clear(self) -> None:
        """Forget everything; not valid until the next snapshot."""
        self.loaded = False
        self._reach = (None, None)
        self._bids.clear()
        self._asks.clear()
        self.best_bid, self.best_ask = NO_BID, NO_ASK

    def replace(self, bids: Levels, asks: Levels) -> None:
        """A snapshot from text levels. Raises OffGridError with the book cleared."""
        ticks = self._ticks.__getitem__
        try:
            self.replace_ticks(
                [ticks(px) for px, _ in bids],
                [size for _, size in bids],
                [ticks(px) for px, _ in asks],
                [size for _, size in asks],
            )
        except OffGridError:
            self.clear()
            raise

    def replace_ticks(self, bid_px: list[int], bid_size: list[float], ask_px: list[int], ask_size: list[float]) -> None:
        """A snapshot from ticks and wire sizes."""
        self.clear()
        self._bids.update((px, size) for px, size in zip(bid_px, bid_size, strict=True) if size)
        self._asks.update((px, size) for px, size in zip(ask_px, ask_size, strict=True) if size)
        self.best_bid = max(self._bids, default=NO_BID)
        self.best_ask = min(self._asks, default=NO_ASK)
        self._reach = min(bid_px, default=None), max(ask_px, default=None)
        self.loaded = True

    def update(self, bids: Levels, asks: Levels) -> Touch:
        """Absolute sizes of changed levels from text; the touch after them. Raises OffGridError: the caller must
        then clear."""
        ticks = self._ticks.__getitem__
        return self.update_ticks(
            [1] * len(bids) + [-1] * len(asks),
            [ticks(px) for px, _ in bids] + [ticks(px) for px, _ in asks],
            [size for _, size in bids] + [size for _, size in asks],
        )

    def update_ticks(self, sides: list[int], prices: list[int], sizes: list[float]) -> Touch:
        """Absolute wire sizes of changed levels, from ticks; the touch after them."""
        for sign, px, size in zip(sides, prices, sizes, strict=True):
            levels = self._bids if sign > 0 else self._asks
            if size:
                levels[px] = size
            else:
                levels.pop(px, None)
            if sign > 0:
                if size and px > self.best_bid:
                    self.best_bid = px
                elif not size and px == self.best_bid:
                    self.best_bid = max(levels, default=NO_BID)
            elif size and px < self.best_ask:
                self.best_ask = px
            elif not size and px == self.best_ask:
                self.best_ask = min(levels, default=NO_ASK)
        return self.touch()

    def recentre(self) -> None:
        """A dictionary has no window to move."""

    # ---- reading

    @property
    def crossed(self) -> bool:
        """Best bid at or above best ask."""
        return self.best_bid != NO_BID and self.best_ask != NO_ASK and self.best_bid >= self.best_ask

    @property
    def valid(self) -> bool:
        """See BookReader."""
        return self.loaded and self.trusted and not self.crossed

    def touch(self) -> Touch:
        """The best level of each side."""
        bid, ask = self.best_bid, self.best_ask
        return bid, self._bids.get(bid, 0.0), ask, self._asks.get(ask, 0.0)

    @property
    def bid_qty(self) -> int:
        """Lots at the best bid."""
        return round(self.touch()[1] * self._inverse_lot)

    @property
    def ask_qty(self) -> int:
        """Lots at the best ask."""
        return round(self.touch()[3] * self._inverse_lot)

    def levels(self, side: int, count: int | None = None, until: int | None = None) -> tuple[Ints, Ints]:
        """See BookReader."""
        held = self._bids if side > 0 else self._asks
        prices = sorted(held, reverse=side > 0)[:count]
        if until is not None:
            prices = [px for px in prices if (px >= until if side > 0 else px <= until)]
        sizes = np.array([held[px] for px in prices])
        return np.array(prices, np.int64), np.rint(sizes * self._inverse_lot).astype(np.int64)

    def lots_at(self, side: int, px: int) -> int:
        """Lots resting at a price (ticks) of a side."""
        return round((self._bids if side > 0 else self._asks).get(px, 0.0) * self._inverse_lot)

    def top_sums(self, count: int) -> tuple[int, int]:
        """Lots on the first `count` levels of the bids and of the asks."""
        return int(self.levels(1, count)[1].sum()), int(self.levels(-1, count)[1].sum())

    def size(self, side: int) -> int:
        """Number of levels of a side."""
        return len(self._bids if side > 0 else self._asks)
