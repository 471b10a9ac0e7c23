"""Kraken's listing of spot markets, as instruments under ccxt's unified symbols."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import Instrument

VENUE = "kraken"
#: Levels a side that are asked for; the venue has 10, 25, 100, 500 and 1000.
DEPTH = 1_000
#: The stream's names of currencies where they differ from those of REST (wsname).
_STREAM_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_REST_NAMES = {stream: rest for rest, stream in _STREAM_NAMES.items()}
#: Unified names where Kraken's are other coins elsewhere.
_UNIFIED = {"LUNA": "LUNC", "LUNA2": "LUNA", "REP": "REPV1", "REPV2": "REP", "UST": "USTC"}
_Decimals = Annotated[int, Meta(ge=0, le=18)]


class _Pair(Struct, gc=False):
    wsname: str = ""  # XBT/USD; pairs that are not on the stream have none
    pair_decimals: _Decimals = 0
    lot_decimals: _Decimals = 0
    tick: str = field(name="tick_size", default="")
    status: str = "online"
    taker: list[tuple[float, float]] = field(name="fees", default_factory=list)  # (30-day volume, per cent)
    maker: list[tuple[float, float]] = field(name="fees_maker", default_factory=list)


_decode_pair = msgspec.json.Decoder(_Pair, strict=False).decode


def read_listing(pairs: dict[str, msgspec.Raw]) -> Listing:
    """The result of `AssetPairs`. Entries that make no sense are skipped and counted; SourceError if none is left."""
    listed, skipped = [], 0
    for entry in pairs.values():
        try:
            pair = _decode_pair(entry)
            if pair.wsname:
                listed.append(_listed(pair))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, InvalidOperation):
            skipped += 1
    if pairs and not listed:
        raise SourceError(f"{VENUE}'s list of markets has no entry that can be read")
    return Listing(VENUE, listed, skipped)


def _listed(pair: _Pair) -> Listed:
    base, slash, quote = pair.wsname.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"{pair.wsname[:40]!r} is no pair")
    base, quote = (_STREAM_NAMES.get(name, name) for name in (base, quote))
    names = unified(base), unified(quote)
    instrument = Instrument(
        venue=VENUE,
        symbol="/".join(names),
        tick=Decimal(pair.tick).normalize() if pair.tick else Decimal(1).scaleb(-pair.pair_decimals),
        lot=Decimal(1).scaleb(-pair.lot_decimals),
        native=f"{base}/{quote}",
        base=names[0],
        quote=names[1],
        maker_bps=_bps(pair.maker),
        taker_bps=_bps(pair.taker),
        book_depth=DEPTH,
    )
    return Listed(instrument, pair.status == "online")


def _bps(steps: list[tuple[float, float]]) -> float | None:
    """The fee of who has no volume yet."""
    return round(steps[0][1] * 100, 6) if steps and 0 <= steps[0][1] < 100 else None


def unified(currency: str) -> str:
    """ccxt's name of a currency of the stream."""
    return _UNIFIED.get(currency, currency)


def rest_name(native: str) -> str:
    """What REST calls a market of the stream: `BTC/USD` is XBTUSD there."""
    return "".join(_REST_NAMES.get(name, name) for name in native.split("/"))
