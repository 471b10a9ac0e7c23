"""The order book of one market on a fixed tick grid: two dense sides (`engine.book_side`), updated and read together.

Sizes are held as the venue wrote them and become lots when read.
"""

from __future__ import annotations

import numpy as np

from engine.book_side import MEMORY, WINDOW, BookSide
from engine.feed import Levels
from engine.instrument import Instrument, OffGridError
from engine.known_depth import KnownDepth
from engine.tape import NO_ASK, NO_BID, Ints

#: Best bid (ticks), its size as the venue quotes it, best ask, its size; NO_BID or NO_ASK with size 0 for no level.
Touch = tuple[int, float, int, float]


class TickBook(KnownDepth):
    """Order book on a fixed tick grid. Implements `engine.metrics.spec.BookReader`."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.bids = BookSide(instrument, 1)
        self.asks = BookSide(instrument, -1)
        self.trusted = True  # the owner may withdraw trust without emptying the book
        self._inverse_lot = float(1 / instrument.lot)

    # ---- writing

    def clear(self) -> None:
        """Forget everything; not valid until the next snapshot."""
        self.loaded = False
        self._reach = (None, None)
        self.bids.reset(0)
        self.asks.reset(0)

    def replace(self, bids: Levels, asks: Levels) -> None:
        """A snapshot from text levels. Raises OffGridError with the book cleared."""
        bid_ticks, ask_ticks = self.bids.ticks_of, self.asks.ticks_of
        try:
            self.replace_ticks(
                [bid_ticks(px) for px, _ in bids],
                [size for _, size in bids],
                [ask_ticks(px) for px, _ in asks],
                [size for _, size in asks],
            )
        except OffGridError:
            self.clear()
            raise
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for text, _ in levels[: MEMORY // 2]:
                side.slot_of(text)  # the next updates name the same prices

    def replace_ticks(self, bid_px: list[int], bid_size: list[float], ask_px: list[int], ask_size: list[float]) -> None:
        """A snapshot from ticks and wire sizes."""
        self.clear()
        for side, prices, sizes in ((self.bids, bid_px, bid_size), (self.asks, ask_px, ask_size)):
            if prices:
                side.reset(max(prices) if side.sign > 0 else min(prices))
                for px, size in zip(prices, sizes, strict=True):
                    slot = side.slot_at(px)  # first: it may give the side longer arrays
                    side.sizes[slot] = size
                side.best = side.next_best(0)
                side.settle()
        self._reach = min(bid_px, default=None), max(ask_px, default=None)
        self.loaded = True

    def update(self, bids: Levels, asks: Levels) -> Touch:
        """Absolute sizes of changed levels from text; the touch after them. Raises OffGridError: the caller must
        then clear."""
        # The two loops are written out: this is the hottest code there is.
        bid_side = self.bids
        slots, sizes, best = bid_side.slots, bid_side.sizes, bid_side.best
        levels, px, size = iter(bids), "", 0.0
        while True:
            try:
                for px, size in levels:
                    i = slots[px]
                    sizes[i] = size
                    if i < best and size:
                        best = i
                break
            except KeyError:  # a price text not seen lately
                i = bid_side.slot_of(px)
                sizes = bid_side.sizes
                sizes[i] = size
                if i < best and size:
                    best = i
        bid_wire = sizes[best]
        if not bid_wire:
            best = bid_side.next_best(best)
            bid_wire = sizes[best]
        bid_side.best = best
        ask_side = self.asks
        slots, ask_sizes, ask_best = ask_side.slots, ask_side.sizes, ask_side.best
        levels = iter(asks)
        while True:
            try:
                for px, size in levels:
                    i = slots[px]
                    ask_sizes[i] = size
                    if i < ask_best and size:
                        ask_best = i
                break
            except KeyError:
                i = ask_side.slot_of(px)
                ask_sizes = ask_side.sizes
                ask_sizes[i] = size
                if i < ask_best and size:
                    ask_best = i
        ask_wire = ask_sizes[ask_best]
        if not ask_wire:
            ask_best = ask_side.next_best(ask_best)
            ask_wire = ask_sizes[ask_best]
        ask_side.best = ask_best
        if best >= WINDOW or ask_best >= WINDOW or bid_side.outer or ask_side.outer:
            self._settle()
            return self.touch()
        return bid_side.edge - best, bid_wire, ask_side.edge + ask_best, ask_wire

    def _settle(self) -> None:
        """Find a best level again that the update loop could not know."""
        for side in (self.bids, self.asks):
            if side.best >= WINDOW or side.outer:
                side.settle()

    def update_ticks(self, sides: list[int], prices: list[int], sizes: list[float]) -> Touch:
        """Absolute wire sizes of changed levels, from ticks; the touch after them."""
        bids, asks = self.bids, self.asks
        bid_edge, ask_edge = bids.edge, asks.edge
        bid_sizes, ask_sizes = bids.sizes, asks.sizes
        bid_best, ask_best = bids.best, asks.best
        for sign, px, size in zip(sides, prices, sizes, strict=True):
            if sign > 0:
                i = bid_edge - px
                if not 0 <= i < WINDOW:
                    i = bids.slot_at(px)
                    bid_sizes = bids.sizes
                bid_sizes[i] = size
                if i < bid_best and size:
                    bid_best = i
            else:
                i = px - ask_edge
                if not 0 <= i < WINDOW:
                    i = asks.slot_at(px)
                    ask_sizes = asks.sizes
                ask_sizes[i] = size
                if i < ask_best and size:
                    ask_best = i
        bids.best = bid_best if bid_sizes[bid_best] else bids.next_best(bid_best)
        asks.best = ask_best if ask_sizes[ask_best] else asks.next_best(ask_best)
        if bids.best >= WINDOW or asks.best >= WINDOW or bids.outer or asks.outer:
            self._settle()
        return self.touch()

    def recentre(self) -> None:
        """Let the windows follow the price; called between messages now and then."""
        self.bids.recentre()
        self.asks.recentre()

    # ---- reading

    def touch(self) -> Touch:
        """The best level of each side."""
        bids, asks = self.bids, self.asks
        bid, bid_wire, ask, ask_wire = NO_BID, 0.0, NO_ASK, 0.0
        if bids.best < WINDOW:
            bid, bid_wire = bids.edge - bids.best, bids.sizes[bids.best]
        if asks.best < WINDOW:
            ask, ask_wire = asks.edge + asks.best, asks.sizes[asks.best]
        return bid, bid_wire, ask, ask_wire

    @property
    def crossed(self) -> bool:
        """Best bid at or above best ask."""
        bid, _, ask, _ = self.touch()
        return bid >= ask

    @property
    def valid(self) -> bool:
        """See BookReader."""
        return self.loaded and self.trusted and not self.crossed

    @property
    def best_bid(self) -> int:
        """Ticks, or NO_BID."""
        return self.touch()[0]

    @property
    def best_ask(self) -> int:
        """Ticks, or NO_ASK."""
        return self.touch()[2]

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
        prices, sizes = (self.bids if side > 0 else self.asks).levels(count, until)
        return prices, np.rint(sizes * self._inverse_lot).astype(np.int64)

    def lots_at(self, side: int, px: int) -> int:
        """Lots resting at a price (ticks) of a side."""
        levels = self.bids if side > 0 else self.asks
        return round(levels.wire_at(px) * self._inverse_lot)

    def top_sums(self, count: int) -> tuple[int, int]:
        """Lots on the first `count` non-empty levels of the bids and of the asks."""
        inverse = self._inverse_lot
        out = []
        for side in (self.bids, self.asks):
            sizes, i, left, total = side.sizes, side.best, count, 0
            end = min(WINDOW, i + 256)
            while left and i < end:
                if sizes[i]:
                    total += round(sizes[i] * inverse)
                    left -= 1
                i += 1
            if left and i < WINDOW:  # sparse: the vector read finds the rest
                total = int(np.rint(side.levels(count, None)[1] * inverse).sum())
            out.append(total)
        return out[0], out[1]

    def size(self, side: int) -> int:
        """Number of non-empty levels of a side."""
        return len((self.bids if side > 0 else self.asks).occupied())
