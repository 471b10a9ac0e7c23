"""What heads a tape: the contract traded, and the exact grid its numbers stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a screen is painted before arrays are needed
    import numpy as np
    from numpy.typing import NDArray

ContractKind = Literal["spot", "linear", "inverse"]
#: Integers beyond this are not exact as doubles.
MAX_UNITS = 1 << 53


class OffGridError(ValueError):
    """A price or size that is no whole number of ticks or lots, is negative, or is absurd."""


@dataclass(frozen=True)
class Instrument:
    """One market of one venue.

    `tick` is the price step. `lot` is the step of the size *as the venue quotes it* (coins, or
    contracts). `contract` turns that size into an amount: base units for spot and linear markets,
    quote units for inverse ones (Binance ETHUSD_PERP: 10 USD a contract).
    """

    venue: str
    symbol: str  # ccxt's unified symbol: ETH/USDT, ETH/USDT:USDT, ETH/USD:ETH
    tick: Decimal
    lot: Decimal
    kind: ContractKind = "spot"
    contract: Decimal = Decimal(1)
    native: str = ""  # the venue's own name of the market
    base: str = ""
    quote: str = ""
    maker_bps: float | None = None
    taker_bps: float | None = None
    fixed_tick: bool = True  # False: `tick` only bounds the digits, prices are sparse on it
    simulated: bool = False
    inferred: bool = False  # tick and lot were guessed from the digits of a file
    #: Levels a side that the stream holds at most; 0: all, -1: not known, None: it goes on from the snapshot's reach.
    book_depth: int | None = None
    members: tuple[str, ...] = ()  # the markets that a composite sums
    _tick: Fraction = field(init=False, repr=False, compare=False)
    _lot: Fraction = field(init=False, repr=False, compare=False)
    _amount: Fraction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("tick", "lot", "contract"):
            value = getattr(self, name)
            if not (value.is_finite() and value > 0):
                raise ValueError(f"{self.market}: {name} must be a positive number, not {value}")
        object.__setattr__(self, "_tick", Fraction(self.tick))
        object.__setattr__(self, "_lot", Fraction(self.lot))
        object.__setattr__(self, "_amount", Fraction(self.lot) * Fraction(self.contract))

    @property
    def market(self) -> str:
        """The name users type: `venue:SYMBOL`."""
        return f"{self.venue}:{self.symbol}"

    @property
    def unit(self) -> str:
        """Currency of an amount: base, or quote for inverse contracts."""
        return self.quote if self.kind == "inverse" else self.base

    @property
    def amount_ratio(self) -> tuple[int, int]:
        """Amount of a lot in base units (inverse: quote units), as a fraction."""
        return self._amount.numerator, self._amount.denominator

    # ---- text -> integers (the edge; exact)

    def ticks(self, text: str) -> int:
        """Price text to ticks; raises OffGridError when it is off the grid, negative or not a number."""
        return self._units(text, self._tick, "price", "tick size", self.tick)

    def lots(self, text: str) -> int:
        """Size text to lots; raises OffGridError likewise."""
        return self._units(text, self._lot, "size", "lot size", self.lot)

    def _units(self, text: str, step: Fraction, what: str, step_name: str, shown: Decimal) -> int:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise OffGridError(f"{self.market}: {what} {text[:40]!r} is not a number") from None
        if not value.is_finite() or value < 0:
            raise OffGridError(f"{self.market}: {what} {text[:40]!r} is not a finite number >= 0")
        if value.adjusted() > 20 or value.adjusted() < -30:
            if value == 0:
                return 0
            raise OffGridError(f"{self.market}: {what} {text[:40]!r} is absurd")
        units = Fraction(value) / step
        if units.denominator != 1:
            raise OffGridError(f"{self.market}: {what} {text[:40]!r} is off the grid of {step_name} {shown}")
        if units.numerator > MAX_UNITS:
            raise OffGridError(f"{self.market}: {what} {text[:40]!r} is absurd")
        return units.numerator

    # ---- integers -> numbers (correctly rounded; the same for a scalar and for an array)

    def price(self, ticks: int) -> float:
        """Ticks to a price in quote units."""
        return ticks * self._tick.numerator / self._tick.denominator

    def prices(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ticks to prices, elementwise."""
        return ticks * self._tick.numerator / self._tick.denominator

    def wire_size(self, lots: int) -> float:
        """Lots to the size as the venue quotes it: the same double as parsing the venue's text."""
        return lots * self._lot.numerator / self._lot.denominator

    def amount(self, lots: int) -> float:
        """Lots to base units (inverse: quote units)."""
        return lots * self._amount.numerator / self._amount.denominator

    def amounts(self, lots: NDArray[np.int64]) -> NDArray[np.float64]:
        """Lots to base units (inverse: quote units), elementwise."""
        return lots * self._amount.numerator / self._amount.denominator

    def notional(self, tick_lots: int) -> float:
        """A sum of price x size (ticks x lots) to quote units; only for spot and linear markets."""
        unit = self._tick * self._amount
        return tick_lots * unit.numerator / unit.denominator

    def notionals(self, tick_lots: NDArray[np.int64]) -> NDArray[np.float64]:
        """As `notional`, elementwise."""
        unit = self._tick * self._amount
        return tick_lots * unit.numerator / unit.denominator

    # ---- integers -> text (for people)

    @property
    def price_digits(self) -> int:
        """Decimals a price of this market is shown with."""
        return max(0, -int(self.tick.normalize().as_tuple().exponent))

    @property
    def amount_digits(self) -> int:
        """Decimals an amount of this market is exact with."""
        return max(0, -int((self.lot * self.contract).normalize().as_tuple().exponent))

    def price_text(self, ticks: int) -> str:
        """A price as text with the market's decimals."""
        return f"{self.price(ticks):,.{self.price_digits}f}"
