"""What a composite is: how it is written, and which markets can be summed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.nearest import did_you_mean
from engine.feed import SourceError

VENUE = "composite"
_MEMBER = re.compile(r"[a-z][a-z0-9_]*(?::\S+)?")


@dataclass(frozen=True)
class Composite:
    """What is summed. `symbol` names it; `rates` are markets by the quote currency that they convert."""

    symbol: str
    members: tuple[str, ...]
    rates: Mapping[str, str] = field(default_factory=dict)

    @property
    def market(self) -> str:
        """As users name it."""
        return f"{VENUE}:{self.symbol}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Every market that must be watched for it."""
        return tuple(dict.fromkeys((*self.members, *self.rates.values())))


def currencies(symbol: str) -> tuple[str, str]:
    """(base, quote) of a unified symbol; raises SourceError."""
    base, slash, rest = symbol.partition("/")
    quote = re.split(r"[:\-]", rest, maxsplit=1)[0]
    if not slash or not base or not quote:
        raise SourceError(f"{symbol[:60]!r} is no symbol; write BASE/QUOTE, such as BTC/USDT")
    return base, quote


def parse(symbol: str, named: Sequence[str] = ()) -> Composite:
    """The composite of what stands behind `composite:`, other than one of the names there are. SourceError with how to
    write one."""
    own, at, rest = symbol.partition("@")
    if not at:
        names = f"{did_you_mean(symbol, named)} (there are {', '.join(named)})" if named else ""
        raise SourceError(
            f"there is no composite {symbol[:60]!r}{names}; write composite:BTC/USDT@binance+bybit+okx, "
            "or name one in [composites] of the configuration"
        )
    members = []
    for text in rest.split("+"):
        if not _MEMBER.fullmatch(text):
            raise SourceError(f"composite:{symbol[:80]}: {text[:40]!r} is neither a venue nor venue:SYMBOL")
        members.append(text if ":" in text else f"{text}:{own}")
    return checked(Composite(symbol, tuple(dict.fromkeys(members))))


def checked(composite: Composite) -> Composite:
    """The same, if it can be summed; raises SourceError."""
    where = composite.market[:90]
    if len(composite.members) < 2:
        raise SourceError(f"{where}: a composite has two members or more")
    pairs = {}
    for member in (*composite.members, *composite.rates.values()):
        venue, _, symbol = member.partition(":")
        if venue == VENUE:
            raise SourceError(f"{where}: a composite cannot be a member of one")
        pairs[member] = currencies(symbol)
    base, quote = pairs[composite.members[0]]
    for member in composite.members:
        if pairs[member][0] != base:
            raise SourceError(f"{where}: {member} trades {pairs[member][0]}, the first member {base}")
        if pairs[member][1] != quote and pairs[member][1] not in composite.rates:
            raise SourceError(
                f"{where}: {member} is quoted in {pairs[member][1]}, the first member in {quote}; name the market that "
                f'tells the rate in [composites], such as rates = {{ {pairs[member][1]} = "kraken:{quote}/'
                f'{pairs[member][1]}" }}'
            )
    for currency, market in composite.rates.items():
        if set(pairs[market]) != {currency, quote}:
            raise SourceError(f"{where}: {market} tells no rate between {currency} and {quote}")
    return composite
