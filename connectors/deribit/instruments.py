"""Deribit's listing, as instruments under ccxt's unified symbols.

https://docs.deribit.com/api-reference/market-data/public-get_instruments. Amounts of inverse futures are US dollars,
those of options, linear futures and spot are coins. Prices of options on coins are in the coin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct, field

from connectors.live.listing import Listed, Listing
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

VENUE = "deribit"
_Text = Annotated[str, Meta(max_length=80)]


class _Step(Struct, gc=False):
    tick: Raw = field(name="tick_size")


class _Instrument(Struct, gc=False):
    name: _Text = field(name="instrument_name")
    kind: str
    base: _Text = field(name="base_currency")
    quote: _Text = field(name="quote_currency")  # that prices are in
    tick: Raw = field(name="tick_size")
    smallest: Raw = field(name="min_trade_amount")
    contract: Raw = field(name="contract_size")
    counter: _Text = field(name="counter_currency", default="")
    settle: _Text = field(name="settlement_currency", default="")
    steps: list[_Step] = field(name="tick_size_steps", default_factory=list)
    period: str = field(name="settlement_period", default="")
    expires: int | None = field(name="expiration_timestamp", default=None)
    strike: Raw = Raw(b"0")
    option_type: str = ""
    active: bool = field(name="is_active", default=True)
    maker: float = field(name="maker_commission", default=-1.0)
    taker: float = field(name="taker_commission", default=-1.0)


_decode_instrument = msgspec.json.Decoder(_Instrument).decode


def read_listing(entries: Sequence[Raw]) -> Listing:
    """The result of `get_instruments`. Combos, which have no unified symbol, are left out; entries that make no sense
    are skipped and counted; SourceError if none is left."""
    listed, skipped, combos = [], 0, 0
    for entry in entries:
        try:
            wire = _decode_instrument(entry)
            if wire.kind.endswith("combo"):
                combos += 1
            else:
                listed.append(_listed(wire))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, InvalidOperation):
            skipped += 1
    if skipped and not listed:
        raise SourceError(f"{VENUE}'s list of markets has no entry that can be read")
    return Listing(VENUE, listed, skipped)


def _listed(w: _Instrument) -> Listed:
    kind = _kind(w)
    # An option's fee is a share of the underlying, not of what is paid for the option.
    maker, taker = (None, None) if w.kind == "option" else (_bps(w.maker), _bps(w.taker))
    instrument = Instrument(
        venue=VENUE,
        symbol=_unified(w),
        tick=_common([_decimal(w.tick), *(_decimal(step.tick) for step in w.steps)]),
        lot=_common([_decimal(w.smallest), _decimal(w.contract)]),
        kind=kind,
        native=w.name,
        base=w.base,
        quote=w.quote,
        maker_bps=maker,
        taker_bps=taker,
        book_depth=0,
    )
    return Listed(instrument, w.active)


def _kind(w: _Instrument) -> ContractKind:
    if w.kind == "spot":
        return "spot"
    return "inverse" if w.kind == "future" and _settle(w) != _counter(w) else "linear"


def _counter(w: _Instrument) -> str:
    # Listings of some years ago have no counter currency; all that they hold are contracts on coins in dollars.
    return w.counter or (w.quote if w.quote != w.base else "USD")


def _settle(w: _Instrument) -> str:
    return w.settle or w.base


def _unified(w: _Instrument) -> str:
    pair = f"{w.base}/{_counter(w)}"
    if w.kind == "spot":
        return pair
    symbol = f"{pair}:{_settle(w)}"
    if w.period == "perpetual":
        return symbol
    if w.expires is None:
        raise ValueError("the expiry is missing")
    symbol += f"-{datetime.fromtimestamp(w.expires / 1000, UTC):%y%m%d}"
    if w.kind == "future":
        return symbol
    if w.kind != "option" or w.option_type not in ("call", "put"):
        raise ValueError(f"an instrument of kind {w.kind[:40]!r}")
    return f"{symbol}-{_plain(_decimal(w.strike))}-{'C' if w.option_type == 'call' else 'P'}"


def _common(steps: Sequence[Decimal]) -> Decimal:
    """The largest step that all of these are multiples of."""
    fractions = [Fraction(step) for step in steps]
    if any(f <= 0 for f in fractions):
        raise ValueError("a step of zero or less")
    scale = math.lcm(*(f.denominator for f in fractions))
    step = Fraction(math.gcd(*(int(f * scale) for f in fractions)), scale)
    return (Decimal(step.numerator) / Decimal(step.denominator)).normalize()


def _decimal(number: Raw) -> Decimal:
    value = Decimal(str(number, "ascii"))
    if not -20 < value.adjusted() < 20:
        raise ValueError("a number of absurd size")
    return value


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bps(commission: float) -> float | None:
    return round(commission * 10_000, 6) if -0.01 < commission < 0.1 and commission != -1.0 else None
