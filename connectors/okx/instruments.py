"""OKX's listing of markets, as instruments under ccxt's unified symbols."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct, field

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import Instrument

VENUE = "okx"
#: Levels a side of the channel `books`.
DEPTH = 400
#: What the venue calls the sections.
INSTRUMENT_TYPES = {"spot": "SPOT", "swap": "SWAP", "futures": "FUTURES"}


class _Entry(Struct, gc=False):
    native: str = field(name="instId")
    type: str = field(name="instType")
    tick: str = field(name="tickSz")
    lot: str = field(name="lotSz")
    base: str = field(name="baseCcy", default="")
    quote: str = field(name="quoteCcy", default="")
    settle: str = field(name="settleCcy", default="")
    pair: str = field(name="uly", default="")  # of a contract: BTC-USD
    family: str = field(name="instFamily", default="")
    contract: str = field(name="ctVal", default="")
    multiplier: str = field(name="ctMult", default="")
    contract_unit: str = field(name="ctValCcy", default="")
    contract_type: str = field(name="ctType", default="")
    expires: str = field(name="expTime", default="")
    state: str = ""


class _Answer(Struct, gc=False):
    data: list[msgspec.Raw] = []


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode


def section_of(symbol: str) -> str:
    """`A/B` spot, `A/B:S` swap, `A/B:S-260327` futures. SourceError for what is none of them."""
    pair, colon, rest = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    settle, dash, day = rest.partition("-")
    if not (base and slash and quote) or (colon and not settle) or (dash and not day):
        raise SourceError(
            f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USDT (spot), BTC/USDT:USDT (linear swap), "
            f"BTC/USD:BTC (inverse swap) or BTC/USDT:USDT-260327 (dated)"
        )
    if not colon:
        return "spot"
    return "futures" if dash else "swap"


def read_listing(section: str, body: bytes) -> Listing:
    """The answer of `public/instruments`. Entries that make no sense are skipped and counted; SourceError when none is
    left of some."""
    try:
        raw = _decode_answer(body).data
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise SourceError(f"{VENUE}'s list of {section} markets cannot be read: {str(e)[:200]}") from None
    listed, skipped = [], 0
    for entry in raw:
        try:
            listed.append(_listed(section, _decode_entry(entry)))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, OSError, InvalidOperation):
            skipped += 1
    if raw and not listed:
        raise SourceError(f"{VENUE}'s list of {section} markets has no entry that can be read")
    return Listing(VENUE, listed, skipped)


def _listed(section: str, e: _Entry) -> Listed:
    if e.type != INSTRUMENT_TYPES[section]:
        raise ValueError(f"{e.native} is no {section} market")
    instrument = _spot(e) if section == "spot" else _contract(section, e)
    return Listed(instrument, e.state == "live")


def _spot(e: _Entry) -> Instrument:
    if not (e.native and e.base and e.quote):
        raise ValueError("a name is missing")
    return Instrument(
        VENUE,
        f"{e.base}/{e.quote}",
        Decimal(e.tick).normalize(),
        Decimal(e.lot).normalize(),
        native=e.native,
        base=e.base,
        quote=e.quote,
        book_depth=DEPTH,
    )


def _contract(section: str, e: _Entry) -> Instrument:
    """Sizes are contracts of `ctVal` x `ctMult`: of the base currency, or of the quote currency for inverse ones."""
    base, dash, quote = (e.pair or e.family).partition("-")
    if not (e.native and base and dash and quote and e.settle):
        raise ValueError("a name is missing")
    inverse = e.contract_type == "inverse"
    # A contract of anything else could not be turned into an amount.
    if e.contract_type not in ("linear", "inverse") or e.contract_unit not in ((quote,) if inverse else (base,)):
        raise ValueError(f"{e.native}: contracts of {e.contract_unit} are neither linear nor inverse")
    symbol = f"{base}/{quote}:{e.settle}"
    if section == "futures":
        symbol += f"-{datetime.fromtimestamp(int(e.expires) / 1000, UTC):%y%m%d}"
    return Instrument(
        VENUE,
        symbol,
        Decimal(e.tick).normalize(),
        Decimal(e.lot).normalize(),
        kind="inverse" if inverse else "linear",
        contract=(Decimal(e.contract) * Decimal(e.multiplier or "1")).normalize(),
        native=e.native,
        base=base,
        quote=quote,
        book_depth=DEPTH,
    )
