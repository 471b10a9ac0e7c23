"""The order book of one market: a dense tick-indexed ladder per side, and a spill for far levels.

Slots count from the better end of a side's window, so on both sides a smaller slot is a better
price. The scalar update loop writes numpy's memory through a memoryview: single messages stay cheap
(20 % cheaper than through `array.array`), and depth, walks and top-N are vector reads. Sizes are held
exactly as the venue wrote them (they are set, never accumulated) and become lots when read.

Price text is mapped to its slot once and remembered; that is where a price off the grid is found.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from engine.feed import Levels
from engine.instrument import MAX_UNITS, Instrument, OffGridError
from engine.tape import NO_ASK, NO_BID, Ints

#: Slots of a side's window, and where its best price is put when the window moves.
WINDOW = 1 << 16
HOME = WINDOW // 4
#: The window moves when the best price is nearer than this to the better end, or farther than that.
NEAR, FAR = WINDOW // 32, WINDOW // 2
#: Remembered price texts per side (bounds memory; the map is rebuilt from scratch when full).
MEMORY = 1 << 15
SPILL = 1 << 12
#: Best bid (ticks), its size as the venue quotes it, best ask, its size; NO_BID or NO_ASK with size 0 for no level.
Touch = tuple[int, float, int, float]


class BookSide:
    """One side of the ladder. `sign` is +1 for bids, -1 for asks.

    `sizes[0:WINDOW]` is the window, `sizes[WINDOW]` a sentinel that stops scans, the rest the spill.
    `best` is the slot of the best level; WINDOW when the side is empty.
    """

    __slots__ = (
        "_far",
        "_instrument",
        "_inverse",
        "_spill_px",
        "best",
        "edge",
        "outer",
        "sign",
        "sizes",
        "slots",
        "view",
    )

    def __init__(self, instrument: Instrument, sign: int) -> None:
        self._instrument = instrument
        self._inverse = float(1 / instrument.tick)
        self.sign = sign
        self.slots: dict[str, int] = {}
        self.edge = 0  # price (ticks) of slot 0
        self._clear(SPILL)

    def _clear(self, spill: int) -> None:
        self.view: NDArray[np.float64] = np.zeros(WINDOW + 1 + spill)
        self.sizes: memoryview[float] = memoryview(self.view)  # type: ignore[arg-type]
        self.sizes[WINDOW] = 1.0
        self.slots.clear()
        self._far: dict[int, int] = {}  # price -> spill slot
        self._spill_px: list[int] = []  # price of each spill slot in use
        self.outer = False  # a price better than the window has a spill slot
        self.best = WINDOW

    # ---- writing

    def reset(self, best_px: int) -> None:
        """Empty the side and put its window where `best_px` (ticks) is at home."""
        if self.best != WINDOW or self._spill_px or self.slots:
            self._clear(SPILL)
        self.edge = best_px + self.sign * HOME

    def ticks_of(self, text: str) -> int:
        """Price text to ticks. Raises OffGridError."""
        try:
            scaled = float(text) * self._inverse
            px = round(scaled)
        except (ValueError, OverflowError):
            return self._instrument.ticks(text)  # says what is wrong with it
        if abs(scaled - px) > 1e-6 or not 0 <= px < MAX_UNITS:
            return self._instrument.ticks(text)
        return px

    def slot_of(self, text: str) -> int:
        """Slot of a price as text, remembered. Raises OffGridError."""
        try:
            scaled = float(text) * self._inverse
            px = round(scaled)
            if not -1e-6 < scaled - px < 1e-6 or not 0 <= px < MAX_UNITS:
                px = self._instrument.ticks(text)
        except (ValueError, OverflowError):
            px = self._instrument.ticks(text)  # says what is wrong with it
        slot = (self.edge - px) * self.sign
        if not 0 <= slot < WINDOW:
            slot = self.slot_at(px)
            if self.outer:
                return slot  # a better price than the window must be noticed every time
        if len(self.slots) >= MEMORY:
            self.slots.clear()
        self.slots[text] = slot
        return slot

    def slot_at(self, px: int) -> int:
        """Slot of a price in ticks; a far price gets one in the spill."""
        slot = (self.edge - px) * self.sign
        if 0 <= slot < WINDOW:
            return slot
        found = self._far.get(px)
        if found is None:
            found = WINDOW + 1 + len(self._spill_px)
            if found >= len(self.sizes):
                self._grow()
                found = WINDOW + 1 + len(self._spill_px)
            self._far[px] = found
            self._spill_px.append(px)
        if slot < 0:
            self.outer = True
        return found

    def _grow(self) -> None:
        """The spill is full: double it (texts keep their slots)."""
        self.view = np.concatenate((self.view, np.zeros(len(self.view) - WINDOW)))
        self.sizes = memoryview(self.view)  # type: ignore[arg-type]

    def settle(self) -> None:
        """After the message: find the best level again where the update loop could not know it."""
        px = self._best_far()
        if px is not None and (self.best >= WINDOW or (px - self.px(self.best)) * self.sign > 0):
            self.move(px)
        else:
            self.outer = False

    def _best_far(self) -> int | None:
        used = [px * self.sign for px, slot in self._far.items() if self.sizes[slot]]
        return max(used) * self.sign if used else None

    def next_best(self, slot: int) -> int:
        """The first non-empty slot from `slot` on (WINDOW: none in the window)."""
        sizes = self.sizes
        for i in range(slot, min(slot + 64, WINDOW)):
            if sizes[i]:
                return i
        start, width = slot + 64, 512
        while start < WINDOW:
            hits = np.flatnonzero(self.view[start : min(start + width, WINDOW)])
            if len(hits):
                return start + int(hits[0])
            start += width
            width *= 8
        return WINDOW

    def move(self, best_px: int) -> None:
        """Put the window where `best_px` is at home, keeping every level."""
        held = self.occupied()
        self._clear(max(SPILL, 2 * len(held)))
        self.edge = best_px + self.sign * HOME
        for px, size in held:
            self.sizes[self.slot_at(px)] = size
        self.outer = False
        self.best = self.next_best(0)

    def recentre(self) -> None:
        """Move the window when the best price has drifted; called between messages."""
        if self.best < NEAR or FAR < self.best < WINDOW:
            self.move(self.px(self.best))
        elif len(self._spill_px) > 8 * SPILL:
            self.move(self.px(self.best) if self.best < WINDOW else self.edge - self.sign * HOME)

    def occupied(self) -> list[tuple[int, float]]:
        """(price, size) of every level, in no order."""
        window = np.flatnonzero(self.view[:WINDOW])
        prices = self.edge - self.sign * window
        near = list(zip(prices.tolist(), self.view[window].tolist(), strict=True))
        return near + [(px, self.sizes[slot]) for px, slot in self._far.items() if self.sizes[slot]]

    # ---- reading

    def wire_at(self, px: int) -> float:
        """Size at a price in ticks, as the venue quotes it."""
        slot = (self.edge - px) * self.sign
        if not 0 <= slot < WINDOW:
            far = self._far.get(px)
            return 0.0 if far is None else self.sizes[far]
        return self.sizes[slot]

    def px(self, slot: int) -> int:
        """Price in ticks of a window slot."""
        return self.edge - self.sign * slot

    def levels(self, count: int | None, until: int | None) -> tuple[Ints, NDArray[np.float64]]:
        """(prices, wire sizes) best first; see BookReader.levels."""
        if self.best >= WINDOW:
            return np.empty(0, np.int64), np.empty(0)
        end = WINDOW
        if until is not None:
            end = min(WINDOW, (self.edge - until) * self.sign + 1)
        start, width, parts, found = self.best, 256, [], 0
        while start < end and (count is None or found < count):
            stop = min(start + width, end)
            hits = np.flatnonzero(self.view[start:stop]) + start
            parts.append(hits)
            found += len(hits)
            start, width = stop, width * 8
        slots = np.concatenate(parts) if parts else np.empty(0, np.int64)
        if count is not None:
            slots = slots[:count]
        prices, sizes = self.edge - self.sign * slots, self.view[slots]
        if end == WINDOW and (count is None or len(slots) < count) and self._far:
            far = sorted((-px * self.sign, self.sizes[slot]) for px, slot in self._far.items() if self.sizes[slot])
            if until is not None:
                far = far[: bisect_left(far, (-until * self.sign + 1, 0.0))]
            if count is not None:
                far = far[: count - len(slots)]
            if far:
                prices = np.concatenate((prices, [-key * self.sign for key, _ in far]))
                sizes = np.concatenate((sizes, [size for _, size in far]))
        return prices, sizes


class TickBook:
    """Order book on a fixed tick grid. Implements `engine.metrics.spec.BookReader`."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids = BookSide(instrument, 1)
        self.asks = BookSide(instrument, -1)
        self.loaded = False  # a snapshot has been taken since the last loss
        self.trusted = True  # the owner may withdraw trust without emptying the book
        self.known_low: int | None = None
        self.known_high: int | None = None
        self._inverse_lot = float(1 / instrument.lot)

    # ---- writing

    def clear(self) -> None:
        """Forget everything; not valid until the next snapshot."""
        self.loaded = False
        self.known_low = self.known_high = None
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
                    side.sizes[side.slot_at(px)] = size
                side.best = side.next_best(0)
                side.settle()
        self.known_low = min(bid_px, default=None)
        self.known_high = max(ask_px, default=None)
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
