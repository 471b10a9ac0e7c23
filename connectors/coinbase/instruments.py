"""Coinbase's listing of markets, as instruments under ccxt's unified symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import Instrument

VENUE = "coinbase"
#: Snapshots reach from the lowest tick to asks that nobody can mean, and every change follows.
WHOLE_BOOK = 0


class _Product(Struct, gc=False):
    product_id: str
    base_currency_id: str
    quote_currency_id: str
    price_increment: str
    base_increment: str
    product_type: str = ""
    status: str = ""
    alias: str = ""
    trading_disabled: bool = False
    is_disabled: bool = False
    view_only: bool = False


class _Products(Struct, gc=False):
    products: list[msgspec.Raw]


_decode_products = msgspec.json.Decoder(_Products).decode
_decode_product = msgspec.json.Decoder(_Product).decode


class CoinbaseListing(Listing):
    """Its spot markets. Most USDC pairs are other names of the USD pair: one book, told under the USD name only."""

    def __init__(self, listed: Sequence[Listed], aliases: Mapping[str, str], skipped: int = 0) -> None:
        super().__init__(VENUE, listed, skipped)
        self._aliases = aliases

    def find(self, symbol: str) -> Listed:
        """The market; raises SourceError with the nearest names, or with the other name of its book."""
        real = self._aliases.get(symbol)
        if real is not None:
            raise SourceError(f"{VENUE} keeps one book for {symbol} and {real}: watch {VENUE}:{real}")
        return super().find(symbol)


def section_of(symbol: str) -> str:
    """All are spot. SourceError for what is no market of it."""
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote) or ":" in symbol:
        raise SourceError(f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USD (it has spot markets here)")
    return "spot"


def read_listing(body: bytes) -> CoinbaseListing:
    """The answer of `market/products`. Entries that make no sense are skipped and counted; SourceError when none is
    left of some."""
    try:
        raw = _decode_products(body).products
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None
    listed: list[Listed] = []
    aliases: dict[str, str] = {}
    skipped = 0
    for entry in raw:
        try:
            p = _decode_product(entry)
            if p.product_type != "SPOT":
                continue
            if p.alias:
                aliases[f"{p.base_currency_id}/{p.quote_currency_id}"] = p.alias.replace("-", "/", 1)
            else:
                listed.append(_listed(p))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, InvalidOperation):
            skipped += 1
    if raw and not listed:
        raise SourceError(f"{VENUE}'s list of markets has no spot market that can be read")
    return CoinbaseListing(listed, aliases, skipped)


def _listed(p: _Product) -> Listed:
    if not (p.product_id and p.base_currency_id and p.quote_currency_id):
        raise ValueError("a name is missing")
    instrument = Instrument(
        VENUE,
        f"{p.base_currency_id}/{p.quote_currency_id}",
        Decimal(p.price_increment).normalize(),
        Decimal(p.base_increment).normalize(),
        native=p.product_id,
        base=p.base_currency_id,
        quote=p.quote_currency_id,
        book_depth=WHOLE_BOOK,
    )
    open_ = p.status == "online" and not (p.trading_disabled or p.is_disabled or p.view_only)
    return Listed(instrument, open_)
