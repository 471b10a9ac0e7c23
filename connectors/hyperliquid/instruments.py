"""Hyperliquid's listing of markets, as instruments under ccxt's unified symbols.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size: a price has at most five
significant figures (whole numbers may have more) and at most 6 (perpetuals) or 8 (spot) minus `szDecimals` decimals; a
size has `szDecimals` decimals. There is no fixed tick: the finest decimal only bounds the digits.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

VENUE: Final = "hyperliquid"
_DECIMALS: Final = {"linear": 6, "spot": 8}
#: What a bridged token is the token of; ccxt gives it the same name.
_BRIDGED: Final = {
    "UBTC": "BTC", "UETH": "ETH", "USOL": "SOL", "UBONK": "BONK", "UFART": "FARTCOIN", "UPUMP": "PUMP", "UXPL": "XPL",
    "UUUSPX": "SPX", "HPENGU": "PENGU", "UDZ": "2Z", "USDT0": "USDT", "XAUT0": "XAUT",
}  # fmt: skip

_Digits = Annotated[int, Meta(ge=0, le=12)]


class _Coin(Struct, gc=False):
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    decimals: _Digits = field(name="szDecimals")
    delisted: bool = field(name="isDelisted", default=False)


class _Perpetuals(Struct, gc=False):
    universe: list[msgspec.Raw]


class _Token(Struct, gc=False):
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    decimals: _Digits = field(name="szDecimals")
    index: int


class _Pair(Struct, gc=False):
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    tokens: tuple[int, int]
    canonical: bool = field(name="isCanonical", default=False)


class _Spot(Struct, gc=False):
    tokens: list[msgspec.Raw]
    universe: list[msgspec.Raw]


_decode_perpetuals = msgspec.json.Decoder(_Perpetuals).decode
_decode_coin = msgspec.json.Decoder(_Coin).decode
_decode_spot = msgspec.json.Decoder(_Spot).decode
_decode_token = msgspec.json.Decoder(_Token).decode
_decode_pair = msgspec.json.Decoder(_Pair).decode


def kind_of(symbol: str) -> ContractKind:
    """Which half of the venue a unified symbol belongs to. SourceError for what can be no market of it."""
    match = re.fullmatch(r"([^\s/:]+)/([^\s/:]+)(:[^\s/:-]+)?", symbol)
    if match is None:
        raise SourceError(
            f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USDC:USDC (perpetual) or HYPE/USDC (spot)"
        )
    return "spot" if match[3] is None else "linear"


def read_perpetuals(body: bytes) -> Listing:
    """The answer to `meta`. Entries that make no sense are skipped and counted; SourceError if none is left."""
    try:
        entries = _decode_perpetuals(body).universe
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise SourceError(f"{VENUE}'s list of perpetuals cannot be read: {str(e)[:200]}") from None
    listed, skipped = [], 0
    for entry in entries:
        try:
            coin = _decode_coin(entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            skipped += 1
            continue
        listed.append(Listed(perpetual(coin.name, coin.decimals), not coin.delisted))
    return _listing("perpetuals", entries, listed, skipped)


def read_spot(body: bytes) -> Listing:
    """The answer to `spotMeta`, as `read_perpetuals`. Of several pairs with the same names the canonical one, or the
    first, is meant: anybody may deploy a token of any name."""
    try:
        answer = _decode_spot(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise SourceError(f"{VENUE}'s list of spot markets cannot be read: {str(e)[:200]}") from None
    tokens: dict[int, _Token] = {}
    for raw in answer.tokens:
        try:
            token = _decode_token(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        tokens[token.index] = token
    found: dict[str, tuple[bool, Listed]] = {}
    skipped = 0
    for raw in answer.universe:
        try:
            pair = _decode_pair(raw)
            base, quote = tokens[pair.tokens[0]], tokens[pair.tokens[1]]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
            skipped += 1
            continue
        instrument = _instrument("spot", pair.name, _unified(base.name), _unified(quote.name), base.decimals)
        before = found.get(instrument.symbol)
        if before is None or (pair.canonical and not before[0]):
            found[instrument.symbol] = (pair.canonical, Listed(instrument))
    return _listing("spot markets", answer.universe, [listed for _, listed in found.values()], skipped)


def perpetual(coin: str, decimals: int) -> Instrument:
    """The instrument of a perpetual with so many `szDecimals`; margined in USDC."""
    return _instrument("linear", coin, coin.upper(), "USDC", decimals)


def _unified(token: str) -> str:
    return _BRIDGED.get(token, token.upper())


def _instrument(kind: ContractKind, native: str, base: str, quote: str, decimals: int) -> Instrument:
    pair = f"{base}/{quote}"
    return Instrument(
        venue=VENUE,
        symbol=pair if kind == "spot" else f"{pair}:{quote}",
        tick=Decimal(1).scaleb(-max(0, _DECIMALS[kind] - decimals)),
        lot=Decimal(1).scaleb(-decimals),
        kind=kind,
        native=native,
        base=base,
        quote=quote,
        fixed_tick=False,
        # No `book_depth`: every message is a snapshot, and so says how far the book is known.
    )


def _listing(what: str, entries: list[msgspec.Raw], listed: list[Listed], skipped: int) -> Listing:
    if entries and not listed:
        raise SourceError(f"{VENUE}'s list of {what} has no entry that can be read")
    return Listing(VENUE, listed, skipped)
