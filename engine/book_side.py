"""One side of a dense tick-indexed order book: a window around the best price, and a spill for far levels.

Slots count from the better end of the window, so on both sides a smaller slot is a better price. The
update loop of `engine.book` writes numpy's memory through a memoryview: single messages stay cheap
(20 % cheaper than through `array.array`), and depth, walks and top-N are vector reads. Sizes are held
exactly as the venue wrote them (they are set, never accumulated).

Price text is mapped to its slot once and remembered; that is where a price off the grid is found.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from engine.instrument import MAX_UNITS, Instrument
from engine.tape import Ints

#: Slots of a side's window, and where its best price is put when the window moves.
WINDOW = 1 << 16
HOME = WINDOW // 4
#: The window moves when the best price is nearer than this to the better end, or farther than that.
NEAR, FAR = WINDOW // 32, WINDOW // 2
#: Remembered price texts per side (bounds memory; the map is rebuilt from scratch when full).
MEMORY = 1 << 15
SPILL = 1 << 12


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
