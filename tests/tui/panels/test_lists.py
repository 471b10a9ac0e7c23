"""Tape, alerts, markets strip and status line."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lateness import LatencyView
from engine.tape import Flag
from engine.view import ChannelView, PlayView, TradeView, ViewRequest
from tests.tui.panels.harness import PanelApp, lines, painted
from tests.tui.views import BTC, ETH_COIN, NS, RULES, FakeMarket, alert, empty_view, make_overview, make_view, summary
from tui.panels import glyphs
from tui.panels.alerts import Alerts, alert_rows, firing_row
from tui.panels.base import fit
from tui.panels.status import Status, latency_items, status_items, status_row
from tui.panels.strip import Strip, strip_row
from tui.panels.tape import MINIMA, Tape, aggregate, mark_large, minimum_lots
from tui.panels.toxicity import rule_rows

TRADES = st.lists(
    st.builds(
        TradeView,
        t=st.integers(0, 5 * 10**6),
        px=st.integers(1, 5),
        qty=st.integers(1, 100),
        side=st.sampled_from((-1, 0, 1)),
        flags=st.sampled_from((0, 1, 2, 4, 8)),
        id=st.integers(0, 100),
    ),
    max_size=40,
)


@given(TRADES)
def test_joining_prints_loses_no_volume_and_mixes_no_sides(trades: list[TradeView]) -> None:
    prints = aggregate(trades, 1000)
    assert sum(each.qty for each in prints) == sum(trade.qty for trade in trades)
    assert sum(each.prints for each in prints) == len(trades)
    for side in (-1, 0, 1):
        assert sum(e.qty for e in prints if e.side == side) == sum(t.qty for t in trades if t.side == side)
    for first, second in pairwise(prints):
        assert (first.t // 10**6, first.side, first.flags) != (second.t // 10**6, second.side, second.flags)


@given(TRADES, st.integers(0, 10))
def test_the_newest_rows_are_whole(trades: list[TradeView], rows: int) -> None:
    assert aggregate(trades, rows) == aggregate(trades, 1000)[:rows]


def test_prints_of_one_order_are_one_row_with_its_reach() -> None:
    t = 1_750_500_000 * NS
    trades = [TradeView(t + i, 300_000 + px, 500, 1, 1, 9 - i) for i, px in ((3, 7), (2, 4), (1, 0))]
    view = make_view(tape=tuple(trades))
    text = lines(Tape(), view, make_overview(), 60, 5)[1]
    assert "▲B 3,000.07   1.500" in text
    assert "×3 7 ticks" in text


def test_large_prints_are_marked_and_prints_that_are_no_flow_are_not_coloured() -> None:
    t = 1_750_500_000 * NS
    trades = [TradeView(t + i * NS, 300_000, 1000 if i == 5 else 10, 1, 1, i) for i in range(30)]
    marked = mark_large(aggregate(trades, 50), None)
    assert [each.id for each in marked if each.large] == [5]
    assert [each.large for each in mark_large(marked[:1], 10)] == [True]
    view = make_view(tape=(replace(trades[0], flags=int(Flag.NOT_FLOW)), replace(trades[1], flags=int(Flag.RECOVERED))))
    rows = painted(Tape(), view, make_overview(), 60, 5)
    assert {role for role, _ in rows[1]} == {"dim"}
    assert " N " in "".join(text for _, text in rows[1])
    assert "R" in rows[2][-1][1]
    assert "buy" in {role for role, _ in rows[2]}


def test_the_smallest_print_is_a_sum_of_money() -> None:
    view = make_view()
    lots = minimum_lots(10_000, view)
    assert lots is not None
    price = view.instrument.price(view.tape[0].px)
    assert view.instrument.amount(lots) * price >= 10_000 > view.instrument.amount(lots - 1) * price
    coin = FakeMarket(1, ETH_COIN).run(20).view()
    assert minimum_lots(10_000, coin) == 1000  # ten dollars a contract
    assert minimum_lots(10_000, empty_view()) is None


async def test_the_limit_stays_when_it_hides_every_print() -> None:
    market, tape = FakeMarket(1).run(100), Tape()
    async with PanelApp(tape).run_test(size=(50, 10)):
        assert tape.request_fields()["tape_min"] == 0
        view = market.view(ViewRequest(**tape.request_fields()))
        tape.present(view, make_overview(view), force=True)
        for _ in MINIMA[1:]:
            tape.cycle_minimum()
        assert tape.minimum == 1_000_000
        lots = tape.request_fields()["tape_min"]
        assert lots > 0
        nothing = replace(view, tape=(), ladder=replace(view.ladder, best_bid=None))
        tape.present(nothing, make_overview(view), force=True)
        assert tape.request_fields()["tape_min"] == lots
        assert any("1.00M USDT" in text for text in tape.texts())
        tape.cycle_minimum()
        assert tape.request_fields()["tape_min"] == 0


def test_alerts_list_what_fires_first_then_what_happened_then_what_is_watched() -> None:
    view = make_view()
    firing = replace(RULES[0], state="firing", since=view.t - 3 * NS, value=0.6)
    view = replace(view, rules=(RULES[1], firing))
    events = (
        alert(view, ago=1),
        alert(view, "resolved", ago=2),
        alert(view, ago=3, delivered=False),
        alert(view, ago=4, market="binance:BTC/USDT"),
    )
    rows = painted(Alerts(), view, make_overview(view, alerts=events, unseen=2), 90, 12)
    texts = ["".join(text for _, text in runs).rstrip() for runs in rows]
    assert " 1 firing " in texts[0]
    assert "2 new" in texts[0]
    assert rows[1][0] == ("alert", " FIRING ")
    assert "toxic 3 s  0.600 / 0.450" in texts[1]
    assert "▲ fired" in texts[2]
    assert "▼ resolved" in texts[3]
    assert "suppressed" in texts[4]
    assert "binance:BTC/USDT" in texts[5]
    assert "sim:" not in "".join(texts[2:5])
    assert "inactive" in texts[6]
    assert "lean" in texts[6]


@pytest.mark.parametrize("width", [36, 46, 60, 70])
@pytest.mark.parametrize(
    ("market", "word"), [("sim:DOGE/USDT", "DOGE"), ("okx:BTC/USDT", "okx"), ("binance:BTC/USDC", "BTC/U")]
)
def test_an_alert_of_another_market_is_never_shown_as_one_of_this(width: int, market: str, word: str) -> None:
    view = make_view()
    view = replace(view, instrument=BTC)
    rows = lines(Alerts(), view, make_overview(view, alerts=(alert(view, market=market), alert(view))), width, 8)
    assert word in rows[1]
    assert word not in rows[2]
    assert "0.510" in rows[1]


def test_a_condition_without_room_is_left_out_and_numbers_are_whole() -> None:
    view = make_view()
    view = replace(view, rules=(replace(RULES[0], state="firing", since=view.t - 3 * NS, value=0.6, toxicity=True),))
    for width in range(34, 60):
        row = lines(Alerts(), view, make_overview(view), width, 4)[1].rstrip()
        assert row.endswith(("0.600 / 0.450", "…")) or view.rules[0].when in row
    watched = replace(view.rules[0], state="warming", since=None, rule="toxic-flow micro")
    for width in range(30, 44):
        row = next(runs for runs in rule_rows([watched], view.t, width, glyphs.current()))
        assert "".join(text for _, text in fit(row, width)).rstrip().endswith("0.600 / 0.450")


@pytest.mark.parametrize("width", [30, 35, 42])
def test_a_narrow_alert_list_keeps_rule_and_value(width: int) -> None:
    view = make_view()
    texts = lines(Alerts(), view, make_overview(view, alerts=(alert(view), alert(view, "resolved"))), width, 8)
    assert "▲ fired toxic" in texts[1]
    assert "0.510" in texts[1]
    assert "▼ ended toxic" in texts[2]
    assert "0.310 / 0.450" in next(text for text in texts if "inactive" in text)


def test_what_became_of_each_alert_is_said_and_that_none_is_announced() -> None:
    view = make_view()
    events = (
        alert(view, "fired", 1),
        alert(view, "fired", 2, delivered=False, suppressed="snoozed"),
        alert(view, "held", 3, delivered=False, reason="no data: book RESYNC"),
        alert(view, "repeated", 4),
        alert(view, "resolved", 5, reason="back"),
        alert(view, "resolved", 6, reason="no data: book RESYNC"),
    )
    overview = make_overview(view, alerts=events, muted=True)
    # Also on a screen without the list of alerts, and however narrow.
    assert any(item.text == "alerts muted" for item in status_items(view, overview, glyphs.BLOCK))
    assert not any(item.text == "alerts muted" for item in status_items(view, make_overview(view), glyphs.BLOCK))
    rows = ["".join(text for _, text in row) for row in alert_rows(view, overview, 100, 20, glyphs.BLOCK)]
    assert [row.split()[2] for row in rows[:6]] == ["fired", "snoozed", "held", "repeated", "resolved", "no"]
    head = painted(Alerts(), view, overview, 60, 8)[0]
    assert "ALL MUTED" in "".join(text for _, text in head)
    firing = replace(RULES[0], state="firing", held=True)
    assert firing_row(firing, view.t, 80)[0] == ("alert", " HELD ")


def test_a_long_history_does_not_hide_the_rules() -> None:
    view = make_view()
    texts = lines(Alerts(), view, make_overview(view, alerts=(alert(view),) * 50), 80, 10)
    assert sum("inactive" in text for text in texts) == 2


def test_without_rules_the_list_says_how_to_add_one() -> None:
    view = make_view(rules=())
    assert any("press a" in text for text in lines(Alerts(), view, make_overview(alerts=()), 80, 8))


def test_the_strip_shows_what_makes_one_look() -> None:
    eth = make_view()
    btc = FakeMarket(2, BTC).run(50).view()
    lost = ChannelView("RESYNC", "a book update is missing", btc.t, 0, btc.t)
    markets = (summary(eth, firing=2), summary(btc, book=lost))
    runs = strip_row(markets, btc.instrument.market, 160, glyphs.BRAILLE)
    text = "".join(part for _, part in runs)
    assert "sim:ETH/USDT:USDT SIMULATED 3,02" in text
    assert "2 firing" in text
    assert "▸binance:BTC/USDT" in text
    assert "book RESYNC" in text
    assert ("focus", "▸binance:BTC/USDT") in runs
    assert "104," not in text  # a price of a book that is not trusted is no price


@given(st.integers(1, 40), st.integers(0, 39), st.integers(24, 200))
def test_the_selected_market_is_always_in_sight(count: int, at: int, width: int) -> None:
    at = min(at, count - 1)
    markets = [summary(make_view(steps=1), market=f"x:M{i:02d}/Q") for i in range(count)]
    strip = Strip()
    strip.current = f"x:M{at:02d}/Q"
    text = lines(strip, make_view(steps=1), replace(make_overview(), markets=tuple(markets)), width, 1)[0]
    assert f"▸x:M{at:02d}/Q" in text


def test_latency_below_zero_is_called_clock_skew() -> None:
    def texts(median: float, p99: float, fastest: float) -> list[str]:
        return [item.text for item in latency_items(LatencyView(median, p99, fastest))]

    assert texts(-1400.0, -1350.0, -1403.0) == ["latency 3/53 ms", "clock skew −1.403 s"]
    assert texts(2500.0, 4000.0, 20.0) == ["LAG 2.5 s", "latency 2.5/4.0 s"]
    assert [item.role for item in latency_items(LatencyView(2500.0, 4000.0, 20.0))] == ["alert", "toxic"]
    assert texts(2500.0, 4000.0, 2400.0) == ["latency 2.5/4.0 s"], "far away, but steady"
    assert latency_items(None) == []
    assert texts(-0.4, 7.0, -0.6) == ["latency 0/7 ms"]


def test_the_status_line_keeps_what_matters_when_it_is_short() -> None:
    view = make_view(instrument=BTC)
    view = replace(view, book=ChannelView("STALE", "connection lost", view.t - NS, 0, view.t - 5 * NS))
    overview = make_overview(view)
    items = status_items(view, overview, glyphs.BRAILLE, muted=True, fps=9.8, wire=(5_230.0, 0.0424))
    wide = "".join(text for _, text in status_row(items, "10:00:00 UTC", 160))
    for part in ("book STALE 5 s: connection lost", "trades LIVE", "latency 12/30 ms", "9.8 fps", "bell off"):
        assert part in wide
    assert " 5.2 kB/s 42 ms away" in wide
    assert wide.rstrip().endswith("10:00:00 UTC")
    view = replace(view, book=replace(view.book, losses=2))
    counted = status_items(view, make_overview(view), glyphs.BRAILLE)
    assert [item.text for item in counted if "lost" in item.text.split(":")[0]] == ["lost: book 2x"]
    short = "".join(text for _, text in status_row(items, "10:00:00 UTC", 70))
    assert "STALE" in short
    assert "ev/s" not in short


def test_nothing_moves_in_the_status_line_while_the_picture_is_held() -> None:
    view = make_view(instrument=BTC)
    overview = make_overview(view)
    paused = status_items(view, overview, glyphs.BRAILLE, paused_since=3_723 * NS, fps=9.8, wire=(5_230.0, None))
    other = status_items(
        view,
        replace(overview, events_per_s=1.0, lag_ms=500.0),
        glyphs.BRAILLE,
        paused_since=3_723 * NS,
        fps=2.0,
        wire=(1.0, 0.1),
    )
    assert paused == other
    assert paused[0].text == "PAUSED since 01:02:03"
    done = replace(overview, playing=PlayView(0, 100 * NS, 100 * NS, 1.0, False, True))
    assert not any("fps" in item.text for item in status_items(view, done, glyphs.BRAILLE, fps=9.8))


@pytest.mark.parametrize(
    ("play", "text"),
    [
        (PlayView(0, 100 * NS, 25 * NS, 4.0, False, False), "REPLAY 00:00:25 25% 4×"),
        (PlayView(0, None, 25 * NS, 0.0, False, False), "REPLAY 00:00:25 full speed"),
        (PlayView(0, 100 * NS, 25 * NS, 1.0, True, False), "REPLAY 00:00:25 25% paused"),
        (PlayView(None, None, None, 1.0, False, True), "done"),
    ],
)
def test_a_replay_says_where_it_is(play: PlayView, text: str) -> None:
    view = make_view()
    items = status_items(view, make_overview(view, playing=play), glyphs.BRAILLE)
    assert any(text in item.text for item in items)


def test_simulated_and_the_clock_are_always_there() -> None:
    status = Status(now=lambda: 1_750_500_000 * NS)
    view = make_view()
    text = lines(status, view, make_overview(view), 40, 1)[0]
    assert "SIMULATED" in text
    assert "10:00:00 UTC" in text
