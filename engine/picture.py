"""Immutable pictures of a market for a screen, made from its state at the rate they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from engine.detail_view import FeeView, MemberView
from engine.explanation import counting_since
from engine.histogram import histogram
from engine.holding import holding
from engine.merged import members_of, merged_ladder
from engine.metrics.cost_table import CostRow, MarketBook, walk_table
from engine.metrics.names import parse_metric
from engine.tape import NO_ASK, NO_BID, Channel, Ints
from engine.view import LadderRow, LadderView, MarketSummary, MarketView, RuleView, SeriesView, TradeView, ViewRequest

if TYPE_CHECKING:
    from engine.fees import FeeSchedule
    from engine.market import Market

#: What a maker who was hit loses on average, for the table of costs.
ADVERSE = "markout(5s,5m)"
#: How far the mid runs away from one who rests, waits a minute in vain and then takes: it went with the takers.
DRIFT = "markout(60s,5m)"
#: What the strip shows of a market.
STRIP_DELTA = "delta(60s)"
STRIP_VPIN = ("vpin(adv/50,50)", "vpin(adv/500,50)", "vpin(adv/5000,50)")


def market_view(
    market: Market, request: ViewRequest, rules: tuple[RuleView, ...], others: Iterable[Market] = ()
) -> MarketView:
    """Everything the request names, as the market stands now (its news must have been folded).

    Costs are compared with those of `others` that trade the same base currency."""
    read = values(market, request.metrics)
    markets = {other.instrument.market: other for other in others}
    book, ladder = market.trust.view(Channel.BOOK), None
    members: tuple[MemberView, ...] = ()
    if market.instrument.members:
        ladder, book = merged_ladder(market, markets, request)
        members = members_of(market, markets)
    return MarketView(
        instrument=market.instrument,
        t=market.t,
        recv=market.recv,
        latency=market.lateness.view(),
        book=book,
        trades=market.trust.view(Channel.TRADES),
        ladder=ladder or _ladder(market, request),
        tape=_tape(market, request),
        series=_series(market, request),
        metrics=read,
        rules=rules,
        events=market.messages,
        holes=market.missing,
        skipped=market.refused,
        began=market.began,
        warmed=_warmed(market, request.metrics),
        warmup={key: parse_metric(key).spec.warmup for key, value in read.items() if value is None},
        since=_since(market, request.metrics),
        costs=tuple(_costs(market, markets.values(), request.notionals)) if request.notionals else (),
        fees=fee_view(market.context.fees) if request.notionals else None,
        histogram=histogram(market, request.histogram_rows, request.anchor) if request.histogram_rows else None,
        position=None if request.position is None else holding(market, request.position),
        members=members,
    )


def market_summary(market: Market, firing: int) -> MarketSummary:
    """One cell of the markets strip."""
    vpins = (market.value(parse_metric(text)) for text in STRIP_VPIN)
    return MarketSummary(
        market=market.instrument.market,
        simulated=market.instrument.simulated,
        book=market.trust.view(Channel.BOOK),
        trades=market.trust.view(Channel.TRADES),
        last=market.value(parse_metric("last")),
        digits=market.instrument.price_digits,
        delta=market.value(parse_metric(STRIP_DELTA)),
        vpin=next((v for v in vpins if v is not None), None),
        firing=firing,
    )


def values(market: Market, keys: tuple[str, ...]) -> Mapping[str, float | None]:
    """Present values of metrics by the texts they were asked with."""
    return {key: market.value(parse_metric(key)) for key in keys}


def _warmed(market: Market, keys: tuple[str, ...]) -> Mapping[str, str]:
    told = ((key, market.warmed(parse_metric(key))) for key in keys)
    return {key: text for key, text in told if text is not None}


def _since(market: Market, keys: tuple[str, ...]) -> Mapping[str, int]:
    told = ((key, counting_since(market, parse_metric(key))) for key in keys)
    return {key: t for key, t in told if t is not None}


def fee_view(fees: FeeSchedule | None) -> FeeView | None:
    """The user's tier and the next one; None where no fees are configured."""
    if fees is None:
        return None
    made, taken = fees.next_tier(monthly_maker=fees.volume), fees.next_tier(monthly_taker=fees.volume)
    return FeeView(
        maker_bps=fees.tier.maker_bps,
        taker_bps=fees.tier.taker_bps,
        tier=fees.tiers.index(fees.tier) + 1,
        tiers=len(fees.tiers),
        volume=fees.volume,
        source=fees.source,
        as_of=fees.as_of.isoformat() if fees.as_of else "",
        missing=made.missing if made else None,
        saving_made=made.saving if made else None,
        saving_taken=taken.saving if taken else None,
    )


def _costs(market: Market, others: Iterable[Market], notionals: tuple[float, ...]) -> list[CostRow]:
    own = MarketBook(
        market.instrument,
        market.order_book,
        market.context.fees,
        adverse_bps=market.value(parse_metric(ADVERSE)),
        drift_bps=market.value(parse_metric(DRIFT)),
    )
    rivals = (_rival(market, other) for other in others)
    return walk_table([own, *(rival for rival in rivals if rival is not None)], notionals)


def _rival(market: Market, other: Market) -> MarketBook | None:
    """The book of another market of the same base currency; None where there is nothing to compare.

    Sizes in another quote currency (USD for USDT, say) are those of the same amount of the base at both mids: no rate
    between the two is assumed."""
    ours, theirs = market.instrument, other.instrument
    if ours.market == theirs.market or not ours.base or (ours.base, ours.simulated) != (theirs.base, theirs.simulated):
        return None
    worth = 1.0
    if ours.quote != theirs.quote:
        mid, their_mid = market.value(parse_metric("mid")), other.value(parse_metric("mid"))
        if mid is None or their_mid is None:
            return None
        worth = their_mid / mid
    return MarketBook(theirs, other.order_book, other.context.fees, worth=worth)


def _ladder(market: Market, request: ViewRequest) -> LadderView:
    book, group = market.order_book, max(1, request.group)
    if not book.valid:
        return LadderView(False, group, (), None, None, 0, 0, None, None)
    best_bid = book.best_bid if book.best_bid != NO_BID else None
    best_ask = book.best_ask if book.best_ask != NO_ASK else None
    rows = max(1, request.ladder_rows)
    top = request.ladder_top
    if top is None:
        inner = [px for px in (best_bid, best_ask) if px is not None]
        top = (sum(inner) // len(inner) // group + rows // 2) * group if inner else rows * group
    top -= top % group
    prices = top - group * np.arange(rows, dtype=np.int64)
    bid = _grouped(*book.levels(1, until=int(prices[-1])), prices, group, rounding=-1)
    ask = _grouped(*book.levels(-1, until=int(prices[0])), prices, group, rounding=1)
    sold = bought = [0] * rows
    poc = None
    if market.profile is not None:
        sold, bought = market.profile.at(prices, group)
        poc = market.profile.poc()
    return LadderView(
        ok=True,
        group=group,
        rows=tuple(
            LadderRow(*row) for row in zip(prices.tolist(), bid.tolist(), ask.tolist(), sold, bought, strict=True)
        ),
        best_bid=best_bid,
        best_ask=best_ask,
        bid_qty=book.bid_qty,
        ask_qty=book.ask_qty,
        known_low=book.known_low,
        known_high=book.known_high,
        poc=poc,
    )


def _grouped(px: Ints, qty: Ints, prices: Ints, group: int, rounding: int) -> Ints:
    """Lots at each of `prices` (descending, `group` apart): bids round down to a row, asks up, so sides never mix."""
    row_px = px // group * group if rounding < 0 else -(-px // group) * group
    index = (prices[0] - row_px) // group
    inside = (index >= 0) & (index < len(prices))
    out = np.zeros(len(prices), np.int64)
    np.add.at(out, index[inside], qty[inside])
    return out


def _tape(market: Market, request: ViewRequest) -> tuple[TradeView, ...]:
    out: list[TradeView] = []
    for ts, px, qty, side, flags, trade_id in reversed(market.prints):
        if qty >= request.tape_min:
            out.append(TradeView(ts, px, qty, side, flags, trade_id))
            if len(out) >= request.tape_rows:
                break
    return tuple(out)


def _series(market: Market, request: ViewRequest) -> SeriesView:
    if market.series is None:
        return SeriesView(request.series_step, market.t, (), (), (), (), (), (), (), (), ())
    return market.series.columns(request.series_step, request.series_columns, market.t)
