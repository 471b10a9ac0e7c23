"""Bybit's listing of markets, as instruments under ccxt's unified symbols.

https://bybit-exchange.github.io/docs/v5/market/instrument. The same name can be a spot and a linear market (BTCUSDT),
so a name only means something within its category.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct, field

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

VENUE: Final = "bybit"
#: Levels a side. 200 come every 100 ms (spot: 200 ms); 1,000 only every 200 ms, 50 every 20 ms.
DEPTH: Final = 200
CATEGORIES: Final[tuple[ContractKind, ...]] = ("spot", "linear", "inverse")
#: Market orders by value leave sizes finer than `basePrecision` in trades and remainders of such in the book; two
#: more decimals keep them exact.
SPOT_LOT_PARTS: Final = 100


class _Prices(Struct, gc=False):
    tick: str = field(name="tickSize", default="")


class _Sizes(Struct, gc=False):
    step: str = field(name="qtyStep", default="")  # derivatives
    base: str = field(name="basePrecision", default="")  # spot


class _Entry(Struct, gc=False):
    symbol: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    prices: _Prices = field(name="priceFilter")
    sizes: _Sizes = field(name="lotSizeFilter")
    status: str = ""
    contract_type: str = field(name="contractType", default="")
    settle: str = field(name="settleCoin", default="")
    delivery: str = field(name="deliveryTime", default="0")


class _Result(Struct, gc=False):
    category: str
    entries: list[msgspec.Raw] = field(name="list")
    cursor: str = field(name="nextPageCursor", default="")


class _Answer(Struct, gc=False):
    result: _Result


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode


def category_of(symbol: str) -> ContractKind:
    """The category a unified symbol belongs to: `A/B` spot, `A/B:B` linear, `A/B:A` inverse. SourceError."""
    match = re.fullmatch(r"([^\s/:]+)/([^\s/:]+)(?::([^\s/:-]+)(-\d{6})?)?", symbol)
    if match is None:
        raise SourceError(
            f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USDT (spot), BTC/USDT:USDT (linear perpetual), "
            f"BTC/USD:BTC (inverse) or BTC/USDT:USDT-261225 (dated)"
        )
    base, settle = match[1], match[3]
    return "spot" if settle is None else "inverse" if settle == base else "linear"


def read_listing(body: bytes) -> tuple[Listing, str]:
    """A page of `instruments-info`, and the cursor of the next ("": it was the last).

    Entries that make no sense are skipped and counted; SourceError if none is left.
    """
    try:
        result = _decode_answer(body).result
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None
    kind = next((c for c in CATEGORIES if c == result.category), None)
    if kind is None:
        raise SourceError(f"{VENUE}'s list of markets is of {result.category[:40]!r}, which is not read")
    listed, skipped = [], 0
    for entry in result.entries:
        try:
            listed.append(_listed(kind, _decode_entry(entry)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError, OSError):
            skipped += 1
    if result.entries and not listed:
        raise SourceError(f"{VENUE}'s list of {kind} markets has no entry that can be read")
    return Listing(VENUE, listed, skipped), result.cursor


def _listed(kind: ContractKind, entry: _Entry) -> Listed:
    step = entry.sizes.base if kind == "spot" else entry.sizes.step
    if not (entry.symbol and entry.base and entry.quote and entry.prices.tick and step):
        raise ValueError("a name, the tick or the lot is missing")
    lot = Decimal(step)
    instrument = Instrument(
        venue=VENUE,
        symbol=_unified(kind, entry),
        tick=Decimal(entry.prices.tick).normalize(),
        lot=(lot / SPOT_LOT_PARTS if kind == "spot" else lot).normalize(),
        kind=kind,
        # Sizes of inverse contracts are US dollars: one contract is one unit of the quote currency.
        contract=Decimal(1),
        native=entry.symbol,
        base=entry.base,
        quote=entry.quote,
        book_depth=DEPTH,
    )
    return Listed(instrument, entry.status == "Trading")


def _unified(kind: ContractKind, entry: _Entry) -> str:
    pair = f"{entry.base}/{entry.quote}"
    if kind == "spot":
        return pair
    settle = entry.settle or (entry.base if kind == "inverse" else entry.quote)
    delivery = int(entry.delivery or 0)
    if not entry.contract_type.endswith("Futures") or not delivery:
        return f"{pair}:{settle}"
    return f"{pair}:{settle}-{datetime.fromtimestamp(delivery / 1000, UTC):%y%m%d}"
