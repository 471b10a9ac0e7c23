"""Which updates make a Kraken book: those that leave it as its checksum says.

https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2: the venue numbers nothing. Every message carries a
CRC32 over the ten best levels of each side as they are after it. So a copy of the book is kept here; the whole message
is applied to it, levels of no size are dropped, the copy is cut to the depth subscribed to (deletions beyond it are
never sent), and only if the checksum is right the changes are given on, with the levels that were cut away as
deletions. The checksum proves the ten best levels; the others are as good as the stream.

The checksum is over digits without their point. So that a point in the wrong place shows, all numbers are brought to
the same decimals: those of the instrument, or more if the snapshot is written with more.

What is known of a book of limited depth ends at its last level, and comes nearer as better levels push it out. The
snapshot given on holds the better half of the levels, the rest follow as changes: so the horizon stays true until the
market has moved through the other half, and then it is set anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from decimal import Decimal
from math import inf
from zlib import crc32

from connectors.kraken.messages import Book, Level
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason
from engine.feed import Levels
from engine.instrument import Instrument

_CHECKED = 10
_LONGEST = 40  # digits of a number
#: Messages between two looks at how far the price has come toward the horizon.
_LOOK_EVERY = 128

#: Of a level: its price as text, its size, the digits of its price, and those of both as the checksum takes them.
_Held = tuple[str, float, str, str]


class KrakenBook:
    """The checksum rule of one market; a `BookRule`."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        size_decimals = max(0, -int(instrument.lot.normalize().as_tuple().exponent))
        # A grid that was guessed from the same messages says nothing.
        self._decimals = (0, 0) if instrument.inferred else (instrument.price_digits, size_decimals)
        # Keys rise from the best level on: the price of asks, the negative price of bids.
        self._bids = _Side(-1.0, depth)
        self._asks = _Side(1.0, depth)
        self._synced = False
        self._count = 0  # messages of this book: what stands for a sequence number

    @property
    def synced(self) -> bool:
        """See BookRule."""
        return self._synced

    def reset(self) -> None:
        """See BookRule."""
        self._synced = False
        self._bids.begin(*self._decimals)
        self._asks.begin(*self._decimals)

    def take(self, message: object) -> Verdict:
        """See BookRule."""
        assert isinstance(message, Book)
        if not self._synced and not message.snapshot:
            return Step.WAIT
        bids, asks = self._bids, self._asks
        if message.snapshot:
            decimals = self._written(message)
            bids.begin(*decimals)
            asks.begin(*decimals)
        bid_changes = bids.apply(message.bids) if message.bids else ()
        ask_changes = asks.apply(message.asks) if message.asks else ()
        if crc32(bids.checked(), crc32(asks.checked())) != message.checksum:
            self.reset()
            return Broken(Reason.BAD_CHECKSUM)
        self._synced = True
        self._count += 1
        if message.snapshot:
            return self._whole(message.ts)
        update = Update(message.ts, self._count, bid_changes, ask_changes)
        if bids.cut_inside or asks.cut_inside or (self._count % _LOOK_EVERY == 0 and (bids.near or asks.near)):
            return [update, *self._whole(message.ts)]
        return (update,)

    def _written(self, message: Book) -> tuple[int, int]:
        """Decimals of prices and sizes."""
        price, size = self._decimals
        for _, _, price_text, size_text in (*message.bids, *message.asks):
            price = max(price, len(price_text.partition(".")[2].partition("e")[0]))
            size = max(size, len(size_text.partition(".")[2].partition("e")[0]))
        return price, size

    def _whole(self, ts: int) -> list[Update]:
        """The book as it stands: the part that its horizon is set by, and the rest."""
        (bids, more_bids), (asks, more_asks) = self._bids.halves(), self._asks.halves()
        whole = [Update(ts, self._count, bids, asks, snapshot=True)]
        if more_bids or more_asks:
            whole.append(Update(ts, self._count, more_bids, more_asks))
        return whole


class _Side:
    """One side of the copy."""

    def __init__(self, sign: float, depth: int) -> None:
        self._sign, self._depth = sign, depth
        self._price_decimals = self._size_decimals = 0
        self._keys: list[float] = []
        self._held: dict[float, _Held] = {}
        self._checked: bytes | None = None
        self._last_checked = inf  # changes beyond this key leave what is checked as it is
        self._horizon = inf  # levels up to this key are said to be known
        self.cut_inside = False  # a level was pushed out that was said to be known

    def begin(self, price_decimals: int, size_decimals: int) -> None:
        """Empty, for numbers of so many decimals."""
        self._price_decimals, self._size_decimals = price_decimals, size_decimals
        self._keys.clear()
        self._held.clear()
        self._checked, self._last_checked = None, inf
        self._horizon, self.cut_inside = inf, False

    def apply(self, levels: Sequence[Level]) -> Levels:
        """Set the levels in their order and cut what is beyond the depth: all changes, each price once."""
        keys, held, sign = self._keys, self._held, self._sign
        decimals, point = self._size_decimals, -self._size_decimals - 1
        changes: list[tuple[str, float]] = []
        for price, size, price_text, size_text in levels:
            key = sign * price
            changes.append((price_text, size))
            if key <= self._last_checked:
                self._checked = None
            known = held.get(key)
            if not size:
                if known is not None:
                    del held[key], keys[bisect_left(keys, key)]
                continue
            if known is not None:
                price_digits = known[2]
            else:
                insort(keys, key)
                price_digits = _digits(price_text, self._price_decimals)
            # Nearly all sizes are written with all their decimals.
            if size_text[point:-decimals] == "." and "e" not in size_text and "E" not in size_text:
                digits = price_digits + size_text.replace(".", "").lstrip("0")
            else:
                digits = price_digits + _digits(size_text, decimals)
            held[key] = price_text, size, price_digits, digits
        while len(keys) > self._depth:
            key = keys.pop()
            changes.append((held.pop(key)[0], 0.0))
            self.cut_inside |= key <= self._horizon
        return list(dict(changes).items()) if len(changes) > 1 else changes

    def checked(self) -> bytes:
        """What the checksum is taken over."""
        if self._checked is None:
            held, best = self._held, self._keys[:_CHECKED]
            self._last_checked = best[-1] if len(best) == _CHECKED else inf
            self._checked = "".join([held[key][3] for key in best]).encode()
        return self._checked

    @property
    def near(self) -> bool:
        """Whether the price has come so near to the horizon that it should be set anew."""
        keys = self._keys
        return len(keys) > self._depth // 2 and bisect_left(keys, self._horizon) < self._depth // 4

    def halves(self) -> tuple[Levels, Levels]:
        """The levels that are said to be known, and the others. All of them are, if there are not more in the book
        of the venue; then the horizon is the last of them."""
        keys = self._keys
        known = len(keys) if len(keys) < self._depth else (len(keys) + 1) // 2
        self._horizon, self.cut_inside = keys[known - 1] if known else inf, False
        levels = [self._held[key][:2] for key in keys]
        return levels[:known], levels[known:]


def _digits(text: str, decimals: int) -> str:
    """A number's digits with these decimals, no point, no leading zeros; with more decimals no digits at all, but
    what makes any checksum wrong."""
    whole, _, fraction = text.partition(".")
    if "e" in text or "E" in text:
        value = Decimal(text)
        if not -_LONGEST < value.adjusted() < _LONGEST:
            return "?"
        whole, _, fraction = format(value, "f").partition(".")
    if len(fraction) > decimals:
        return "?"
    return (whole + fraction.ljust(decimals, "0")).lstrip("0")
