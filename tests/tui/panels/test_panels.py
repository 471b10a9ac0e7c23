"""What holds for every panel: exact widths, no unknown shown as a number, few runs, whatever the view says."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.detail_view import MemberView
from engine.lateness import LatencyView
from engine.view import ChannelView, EngineView, MarketView, PlayView, RuleView, TradeView, ViewRequest
from tests.tui.panels.harness import PanelApp, check_runs, check_texts, painted
from tests.tui.views import BTC, ETH, ETH_COIN, NS, SHIB, FakeMarket, alert, empty_view, make_overview
from tui.panels import glyphs
from tui.panels.alerts import Alerts
from tui.panels.base import RowPanel
from tui.panels.cost import Cost
from tui.panels.cvd import CvdChart
from tui.panels.flow import Flow
from tui.panels.imbalance import Imbalance
from tui.panels.ladder import Ladder
from tui.panels.liquidity import Liquidity
from tui.panels.members import Members
from tui.panels.profile import Profile
from tui.panels.risk import Risk
from tui.panels.signal import Signal
from tui.panels.status import Status
from tui.panels.strip import Strip
from tui.panels.tape import Tape
from tui.panels.toxicity import Toxicity

PANELS = (
    Ladder, CvdChart, Imbalance, Toxicity, Flow, Alerts, Tape, Strip, Status, Cost, Risk, Signal, Profile, Liquidity,
    Members,
)  # fmt: skip
STATES = ("LIVE", "WARMING", "RESYNC", "STALE", "SILENT", "CROSSED", "UNVERIFIABLE", "NONE")
HOSTILE = "[b]x[/b]\x1b[31m漢字\u202ereversed\ttab\n" + "long " * 40
VALUES = (None, 0.0, 1.0, -1.0, 0.5, 1e-12, 1e30, -1e30, float("nan"), float("inf"), float("-inf"), 123.456)

UNKNOWN = re.compile(r"\b(nan|inf|None)\b")

MARKETS = {instrument.market: FakeMarket(5, instrument).run(150) for instrument in (ETH, BTC, ETH_COIN, SHIB)}


@pytest.fixture(autouse=True)
def _braille() -> Iterator[None]:
    yield
    glyphs.use("braille")


def request_of(panel: RowPanel) -> ViewRequest:
    fields: dict[str, Any] = getattr(panel, "request_fields", dict)()
    return ViewRequest(**fields, metrics=panel.metrics)


def odd_view(draw: random.Random, panel: RowPanel) -> tuple[MarketView, EngineView]:
    """A view in which anything may be unknown, extreme, stale or hostile."""
    market = MARKETS[draw.choice(list(MARKETS))]
    request = replace(request_of(panel), ladder_rows=draw.choice((1, 7, 60)), group=draw.choice((1, 2, 50)))
    view = market.view(replace(request, series_columns=draw.choice((1, 20, 200))))

    def channel() -> ChannelView:
        state = draw.choice(STATES)
        return ChannelView(state, draw.choice(("", HOSTILE)), view.t - 3 * NS, 40, draw.choice((None, view.t, 0)))

    def member() -> MemberView:
        numbers = [draw.choice(VALUES) for _ in range(5)]
        return MemberView(
            draw.choice(("one:A/B", HOSTILE)), "O", channel(), channel(), draw.random() < 0.5, *numbers,
            draw.random() < 0.5, draw.random() < 0.5, draw.choice(VALUES), draw.choice(VALUES), draw.choice(VALUES),
        )  # fmt: skip

    rule = RuleView(
        draw.choice(("r", HOSTILE)), HOSTILE, draw.choice(("warming", "inactive", "pending", "firing", "clearing")),
        draw.choice(VALUES), draw.choice((0.0, -5.0, 1e30)), draw.choice((None, view.t)), 3, 1, draw.random() < 0.5,
    )  # fmt: skip
    view = replace(
        view,
        book=channel(),
        trades=channel(),
        rules=draw.choice(((), (rule,), view.rules, (*view.rules, rule) * 9)),
        metrics={key: draw.choice(VALUES) for key in view.metrics if draw.random() < 0.9},
        latency=draw.choice((None, LatencyView(-1400.0, -1e3, -1500.0), LatencyView(0.2, 5e6, 0.1))),
        holes=draw.choice((0, 3, 10**9)),
        skipped=draw.choice((0, 10**12)),
        members=draw.choice(((), (member(),), (member(), member()) * 20)),
    )
    if draw.random() < 0.3:
        view = replace(view, ladder=replace(view.ladder, ok=False, rows=()))
    if draw.random() < 0.2:
        view = replace(view, ladder=replace(view.ladder, best_bid=None, bid_qty=0))
    if draw.random() < 0.2:
        view = replace(view, tape=(), series=replace(view.series, **_unknown(view)))
    if draw.random() < 0.1:
        view = empty_view(market.instrument)
    event = alert(view, rule=HOSTILE, market=HOSTILE, severity=HOSTILE, value=draw.choice(VALUES))
    overview = make_overview(view)
    play = PlayView(draw.choice((None, 0)), draw.choice((None, view.t)), view.t, 4.0, False, False)
    return view, replace(
        overview,
        alerts=draw.choice(((), (event,) * 50)),
        unseen=draw.choice((0, 7)),
        markets=overview.markets * draw.choice((1, 1, 30)) if draw.random() < 0.9 else (),
        events_per_s=draw.choice((0.0, 1e9)),
        lag_ms=draw.choice((0.0, 1e9)),
        playing=draw.choice((None, play)),
    )


def _unknown(view: MarketView) -> dict[str, Any]:
    nothing = (None,) * len(view.series.price)
    return dict.fromkeys(("price", "high", "low", "cvd", "cvd_high", "cvd_low"), nothing)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PANELS), st.integers(0, 2**32), st.integers(1, 130), st.integers(1, 50))
def test_rows_are_exactly_as_wide_as_the_panel(panel: type[RowPanel], seed: int, width: int, height: int) -> None:
    draw = random.Random(seed)
    glyphs.use(draw.choice(("braille", "block", "ascii")))
    shown = panel()
    view, overview = odd_view(draw, shown)
    rows = painted(shown, view, overview, width, height)
    assert len(rows) <= height
    for runs in rows:
        check_runs(runs, most=60 if panel in (Strip, Status, CvdChart, Flow) else 12)
        text = "".join(text for _, text in runs)
        assert cell_len(text) == width, text
        assert text.isprintable()
        assert not UNKNOWN.search(text), text


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("name", ["braille", "block", "ascii"])
def test_a_usual_view_has_narrow_rows_and_few_runs(panel: type[RowPanel], name: str) -> None:
    glyphs.use(name)
    for width, height in itertools.product((38, 60, 110), (6, 12, 40)):
        shown = panel()
        view = MARKETS[ETH.market].view(request_of(shown))
        rows = painted(shown, view, make_overview(view), width, height)
        texts = ["".join(text for _, text in runs) for runs in rows]
        check_texts(texts, width)
        if name == "ascii":
            assert all(text.isascii() for text in texts), texts
        limit = {Strip: 6, Status: 8, Flow: 12}.get(panel, 6)
        for runs in rows:
            check_runs(runs, limit)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_without_data_says_so(panel: type[RowPanel]) -> None:
    shown = panel()
    view = empty_view(ETH, rules=())
    texts = ["".join(t for _, t in runs) for runs in painted(shown, view, make_overview(view, alerts=()), 50, 12)]
    assert len("".join(texts).split()) >= 3
    if panel not in (Strip, Status, Alerts):
        assert "no data yet" in " ".join(" ".join(texts).split()), texts


def test_side_is_never_said_by_colour_alone() -> None:
    """A buy and a sell differ in their text too, in every panel that has sides."""
    market = MARKETS[ETH.market]
    view = market.view(ViewRequest())
    buy, sell = (TradeView(view.t, 100, 5, side, 0, 1) for side in (1, -1))
    tape = Tape()
    rows = [painted(tape, replace(view, tape=(t,)), make_overview(view), 50, 3)[1] for t in (buy, sell)]
    assert "B" in rows[0][1][1]
    assert "S" in rows[1][1][1]
    for panel, key in ((Imbalance, "imbalance(5)"), (Flow, "delta(60s)")):
        shown = panel()
        up, down = (
            "".join(
                t
                for runs in painted(shown, replace(view, metrics={key: v}), make_overview(view), 60, 14)
                for _, t in runs
            )
            for v in (0.5, -0.5)
        )
        assert "+0.50" in up
        assert "−0.50" in down


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("size", [(1, 1), (20, 5), (80, 24), (200, 60)])
async def test_every_panel_runs_at_every_size(panel: type[RowPanel], size: tuple[int, int]) -> None:
    shown = panel()
    async with PanelApp(shown).run_test(size=size) as pilot:
        market = FakeMarket(2).run(60)
        for _ in range(3):
            view = market.view(request_of(shown))
            shown.present(view, make_overview(view), force=True)
            market.step()
            await pilot.pause()
        check_texts(shown.texts(), shown.size.width)
        assert len(shown.texts()) == shown.size.height
        await pilot.resize_terminal(30, 8)
        await pilot.pause()
        check_texts(shown.texts(), shown.size.width)


async def test_no_color_does_not_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's monochrome filter fails on a segment without a style."""
    monkeypatch.setenv("NO_COLOR", "1")
    for panel in PANELS:
        shown = panel()
        app = PanelApp(shown)
        assert any(type(each).__name__ == "Monochrome" for each in app._filters)
        async with app.run_test(size=(60, 14)) as pilot:
            view = MARKETS[ETH.market].view(request_of(shown))
            shown.present(view, make_overview(view), force=True)
            await pilot.pause()
            for y in range(shown.size.height):
                assert all(segment.style is not None for segment in shown.render_line(y))
