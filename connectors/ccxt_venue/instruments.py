"""ccxt's markets as instruments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.live.listing import Listed, Listing
from engine.instrument import ContractKind, Instrument

#: Levels a side that are taken of a book.
DEPTH = 100
#: What bounds the digits where the exchange does not say its steps.
_FINEST = Decimal("1e-10")
#: Orders from before a change of the lot rest in many spot books; two more decimals keep them exact.
_LOT_PARTS = 100
# ccxt's precisionMode.
_DECIMAL_PLACES, _TICK_SIZE = 2, 4


def read_listing(venue: str, markets: Mapping[str, Mapping[str, Any]], mode: int) -> Listing:
    """`markets` as an exchange of this precision mode holds them. What makes no sense is skipped and counted, options
    are left out."""
    listed, skipped = [], 0
    for market in markets.values():
        if market.get("option"):
            continue
        try:
            instrument = read_market(venue, market, mode)
        except (ArithmeticError, KeyError, TypeError, ValueError):
            skipped += 1
        else:
            listed.append(Listed(instrument, market.get("active") is not False))
    return Listing(venue, listed, skipped)


def read_market(venue: str, market: Mapping[str, Any], mode: int) -> Instrument:
    """One market. Raises what an odd one leads to (KeyError, TypeError, ValueError, ArithmeticError)."""
    precision = market.get("precision") or {}
    tick, lot = _step(precision.get("price"), mode), _step(precision.get("amount"), mode)
    contract = market.get("contractSize") if market.get("contract") else None
    kind: ContractKind = "spot"
    if market.get("contract"):
        kind = "inverse" if market.get("inverse") else "linear"
    elif lot is not None:
        lot /= _LOT_PARTS
    names = {key: market[key] for key in ("symbol", "id", "base", "quote")}
    if not all(isinstance(name, str) and name for name in names.values()):
        raise ValueError("a name is missing")
    return Instrument(
        venue=venue,
        symbol=names["symbol"],
        tick=_FINEST if tick is None else tick,
        lot=_FINEST if lot is None else lot,
        kind=kind,
        contract=Decimal(str(contract)) if contract else Decimal(1),
        native=names["symbol"],  # what ccxt's methods are asked with
        base=names["base"],
        quote=names["quote"],
        maker_bps=_bps(market.get("maker")),
        taker_bps=_bps(market.get("taker")),
        fixed_tick=tick is not None,
        book_depth=-1,
    )


def _step(value: Any, mode: int) -> Decimal | None:
    """None where the exchange tells significant digits, or nothing: then there is no fixed step."""
    if value is None or mode not in (_DECIMAL_PLACES, _TICK_SIZE):
        return None
    step = Decimal(1).scaleb(-int(value)) if mode == _DECIMAL_PLACES else Decimal(str(value))
    return step.normalize() if step.is_finite() and step > 0 else None


def _bps(fee: Any) -> float | None:
    if isinstance(fee, bool) or not isinstance(fee, int | float) or not math.isfinite(fee) or abs(fee) >= 1:
        return None
    return round(fee * 1e4, 6)
