"""The members of a composite side by side, and their books as one ladder in base units.

Books of several venues overlap: a bid here may lie above an ask there, for as long as fees keep anybody from trading
on it. They are shown as they are; what is best is told with taker fees included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from engine.detail_view import MemberView
from engine.metrics.names import parse_metric
from engine.tape import NO_ASK, NO_BID, Channel, Ints
from engine.view import ChannelView, LadderRow, LadderView, ViewRequest

if TYPE_CHECKING:
    from engine.market import Market

#: What the members are compared by, and the same of inverse contracts.
CVD, CVD_INVERSE = "cvd", "cvd_base"
HOUR, HOUR_INVERSE = "volume(1h)", "volume_base(1h)"
LAST, DELTA = "last", "delta(60s)"

#: One side of one book, on the grid of the composite: whose it is, prices, sizes.
Side = tuple[str, Ints, Ints]


def initials(members: Sequence[str]) -> dict[str, str]:
    """A letter for each market, of its venue where that tells them apart, else the next free one."""
    out: dict[str, str] = {}
    for market in members:
        letters = [c.upper() for c in market if c.isalpha()] + [str(n) for n in range(1, 10)]
        out[market] = next((letter for letter in letters if letter not in out.values()), "?")
    return out


# ---- side by side


def members_of(composite: Market, markets: Mapping[str, Market]) -> tuple[MemberView, ...]:
    """Every member of a composite, in its order; one that is not there yet is waited for."""
    names = composite.instrument.members
    letters = initials(names)
    there = {name: markets[name] for name in names if name in markets}
    seen = {name: _member(name, letters[name], market, composite) for name, market in there.items()}
    counted = [(name, member) for name, member in seen.items() if member.counted]
    volumes = {name: _base(there[name], HOUR, HOUR_INVERSE) for name, _ in counted}
    total = sum(volume or 0.0 for volume in volumes.values())
    best_bid = max((m.all_in_bid for _, m in counted if m.all_in_bid is not None), default=None)
    best_ask = min((m.all_in_ask for _, m in counted if m.all_in_ask is not None), default=None)
    out = []
    for name in names:
        member = seen.get(name) or _absent(name, letters[name])
        volume = volumes.get(name)
        out.append(
            replace(
                member,
                best_bid=member.counted and member.all_in_bid is not None and member.all_in_bid == best_bid,
                best_ask=member.counted and member.all_in_ask is not None and member.all_in_ask == best_ask,
                share=None if volume is None or not total else volume / total,
            )
        )
    return tuple(out)


def _member(name: str, initial: str, market: Market, composite: Market) -> MemberView:
    comparable = market.instrument.quote == composite.instrument.quote
    bid, ask = _touch(market) if comparable else (None, None)
    fees = market.context.fees
    bps = market.instrument.taker_bps if fees is None else fees.tier.taker_bps
    inverse = market.instrument.kind == "inverse"
    return MemberView(
        market=name,
        initial=initial,
        book=market.trust.view(Channel.BOOK),
        trades=market.trust.view(Channel.TRADES),
        counted=market.trust.usable(Channel.TRADES),
        last=market.value(parse_metric(LAST)) if comparable else None,
        bid=bid,
        ask=ask,
        all_in_bid=None if bid is None or bps is None else bid * (1 - bps / 1e4),
        all_in_ask=None if ask is None or bps is None else ask * (1 + bps / 1e4),
        best_bid=False,
        best_ask=False,
        cvd=_base(market, CVD, CVD_INVERSE),
        delta=None if inverse else market.value(parse_metric(DELTA)),
        share=None,
    )


def _absent(name: str, initial: str) -> MemberView:
    waiting = ChannelView("WARMING", "not listed yet", 0, 0, None)
    return MemberView(
        name, initial, waiting, waiting, False, None, None, None, None, None, False, False, None, None, None
    )


def _base(market: Market, metric: str, of_inverse: str) -> float | None:
    return market.value(parse_metric(of_inverse if market.instrument.kind == "inverse" else metric))


def _touch(market: Market) -> tuple[float | None, float | None]:
    book, price = market.order_book, market.instrument.price
    if not book.valid:
        return None, None
    bid = price(book.best_bid) if book.best_bid != NO_BID else None
    return bid, price(book.best_ask) if book.best_ask != NO_ASK else None


# ---- one ladder


def merged_ladder(
    composite: Market, markets: Mapping[str, Market], request: ViewRequest
) -> tuple[LadderView, ChannelView]:
    """The books of the members in one, and how far it can be relied on.

    Members whose book is not valid, whose prices are in another currency or whose amounts depend on the price are left
    out, and named. A horizon of the known depth is the nearest of any member: beyond it the sum lacks somebody's.
    """
    ours, group = composite.instrument, max(1, request.group)
    bids: list[Side] = []
    asks: list[Side] = []
    lows, highs, out = [], [], []
    for name in ours.members:
        market = markets.get(name)
        if market is None or not _fits(market, composite):
            out.append(name)
            continue
        theirs, book = market.instrument, market.order_book
        tick, lot = _whole(theirs.tick, ours.tick), _whole(theirs.lot * theirs.contract, ours.lot)
        for sides, side in ((bids, 1), (asks, -1)):
            px, qty = book.levels(side)
            if len(px):
                sides.append((name, px * tick, qty * lot))
        lows += [] if book.known_low is None else [book.known_low * tick]
        highs += [] if book.known_high is None else [book.known_high * tick]
    channel = _channel(ours.members, out)
    if not bids or not asks:
        return LadderView(False, group, (), None, None, 0, 0, None, None), channel
    best_bid = max(int(px[0]) for _, px, _ in bids)
    best_ask = min(int(px[0]) for _, px, _ in asks)
    rows, top = max(1, request.ladder_rows), request.ladder_top
    if top is None:
        top = ((best_bid + best_ask) // 2 // group + rows // 2) * group
    prices = top - top % group - group * np.arange(rows, dtype=np.int64)
    bid, bid_of = _summed(bids, prices, group, -1)
    ask, ask_of = _summed(asks, prices, group, 1)
    letters = initials(ours.members) | {"": ""}
    held = [letters[b if x >= y else a] for b, a, x, y in zip(bid_of, ask_of, bid, ask, strict=True)]
    profile = composite.profile
    sold, bought = ([0] * rows, [0] * rows) if profile is None else profile.at(prices, group)
    ladder = LadderView(
        ok=True,
        group=group,
        rows=tuple(LadderRow(*row) for row in zip(prices.tolist(), bid, ask, sold, bought, held, strict=True)),
        best_bid=best_bid,
        best_ask=best_ask,
        bid_qty=_at(bids, best_bid),
        ask_qty=_at(asks, best_ask),
        known_low=max(lows, default=None),
        known_high=min(highs, default=None),
        poc=None if profile is None else profile.poc(),
    )
    return ladder, channel


def _fits(market: Market, composite: Market) -> bool:
    theirs, ours = market.instrument, composite.instrument
    grid = (Fraction(theirs.tick) / Fraction(ours.tick)).denominator == 1
    return market.order_book.valid and theirs.quote == ours.quote and theirs.kind != "inverse" and grid


def _whole(theirs: Decimal, ours: Decimal) -> int:
    return int(Fraction(theirs) / Fraction(ours))


def _channel(members: Sequence[str], out: Sequence[str]) -> ChannelView:
    """LIVE while anybody's book is there; who is left out is the reason."""
    named = ", ".join(name.partition(":")[0] for name in out)
    if len(out) == len(members):
        return ChannelView("WARMING", f"no book of {named}", 0, 0, None)
    return ChannelView("LIVE", f"without {named}" if out else "", 0, 0, None)


def _summed(levels: Sequence[Side], prices: Ints, group: int, rounding: int) -> tuple[list[int], list[str]]:
    """Lots at each row, and who has most of them there; bids round down to a row, asks up."""
    each = np.zeros((len(levels), len(prices)), np.int64)
    for own, (_, px, qty) in zip(each, levels, strict=True):
        row_px = px // group * group if rounding < 0 else -(-px // group) * group
        index = (prices[0] - row_px) // group
        inside = (index >= 0) & (index < len(prices))
        np.add.at(own, index[inside], qty[inside])
    total = each.sum(axis=0).tolist()
    most = each.argmax(axis=0).tolist()
    return total, [levels[i][0] if lots else "" for i, lots in zip(most, total, strict=True)]


def _at(levels: Sequence[Side], px: int) -> int:
    return sum(int(qty[0]) for _, own, qty in levels if int(own[0]) == px)
