"""What makes one simulated market differ from another: its grid, its price level, its activity."""

from __future__ import annotations

import hashlib
import math
import random
import re
from dataclasses import dataclass
from decimal import Decimal

from engine.instrument import Instrument

VENUE = "sim"
#: The markets a user gets who names none.
DEFAULT_SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")

_MS = 1_000_000
_SYMBOL = re.compile(r"(?:sim:)?([A-Z0-9]{1,15})/([A-Z0-9]{1,15})", re.IGNORECASE)
#: Quote currencies a unit of which is about one US dollar, and price levels of well-known coins in it.
_DOLLARS = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "EUR"})
_PRICES = {
    "BTC": 64_000.0,
    "ETH": 3_200.0,
    "SOL": 150.0,
    "BNB": 580.0,
    "LTC": 85.0,
    "XRP": 0.55,
    "DOGE": 0.12,
    "ADA": 0.45,
}


@dataclass(frozen=True)
class Profile:
    """Parameters of a simulated market. Sizes in base units, prices in quote units, rates per second."""

    base: str
    quote: str
    price: float  # the level it keeps coming back to
    tick: Decimal
    lot: Decimal
    order_rate: float  # taker orders of an ordinary phase
    order_size: float  # median taker order
    level_size: float  # resting size of a level at the hump of the book
    step_ns: int  # simulation step, at most one book message in each
    levels: int  # dense levels per side

    @property
    def symbol(self) -> str:
        """`BASE/QUOTE`."""
        return f"{self.base}/{self.quote}"

    @property
    def tick_bps(self) -> float:
        """A tick in basis points of the price level."""
        return float(self.tick) / self.price * 1e4

    @property
    def instrument(self) -> Instrument:
        """The head of the tape."""
        return Instrument(
            VENUE,
            self.symbol,
            self.tick,
            self.lot,
            native=self.base + self.quote,
            base=self.base,
            quote=self.quote,
            maker_bps=1.0,
            taker_bps=5.0,
            simulated=True,
        )


_KNOWN = {
    "BTC/USDT": Profile("BTC", "USDT", 64_000.0, Decimal("0.5"), Decimal("0.00001"), 5.0, 0.004, 0.5, 50 * _MS, 400),
    "ETH/USDT": Profile("ETH", "USDT", 3_200.0, Decimal("0.1"), Decimal("0.0001"), 3.0, 0.06, 7.0, 100 * _MS, 320),
    "SOL/USDT": Profile("SOL", "USDT", 150.0, Decimal("0.01"), Decimal("0.001"), 2.0, 1.0, 150.0, 100 * _MS, 240),
}


def profile_of(market: str) -> Profile:
    """The profile of `BASE/QUOTE` or `sim:BASE/QUOTE`, in any case; any base name has a market.

    The same name always gives the same profile. Raises ValueError for anything else.
    """
    found = _SYMBOL.fullmatch(market)
    if not found:
        raise ValueError(f"no simulated market {market[:60]!r}: write it as sim:BASE/QUOTE, for example sim:BTC/USDT")
    base, quote = found[1].upper(), found[2].upper()
    if base == quote:
        raise ValueError(f"no simulated market {market[:60]!r}: base and quote are the same currency")
    return _KNOWN.get(f"{base}/{quote}") or _generated(base, quote)


def _generated(base: str, quote: str) -> Profile:
    """Sensible parameters drawn from the name."""
    draw = random.Random(f"flowtape profile {base}/{quote}")
    price = _dollars(base) / _dollars(quote)
    step = _round_step(price * 10 ** draw.uniform(-4.9, -4.2))
    price = round(price / float(step)) * float(step)
    dollars = 200.0 * 10 ** draw.uniform(-0.4, 0.4)  # a median order
    size = dollars / _dollars(base)
    lot = Decimal(1).scaleb(math.floor(math.log10(size)) - 2)
    rate = draw.uniform(0.6, 2.5)
    return Profile(base, quote, price, step, lot, rate, size, size * draw.uniform(60, 110), 100 * _MS, 240)


def _dollars(currency: str) -> float:
    """What a unit of a currency is worth: known, or drawn from its name."""
    if currency in _DOLLARS:
        return 1.0
    if currency in _PRICES:
        return _PRICES[currency]
    digest = hashlib.sha256(f"flowtape {currency}".encode()).digest()
    return float(10 ** (int.from_bytes(digest[:4], "big") / 2**32 * 3.5 - 1.2))


def _round_step(near: float) -> Decimal:
    """The largest of 1, 2, 5 × 10^k that is not above `near`."""
    power = math.floor(math.log10(near))
    lead = near / 10.0**power
    return Decimal(5 if lead >= 5 else 2 if lead >= 2 else 1).scaleb(power)
