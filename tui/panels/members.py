"""The markets of a composite side by side: who is in the sum, what each gives to it, and where the best price is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs

if TYPE_CHECKING:
    from engine.detail_view import MemberView
    from engine.instrument import Instrument
    from engine.view import EngineView, MarketView

NAME, STATE, AMOUNT, SHARE = 18, 8, 9, 6


def _price(value: float | None, best: bool, instrument: Instrument, width: int) -> tuple[Role, str]:
    text = fmt.price(value, instrument.price_digits, width - 1)
    return ("large" if best else "text"), text + ("*" if best else " ")


def _signed(value: float | None) -> tuple[Role, str]:
    role: Role = (
        "dim" if value is None or not fmt.known(value) else "buy" if value > 0 else "sell" if value < 0 else "text"
    )
    return role, fmt.signed(value, AMOUNT)


def _state(member: MemberView) -> tuple[Role, str]:
    """Of its trades, or of its book where that is worse off: what is not relied on is said."""
    channel = member.trades if not member.counted or member.book.state in ("LIVE", "NONE") else member.book
    return ("dim" if member.counted else "alert"), fmt.left(channel.state, STATE)


def member_rows(view: MarketView, width: int, height: int) -> list[Runs]:
    """A row of names, one of each member, and why those that are out are out."""
    instrument = view.instrument
    price = max(9, len(instrument.price_text(view.ladder.best_ask or 0)) + 2)
    wide = width >= 3 + NAME + STATE + 2 * AMOUNT + SHARE + 2 * price
    head = fmt.left("   venue", 3 + NAME) + fmt.left("trust", STATE)
    head += fmt.right("CVD", AMOUNT) + fmt.right("60s", AMOUNT) + fmt.right("share", SHARE)
    head += fmt.right("bid-fee ", price) + fmt.right("ask+fee ", price) if wide else ""
    rows: list[Runs] = [(("dim", head),)]
    for member in view.members:
        role: Role = "text" if member.counted else "dim"
        runs: list[tuple[Role, str]] = [(role, f" {member.initial} " + fmt.left(fmt.foreign(member.market), NAME))]
        runs += [_state(member), _signed(member.cvd), _signed(member.delta), (role, fmt.percent(member.share, SHARE))]
        prices = (
            _price(member.all_in_bid, member.best_bid, instrument, price),
            _price(member.all_in_ask, member.best_ask, instrument, price),
        )
        if wide:
            runs += prices
        rows.append(tuple(runs))
        if not wide:
            rows.append((("dim", "   with fees: bid"), prices[0], ("dim", " ask"), prices[1]))
    for member in view.members:
        if not member.counted:
            reason = fmt.foreign(member.trades.reason) or member.trades.state
            rows.append((("alert", f" {fmt.foreign(member.market)} is left out: {reason}"),))
        elif instrument.quote and instrument.quote not in member.market.partition("/")[2].split(":"):
            rows.append((("dim", f" {fmt.foreign(member.market)}: not in {fmt.foreign(instrument.quote)}, no price"),))
    return rows[:height]


class Members(RowPanel):
    """The venues of a composite."""

    TITLE = "VENUES"
    CHANNEL = "trades"
    HZ = 2.0

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """How many are in."""
        if not view.members:
            return ()
        counted = sum(member.counted for member in view.members)
        return (("dim", f"{counted} of {len(view.members)} counted, in {fmt.foreign(view.instrument.base)}; * best"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """A single market has no members."""
        if view.members:
            return None
        return "this is one market; a composite sums several: flowtape composite:BTC/USDT@binance+bybit+okx"

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `member_rows`."""
        return member_rows(view, width, height)
