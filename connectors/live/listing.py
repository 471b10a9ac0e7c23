"""The markets a venue lists, found by their unified symbols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.nearest import did_you_mean
from engine.feed import SourceError
from engine.instrument import Instrument


@dataclass(frozen=True)
class Listed:
    """One market of a listing."""

    instrument: Instrument
    trading: bool = True


class Listing:
    """Markets of one section of a venue."""

    def __init__(self, venue: str, listed: Sequence[Listed], skipped: int = 0) -> None:
        self.venue = venue
        self.skipped = skipped  # entries that could not be read
        self._by_symbol = {x.instrument.symbol: x for x in listed}

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._by_symbol.values())

    def __len__(self) -> int:
        return len(self._by_symbol)

    def find(self, symbol: str) -> Listed:
        """The market; raises SourceError with the nearest names."""
        found = self._by_symbol.get(symbol)
        if found is not None:
            return found
        names = {x.instrument.native: x.instrument.symbol for x in self}
        if symbol.upper() in names:
            hint = f"; did you mean {names[symbol.upper()]}?"
        else:
            trading = [x.instrument.symbol for x in self if x.trading]
            hint = did_you_mean(symbol, trading)
        raise SourceError(
            f"{self.venue} has no market {symbol[:60]!r}{hint} (`flowtape markets {self.venue}` lists them)"
        )
