"""The venues of a composite: who is in, what each gives, where the best price is."""

from __future__ import annotations

from dataclasses import replace

from engine.detail_view import MemberView
from engine.view import ChannelView
from tests.tui.panels.harness import lines
from tests.tui.views import live, make_overview, make_view
from tui.panels.ladder import Ladder
from tui.panels.ladder_rows import spread_text
from tui.panels.members import Members


def member(market: str, initial: str, **changes: object) -> MemberView:
    good = live()
    usual = MemberView(
        market, initial, good, good, True, 3000.0, 2999.9, 3000.1, 2998.4, 3001.6, False, False, 12.5, -0.5, 0.25
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


GONE = ChannelView("STALE", "connection lost", 0, 0, None)
VIEW = replace(
    make_view(),
    members=(
        member("one:ETH/USDT", "O", best_bid=True, share=0.75),
        member("two:ETH/USDT", "T", best_ask=True),
        member("three:ETH/USDT", "H", counted=False, trades=GONE, share=None, cvd=None),
    ),
)


def test_each_member_has_its_row_and_the_best_price_with_fees_is_marked() -> None:
    texts = lines(Members(), VIEW, make_overview(), 100, 12)
    assert "2 of 3 counted, in ETH" in texts[0]
    one, two = (next(text for text in texts if market in text) for market in ("one:ETH", "two:ETH"))
    assert "+12.50" in one
    assert "75%" in one
    assert "2,998.40*" in one.replace(" ", "")
    assert "3,001.60*" not in one.replace(" ", "")
    assert "3,001.60*" in two.replace(" ", "")


def test_who_is_left_out_is_said_with_the_reason() -> None:
    texts = lines(Members(), VIEW, make_overview(), 100, 12)
    assert any("three:ETH/USDT is left out: connection lost" in text for text in texts)
    assert "STALE" in next(text for text in texts if text.strip().startswith("H three"))


def test_a_member_in_another_currency_says_why_it_has_no_price() -> None:
    other = member("four:ETH/USDC", "F", bid=None, ask=None, all_in_bid=None, all_in_ask=None)
    texts = lines(Members(), replace(VIEW, members=(*VIEW.members[:2], other)), make_overview(), 100, 12)
    assert [text for text in texts if "no price" in text] == [
        " four:ETH/USDC: not in USDT, no price".ljust(100),
    ]


def test_the_merged_ladder_says_who_is_left_out_and_how_far_venues_overlap() -> None:
    ladder = Ladder()
    view = replace(VIEW, book=ChannelView("LIVE", "without three", 0, 0, None))
    assert "a row, without three" in lines(ladder, view, make_overview(), 60, 20)[0]
    bid, ask = view.ladder.best_bid, view.ladder.best_ask
    assert bid is not None
    assert ask is not None
    crossed = replace(view, ladder=replace(view.ladder, best_bid=ask + 2, best_ask=ask))
    assert "venues overlap by 0.02" in spread_text(crossed)
    assert spread_text(view).startswith("spread ")


def test_in_a_narrow_panel_prices_have_a_row_of_their_own() -> None:
    texts = lines(Members(), VIEW, make_overview(), 56, 12)
    assert any("with fees: bid" in text and "2,998.40*" in text.replace(" ", "") for text in texts)


def test_a_single_market_says_how_to_sum_several() -> None:
    texts = lines(Members(), make_view(), make_overview(), 100, 12)
    assert "composite:BTC/USDT@binance" in " ".join(texts)
