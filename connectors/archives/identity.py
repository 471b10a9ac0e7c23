"""Which market a file is about: native names to unified ones, without asking the venue."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

# Longest first, so that ETHFDUSD is ETH/FDUSD and not ETHF/DUSD.
_QUOTES = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USD1", "BIDR", "IDRT", "BVND", "DOGE",
    "USD", "EUR", "GBP", "AUD", "BRL", "TRY", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "MXN", "COP", "CZK",
    "JPY",
    "DAI", "BTC", "ETH", "BNB", "XRP", "TRX", "DOT",
)  # fmt: skip
_NATIVE = re.compile(r"([A-Z0-9]{2,20}?)(" + "|".join(_QUOTES) + r")(?:_(PERP|\d{6}))?")
_NAMED = re.compile(r"([a-z0-9_]{1,30}):([^\s/:]{1,30})/([^\s/:-]{1,30})(?::([^\s/:-]{1,30})(-[^\s/:]{1,30})?)?")

_SAFE = re.compile(r"[\w.:/-]{1,60}")

# Tardis' names of exchanges: ours (ccxt's), and what is traded there where that is one thing.
_TARDIS: dict[str, tuple[str, ContractKind | None]] = {
    "binance": ("binance", "spot"),
    "binance-futures": ("binance", "linear"),
    "binance-delivery": ("binance", "inverse"),
    "binance-us": ("binanceus", "spot"),
    "bybit": ("bybit", None),
    "bybit-spot": ("bybit", "spot"),
    "okex": ("okx", "spot"),
    "okex-swap": ("okx", None),
    "okex-futures": ("okx", None),
    "coinbase": ("coinbase", "spot"),
    "kraken": ("kraken", "spot"),
    "cryptofacilities": ("krakenfutures", None),
    "bitstamp": ("bitstamp", "spot"),
    "gemini": ("gemini", "spot"),
    "gate-io": ("gateio", "spot"),
    "kucoin": ("kucoin", "spot"),
}


@dataclass(frozen=True)
class Identity:
    """A market as a file tells it. `doubt` says what in it is a guess."""

    venue: str
    symbol: str
    kind: ContractKind = "spot"
    contract: Decimal = Decimal(1)
    native: str = ""
    base: str = ""
    quote: str = ""
    doubt: str = ""
    fixed_tick: bool = True
    book_depth: int | None = None  # see Instrument

    @property
    def market(self) -> str:
        """`venue:SYMBOL`."""
        return f"{self.venue}:{self.symbol}"

    def instrument(self, tick: Decimal, lot: Decimal, inferred: bool) -> Instrument:
        """The instrument on the given grid."""
        return Instrument(
            self.venue, self.symbol, tick, lot, self.kind, self.contract, self.native, self.base, self.quote,
            fixed_tick=self.fixed_tick, inferred=inferred, book_depth=self.book_depth,
        )  # fmt: skip


def from_native(venue: str, native: str, kind: ContractKind) -> Identity:
    """A market by the venue's own name, such as ETHUSDT or ETHUSD_PERP."""
    parts = _NATIVE.fullmatch(native.upper().replace("-", "").replace("/", "") if "_" not in native else native.upper())
    if parts is None:
        return Identity(venue, native, kind, native=native, doubt="its base and quote currency are not known")
    base, quote, expiry = parts.groups()
    if kind == "spot":
        return Identity(venue, f"{base}/{quote}", kind, Decimal(1), native, base, quote)
    settle = base if kind == "inverse" else quote
    suffix = f"-{expiry}" if expiry and expiry != "PERP" else ""
    contract = _coin_margined_contract(base) if kind == "inverse" and venue == "binance" else Decimal(1)
    return Identity(venue, f"{base}/{quote}:{settle}{suffix}", kind, contract, native, base, quote)


def of_instrument(instrument: Instrument) -> Identity:
    """The market of an instrument that a venue's own listing gave."""
    i = instrument
    return Identity(
        i.venue, i.symbol, i.kind, i.contract, i.native, i.base, i.quote,
        fixed_tick=i.fixed_tick, book_depth=i.book_depth,
    )  # fmt: skip


def binance_kind(native: str, futures: bool) -> ContractKind:
    """Spot, linear or inverse, from the name and whether the messages are those of futures."""
    if re.fullmatch(r"[A-Z0-9]+USD_(PERP|\d{6})", native.upper()):
        return "inverse"
    return "linear" if futures or re.fullmatch(r"[A-Z0-9]+_\d{6}", native.upper()) else "spot"


def from_tardis(exchange: str, symbol: str) -> Identity:
    """A market by Tardis' names of exchange and symbol. Raises ValueError when they can't be names."""
    if not _SAFE.fullmatch(exchange) or not _SAFE.fullmatch(symbol):
        raise ValueError(f"{exchange[:20]!r}, {symbol[:40]!r} is not an exchange and a symbol")
    venue, kind = _TARDIS.get(exchange, (exchange.replace("-", "_"), None))
    if kind is not None:
        return from_native(venue, symbol, kind)
    return Identity(
        venue,
        symbol,
        native=symbol,
        doubt="what its sizes count is not known; they are shown as they stand in the file",
    )


def from_user(market: str, contract: Decimal | None, native: str = "") -> Identity:
    """A market as the user names it. Raises SourceError when it is not of the form venue:BASE/QUOTE[:SETTLE]."""
    parts = _NAMED.fullmatch(market)
    if parts is None:
        raise SourceError(
            f"{market!r} is not a market name; expected venue:BASE/QUOTE, or venue:BASE/QUOTE:SETTLE for futures, "
            "for example binance:ETH/USDT or binance:ETH/USD:ETH"
        )
    venue, base, quote, settle, _ = parts.groups()
    kind: ContractKind = "spot" if settle is None else "inverse" if settle == base else "linear"
    size = _coin_margined_contract(base) if venue == "binance" and kind == "inverse" else Decimal(1)
    return Identity(venue, market.partition(":")[2], kind, contract or size, native, base, quote)


def with_contract(identity: Identity, contract: Decimal | None) -> Identity:
    """The identity with the contract size the user gives, if one is given."""
    return identity if contract is None else replace(identity, contract=contract)


def _coin_margined_contract(base: str) -> Decimal:
    """Binance COIN-M: contracts of 100 USD for bitcoin and of 10 USD for everything else."""
    return Decimal(100) if base == "BTC" else Decimal(10)
