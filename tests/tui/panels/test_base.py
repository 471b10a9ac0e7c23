"""Only what changed is painted, and what cannot be trusted looks so."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Region

from engine.view import ChannelView, EngineView, MarketView
from tests.tui.panels.harness import PanelApp
from tests.tui.views import NS, FakeMarket, empty_view, make_overview, make_view
from tui.panels import glyphs
from tui.panels.base import FILLED, ROLES, RowPanel, Runs, fit, message_rows, spread_row, trust_text

RUNS = st.lists(st.tuples(st.sampled_from(ROLES), st.text("ab 漢·█", max_size=8)), max_size=8).map(tuple)


class Letters(RowPanel):
    """Ten rows of one letter each; the test says which."""

    TITLE = "LETTERS"
    CHANNEL = "trades"
    HZ = 5.0
    letters = "abcdefghij"
    painted = 0

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        return list(self.letters)

    def paint(self, key: Hashable, width: int) -> Runs:
        if isinstance(key, str):
            self.painted += 1
            return (("bid", key * 3), ("text", "  "), ("ask", key))
        return super().paint(key, width)


@given(RUNS, st.integers(0, 40))
def test_fit_is_exact_and_never_shows_more_runs(runs: Runs, width: int) -> None:
    fitted = fit(runs, width)
    assert cell_len("".join(text for _, text in fitted)) == width
    assert len(fitted) <= len(runs) + 1
    whole = "".join(text for _, text in runs)
    shown = "".join(text for _, text in fitted)
    if cell_len(whole) <= width:
        assert shown == whole + " " * (width - cell_len(whole))
    # What can be seen keeps its role.
    visible = [(role, char) for role, text in runs for char in text if role in FILLED or char != " "]
    kept = [(role, char) for role, text in fitted for char in text if role in FILLED or char != " "]
    if cell_len(whole) <= width:
        assert kept == visible


def test_a_cut_number_is_marked_and_a_whole_one_is_not() -> None:
    runs: Runs = (("text", "last"), ("dim", " 64,071.5"), ("dim", " at 12:00"))
    shown = {width: "".join(text for _, text in fit(runs, width)) for width in range(2, 24)}
    assert shown[9] == "last 64,…"
    assert shown[12] == "last 64,071…"
    assert shown[13] == "last 64,071.5"
    assert shown[14] == "last 64,071.5 "
    assert shown[15] == "last 64,071.5 …"
    assert shown[22] == "last 64,071.5 at 12:00"


@given(RUNS, RUNS, st.integers(1, 60))
def test_both_ends_of_a_row_fit(start: Runs, end: Runs, width: int) -> None:
    assert cell_len("".join(text for _, text in spread_row(start, end, width))) == width


@given(st.text(max_size=200), st.integers(0, 40), st.integers(0, 10))
def test_messages_wrap_into_their_room(text: str, width: int, height: int) -> None:
    rows = message_rows(text.replace("\x00", ""), width, height)
    assert len(rows) <= height


async def test_only_changed_rows_are_painted() -> None:
    panel = Letters()
    async with PanelApp(panel).run_test(size=(20, 11)) as pilot:
        view = make_view()
        overview = make_overview(view)
        panel.present(view, overview, force=True)
        await pilot.pause()
        assert panel.present(view, overview, force=True) == 0
        refreshed: list[Region] = []
        original = panel.refresh

        def spy(*regions: Region, **options: bool) -> Letters:
            refreshed.extend(regions)
            return original(*regions, **options)

        panel.refresh = spy  # type: ignore[method-assign]
        panel.letters = "abXdefgYij"
        before = panel.painted
        assert panel.present(view, overview, force=True) == 2
        await pilot.pause()
        assert [(region.y, region.height, region.width) for region in refreshed] == [(3, 1, 20), (8, 1, 20)]
        assert panel.painted == before + 2
        # Rows seen before come out of the memo.
        panel.letters = "abcdefghij"
        assert panel.present(view, overview, force=True) == 2
        await pilot.pause()
        assert panel.painted == before + 2


async def test_a_slow_panel_takes_every_nth_view_but_never_waits_for_a_new_market() -> None:
    panel = Letters()
    async with PanelApp(panel).run_test(size=(20, 11)):
        panel.set_clock(20)
        assert panel.divisor == 4
        view = make_view()
        overview = make_overview(view)
        assert panel.present(view, overview) > 0
        shown = []
        for letters in ("1bcdefghij", "2bcdefghij", "3bcdefghij", "4bcdefghij", "5bcdefghij"):
            panel.letters = letters
            shown.append(panel.present(view, overview))
        assert sorted(shown) == [0, 0, 0, 0, 1]
        other = replace(view, instrument=replace(view.instrument, symbol="BTC/USDT"))
        panel.letters = "6bcdefghij"
        assert panel.present(other, overview) >= 1


async def test_stale_data_looks_stale_and_says_why() -> None:
    panel = Letters()
    async with PanelApp(panel).run_test(size=(60, 11)) as pilot:
        view = make_view()
        panel.present(view, make_overview(view), force=True)
        await pilot.pause()
        colours = {str(segment.style) for segment in panel.render_line(4)}
        assert len(colours) > 1
        lost = ChannelView("STALE", "connection lost", view.t - 9 * NS, 0, view.t - 12 * NS)
        stale = replace(view, trades=lost)
        assert panel.present(stale, make_overview(stale), force=True) == 11
        await pilot.pause()
        assert "STALE 12 s: connection lost" in panel.texts()[0]
        for y in range(1, 11):
            styles = {segment.style for segment in panel.render_line(y)}
            assert styles == {panel._role_styles()["stale"]}
        assert panel.present(view, make_overview(view), force=True) == 11


async def test_theme_and_glyphs_reach_the_screen() -> None:
    panel = Letters()
    app = PanelApp(panel)
    async with app.run_test(size=(20, 11)) as pilot:
        view = make_view()
        panel.present(view, make_overview(view), force=True)
        await pilot.pause()
        before = next(iter(panel.render_line(1))).style
        app.theme = "textual-light"
        await pilot.pause()
        assert next(iter(panel.render_line(1))).style != before
        strips = len(panel._strips)
        try:
            glyphs.use("ascii")
            panel.update_rows()
            assert len(panel._strips) == 0 < strips
        finally:
            glyphs.use("braille")


async def test_focus_shows_in_the_title_only() -> None:
    panel = Letters()
    async with PanelApp(panel).run_test(size=(20, 11)) as pilot:
        view = make_view()
        panel.present(view, make_overview(view), force=True)
        panel.focus()
        await pilot.pause()
        assert panel._composed[0][0][0] == "focus"  # type: ignore[index]
        panel.blur()
        await pilot.pause()
        assert panel._composed[0][0][0] == "title"  # type: ignore[index]


async def test_before_the_first_view_there_is_a_sentence() -> None:
    panel = Letters()
    async with PanelApp(panel).run_test(size=(50, 11)) as pilot:
        await pilot.pause()
        assert any("no data yet" in text for text in panel.texts())
        panel.present(None, None)
        assert any("no data yet" in text for text in panel.texts())


def test_trust_in_words() -> None:
    market = FakeMarket(1).run(3)
    now = market.t
    assert trust_text(ChannelView("LIVE", "", 0, 0, now), now) == ""
    assert trust_text(ChannelView("WARMING", "", 0, 40, None), now) == "WARMING 40%"
    assert trust_text(ChannelView("RESYNC", "a book update is missing", now - 2 * NS, 0, None), now) == (
        "RESYNC 2 s: a book update is missing"
    )
    assert "\x1b" not in trust_text(ChannelView("STALE", "\x1b[2J", 0, 0, 0), now)
    assert trust_text(empty_view().book, 0).startswith("WARMING")
