"""The panel of costs: its rows, the comparison of markets, tiers, and what it says is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.fees import FeeSchedule, FeeTier
from engine.market import Market
from engine.metrics.cost_table import CostRow
from engine.picture import fee_view, market_view
from engine.view import MarketView, ViewRequest
from tests.engine.tapes import START
from tests.engine.test_explanation import INSTRUMENT, trading
from tests.tui.views import make_view
from tui.panels.base import Runs
from tui.panels.cost import COMPARED, DRIFT, METRICS, NOTIONALS, cost_rows, fee_runs, impact_lines, maker_runs
from tui.panels.cost import market_rows as markets_compared
from tui.panels.glyphs import BRAILLE
from tui.panels.lines import Line

TIERS = (FeeTier(0, 2, 5), FeeTier(1_000_000, 1.5, 4), FeeTier(5_000_000, 1, 3))


def text(runs: Runs) -> str:
    return "".join(part for _, part in runs)


def shown(**changes: object) -> MarketView:
    return make_view(request=ViewRequest(metrics=METRICS, notionals=NOTIONALS), **changes)


def cost(market: str, side: str, all_in: float | None, rank: int | None) -> CostRow:
    return CostRow(market, side, COMPARED, 1.0, 1.0, 1, 1, 4.0, all_in, None, 1.2, 0.6, rank)  # type: ignore[arg-type]


def test_markets_stand_cheapest_first_and_the_own_one_stays() -> None:
    own = make_view().instrument.market
    costs = tuple(
        cost(market, side, all_in, rank)
        for market, all_in, rank in (("a:X/Y", 3.0, 2), ("b:X/Y", 1.0, 1), ("c:X/Y", None, None), (own, 9.0, 3))
        for side in ("buy", "sell")
    )
    view = shown(costs=costs)
    rows = [text(runs) for runs in markets_compared(view, 5, BRAILLE)]
    assert [row.split()[0] for row in rows[1:]] == ["b:X/Y", "a:X/Y", "*" + own, "c:X/Y"]
    assert "1.00 #1" in rows[1]
    assert "9.00 #3" in rows[3]
    assert "#" not in rows[4]
    low = [text(runs) for runs in markets_compared(view, 3, BRAILLE)]
    assert [row.split()[0] for row in low[1:]] == ["b:X/Y", "*" + own]
    assert markets_compared(shown(), 5, BRAILLE) == []


def test_the_tier_and_the_way_to_the_next_one() -> None:
    fees = fee_view(FeeSchedule(TIERS, 2_000_000))
    assert fees is not None
    assert (fees.tier, fees.tiers, fees.missing) == (2, 3, 3_000_000)
    assert (fees.saving_made, fees.saving_taken) == pytest.approx((100.0, 200.0))
    said = text(fee_runs(shown(fees=fees)))
    assert said.startswith(" tier 2/3: maker 1.5 taker 4; next in 3")
    assert "saves 100 to 200 a month" in said.replace(".00", "").replace(".0", "")
    assert "set volume in [fees." in text(fee_runs(shown(fees=fee_view(FeeSchedule(TIERS)))))
    assert text(fee_runs(shown(fees=fee_view(FeeSchedule(TIERS, 9e6))))).endswith(", the highest")
    assert fee_view(None) is None


def test_without_fees_it_says_how_to_give_them() -> None:
    view = shown()
    venue = view.instrument.venue
    unlisted = replace(view, instrument=replace(view.instrument, taker_bps=None, maker_bps=None))
    assert text(fee_runs(unlisted)) == f" fees unknown; yours: flowtape config fees {venue}"
    listed = replace(view, instrument=replace(view.instrument, taker_bps=5.0))
    assert "as the venue lists them" in text(fee_runs(listed))


def test_resting_says_from_when_it_pays_or_what_is_missing() -> None:
    view = shown()
    assert "better from p 60% on" in text(maker_runs(view, BRAILLE))

    def said(**changes: object) -> str:
        costs = tuple(replace(row, **changes) for row in view.costs)  # type: ignore[arg-type]
        return text(maker_runs(replace(view, costs=costs), BRAILLE))

    assert f"break-even unknown without {DRIFT}" in said(break_even_fill=None)
    assert "never better" in said(break_even_fill=None, filled_maker_bps=99.0)
    assert "without the taker fee" in said(break_even_fill=None, all_in_bps=None)
    bare = replace(view, costs=(), instrument=replace(view.instrument, maker_bps=None))
    assert "unknown without the maker fee" in text(maker_runs(bare, BRAILLE))
    told = replace(bare, instrument=replace(view.instrument, maker_bps=1.0))
    assert "unknown without markout(5s,5m)" in text(maker_runs(told, BRAILLE))


@pytest.mark.parametrize(
    ("share", "seen", "said"), [(0.001, 1.0, "0.1 % of a day: law seen"), (0.2, 0.0, "20 % of a day: EXTRAPOLATED")]
)
def test_the_root_law_says_where_it_was_seen(share: float, seen: float, said: str) -> None:
    view = shown(metrics={"impact_share(adv/1000)": share, "impact_seen(adv/1000)": seen})
    notes = {line.metrics[0]: line.note for line in impact_lines(view) if isinstance(line, Line)}
    assert notes["impact_sqrt(adv/1000)"].startswith(said)
    assert notes["impact_sqrt(adv/100)"] == "law seen for 0.01-10 % of a day"


def test_no_height_is_exceeded() -> None:
    for height in range(30):
        assert len(cost_rows(shown(), 60, height, BRAILLE)) <= height


def lot_of(venue: str, price: float, quote: str = "B", base: str = "A") -> Market:
    """A market with one deep level a side, a hundredth of `price` apart."""
    instrument = replace(INSTRUMENT, venue=venue, base=base, quote=quote, maker_bps=1.0, taker_bps=5.0)
    market = trading(1, instrument)
    market.snapshot(START, START, 1, [(f"{price * 0.995:.2f}", 5e6)], [(f"{price * 1.005:.2f}", 5e6)])
    market.flush()
    return market


def test_the_same_base_is_compared_on_all_markets() -> None:
    own, same, other, dollars = lot_of("a", 10), lot_of("b", 20), lot_of("c", 10, base="Z"), lot_of("d", 40, "D")
    view = market_view(own, ViewRequest(notionals=(1000.0,)), (), (own, same, other, dollars))
    assert {row.market for row in view.costs} == {m.instrument.market for m in (own, same, dollars)}
    for row in view.costs:
        assert row.notional == 1000.0
        assert row.all_in_bps == pytest.approx(55.0)
        assert row.all_in == pytest.approx(5.5)
        assert row.fill_ratio == 1
    assert view.fees is None
