"""Prices: the last trade, the best quotes, and the mids between them. METRICS 1.11, 0.1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import BookReader, Bound, Context, MetricSpec
from engine.metrics.windows import Steps, check_state
from engine.tape import NO_ASK, NO_BID, Ints


class LastPrice:
    """Price of the latest trade that is order flow. The only field is `last`."""

    def __init__(self, context: Context) -> None:
        self._instrument = context.instrument
        self._ticks = Steps(np.int64)

    def update(self, batch: Batch) -> None:
        if len(batch.trades):
            self._ticks.append(batch.trades.t, batch.trades.px)

    def sample(self, field: str, times: Ints) -> Floats:
        out = np.full(len(times), np.nan)
        position = self._ticks.position(times)
        known = position >= 0
        out[known] = self._instrument.prices(self._ticks.values()[position[known]])
        return out

    def advance(self, t: int) -> None:
        self._ticks.forget(t)

    def state(self) -> State:
        return {"kind": "last", "version": 1, "ticks": self._ticks.state()}

    def restore(self, state: State) -> None:
        check_state(state, "last", 1)
        self._ticks.restore(state["ticks"])


# ---- functions of the book at the instant


def _bid(book: BookReader, context: Context) -> float | None:
    return context.instrument.price(book.best_bid) if book.best_bid != NO_BID else None


def _ask(book: BookReader, context: Context) -> float | None:
    return context.instrument.price(book.best_ask) if book.best_ask != NO_ASK else None


def _bid_size(book: BookReader, context: Context) -> float | None:
    return context.instrument.amount(book.bid_qty) if book.best_bid != NO_BID else None


def _ask_size(book: BookReader, context: Context) -> float | None:
    return context.instrument.amount(book.ask_qty) if book.best_ask != NO_ASK else None


def _two_sided(book: BookReader) -> bool:
    return book.best_bid != NO_BID and book.best_ask != NO_ASK


def _mid(book: BookReader, context: Context) -> float | None:
    return context.instrument.price(book.best_bid + book.best_ask) / 2 if _two_sided(book) else None


def weighted_mid(instrument: Instrument, bid: int, bid_qty: int, ask: int, ask_qty: int) -> float:
    """(a q_b + b q_a) / (q_b + q_a) as a price: a heavy bid pulls it up to the ask (Gatheral and Oomen).
    Ticks and lots of a two-sided touch."""
    return instrument.price(ask * bid_qty + bid * ask_qty) / (bid_qty + ask_qty)


def _weighted_mid(book: BookReader, context: Context) -> float | None:
    if not _two_sided(book):
        return None
    return weighted_mid(context.instrument, book.best_bid, book.bid_qty, book.best_ask, book.ask_qty)


def _spread_bps(book: BookReader, context: Context) -> float | None:
    if not _two_sided(book):
        return None
    return 20_000 * (book.best_ask - book.best_bid) / (book.best_ask + book.best_bid)


def _spec(name: str, unit: str, meaning: str, value: Callable[[BookReader, Context], float | None]) -> MetricSpec:
    def probe(book: BookReader, context: Context) -> float | None:
        return value(book, context) if book.valid else None

    bound = Bound(probe=probe, needs_book=True)
    warmup = "from the first valid book on; null while the book is not valid or a side it needs is empty"
    return MetricSpec(name, (), unit, meaning, warmup, lambda: bound, "prices")


SPECS = (
    MetricSpec(
        "last",
        (),
        "price",
        "price of the latest trade",
        "from the first trade on",
        lambda: Bound(share="last", make=LastPrice, field="last", needs_trades=True),
        "prices",
    ),
    _spec("bid", "price", "best bid", _bid),
    _spec("ask", "price", "best ask", _ask),
    _spec("bid_size", "base", "amount at the best bid (inverse contracts: quote units)", _bid_size),
    _spec("ask_size", "base", "amount at the best ask (inverse contracts: quote units)", _ask_size),
    _spec("mid", "price", "middle of best bid and best ask", _mid),
    _spec("wmid", "price", "weighted mid: (ask x bid size + bid x ask size) / (bid size + ask size)", _weighted_mid),
    _spec("spread_bps", "bps", "best ask minus best bid, in basis points of the mid", _spread_bps),
)
