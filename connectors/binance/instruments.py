"""Binance's listing of markets, as instruments under ccxt's unified symbols."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct, field

from connectors.binance.messages import MarketType
from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

VENUE = "binance"
_NEVER_DELIVERED = 4_133_404_800_000  # 2100-12-25: the delivery date of a perpetual


class _Filter(Struct, gc=False):
    kind: str = field(name="filterType", default="")
    tick: str | None = field(name="tickSize", default=None)
    step: str | None = field(name="stepSize", default=None)


class _Symbol(Struct, gc=False):
    symbol: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    filters: list[_Filter]
    status: str = ""
    contract_status: str = field(name="contractStatus", default="")  # COIN-M's name of it
    contract_type: str | None = field(name="contractType", default=None)
    margin: str = field(name="marginAsset", default="")
    delivery: int | None = field(name="deliveryDate", default=None)
    contract_size: int | str = field(name="contractSize", default=1)


class _Info(Struct, gc=False):
    symbols: list[msgspec.Raw]


_decode_info = msgspec.json.Decoder(_Info).decode
_decode_symbol = msgspec.json.Decoder(_Symbol).decode


def market_type(symbol: str) -> MarketType:
    """Which exchange a unified symbol belongs to: `A/B` spot, `A/B:B` linear, `A/B:A` inverse."""
    pair, colon, rest = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote) or (colon and not rest):
        raise SourceError(
            f"{symbol[:60]!r} is no market of {VENUE}: write ETH/USDT (spot), ETH/USDT:USDT (linear perpetual), "
            f"ETH/USD:ETH (inverse) or BTC/USDT:USDT-260925 (dated)"
        )
    if not colon:
        return MarketType.SPOT
    settle = rest.partition("-")[0]
    return MarketType.COINM if settle == base else MarketType.USDM


def native_guess(symbol: str) -> str:
    """The venue's own name of a spot market, nearly always."""
    return symbol.replace("/", "")


#: Spot books hold orders finer than today's LOT_SIZE (47.50196 ETH where the step is 0.0001): they were placed
#: under an older, smaller step. Two more decimals keep them, and the trades they fill, exact.
SPOT_LOT_PARTS = 100


def read_listing(market: MarketType, body: bytes) -> Listing:
    """The answer of `exchangeInfo`. Entries that make no sense are skipped and counted; SourceError if none is left."""
    try:
        raw = _decode_info(body).symbols
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise SourceError(f"{VENUE}'s list of {market.value} markets cannot be read: {str(e)[:200]}") from None
    listed, skipped = [], 0
    for entry in raw:
        try:
            listed.append(_listed(market, _decode_symbol(entry)))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, InvalidOperation):
            skipped += 1
    if raw and not listed:
        raise SourceError(f"{VENUE}'s list of {market.value} markets has no entry that can be read")
    return Listing(VENUE, listed, skipped)


def _listed(market: MarketType, s: _Symbol) -> Listed:
    tick = next((f.tick for f in s.filters if f.kind == "PRICE_FILTER"), None)
    lot = next((f.step for f in s.filters if f.kind == "LOT_SIZE"), None)
    if not (s.symbol and s.base and s.quote and tick and lot):
        raise ValueError("a name, the tick or the lot is missing")
    step = Decimal(lot)
    if market is MarketType.SPOT:
        step /= SPOT_LOT_PARTS
    instrument = Instrument(
        venue=VENUE,
        symbol=_unified(market, s),
        tick=Decimal(tick).normalize(),
        lot=step.normalize(),
        kind=_kind(market, s),
        contract=Decimal(s.contract_size) if market is MarketType.COINM else Decimal(1),
        native=s.symbol,
        base=s.base,
        quote=s.quote,
    )
    return Listed(instrument, (s.status or s.contract_status) == "TRADING")


def _kind(market: MarketType, s: _Symbol) -> ContractKind:
    if market is MarketType.SPOT:
        return "spot"
    return "inverse" if s.margin == s.base else "linear"


def _unified(market: MarketType, s: _Symbol) -> str:
    if market is MarketType.SPOT:
        return f"{s.base}/{s.quote}"
    pair = f"{s.base}/{s.quote}:{s.margin}"
    kind = s.contract_type or ""
    if "PERPETUAL" in kind.split("_") or s.delivery == _NEVER_DELIVERED or s.delivery is None:
        return pair
    return f"{pair}-{datetime.fromtimestamp(s.delivery / 1000, UTC):%y%m%d}"
