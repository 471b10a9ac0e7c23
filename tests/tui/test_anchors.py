"""Times as typed, and the profile of a real engine that begins at one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.history import MINUTE
from engine.instant import instant_text, parse_instant
from engine.market import Market
from engine.picture import market_view
from engine.tape import Flag, Kind
from engine.view import ViewRequest
from tests.engine.tapes import INSTRUMENT, random_messages, to_rows
from tui.anchors import read_anchor

NOW = parse_instant("2024-08-08T14:05:30.25Z")


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("14:05", "2024-08-08T14:05Z"),
        ("9:30", "2024-08-08T09:30Z"),
        ("14:05:29", "2024-08-08T14:05:29Z"),
        ("14:06", "2024-08-07T14:06Z"),
        ("2024-08-07", "2024-08-07T00:00Z"),
        ("2024-08-08T14:05", "2024-08-08T14:05Z"),
        ("now", "2024-08-08T14:05:30Z"),
        ("20s", "2024-08-08T14:05:10Z"),
        (" 10m ", "2024-08-08T13:55Z"),
    ],
)
def test_read(typed: str, means: str) -> None:
    at = read_anchor(typed, NOW)
    assert at is not None
    assert instant_text(at) == means


def test_nothing_typed_is_the_session() -> None:
    assert read_anchor("  ", NOW) is None


@pytest.mark.parametrize("typed", ["25:00", "12:60", "noon", "2024-13-01", "-5m", "2024-08-08 14:05+02:00", "\x1b[2J"])
def test_what_is_no_time_is_said(typed: str) -> None:
    with pytest.raises(ValueError, match="is no time: type a UTC time such as"):
        read_anchor(typed, NOW)


def test_what_has_not_come_yet_is_said() -> None:
    with pytest.raises(ValueError, match="has not come yet: the market's clock says 2024-08-08T14:05:30Z"):
        read_anchor("2024-08-08T14:06", NOW)


def test_the_histogram_holds_what_traded_since_the_anchor() -> None:
    rows = to_rows(random_messages(3, 2000))
    market = Market(INSTRUMENT, chart=True)
    market.apply(rows)
    clock = np.maximum.accumulate(rows["ts"])
    anchor = (int(clock[0]) + int(clock[-1])) // 2 // MINUTE * MINUTE
    flow = (rows["kind"] == Kind.TRADE) & (rows["flags"] & (Flag.NOT_FLOW | Flag.REPLAYED) == 0)
    since = rows[flow & (clock >= anchor)]
    view = market_view(market, ViewRequest(histogram_rows=400, anchor=anchor), ())
    assert view.histogram is not None
    assert view.histogram.since == anchor
    shown = {row.px: row.volume for row in view.histogram.rows if row.volume}
    wanted: dict[int, int] = {}
    for px, qty in zip(since["px"].tolist(), since["qty"].tolist(), strict=True):
        wanted[px] = wanted.get(px, 0) + qty
    assert view.histogram.width == 1
    assert shown == pytest.approx({px: lots / 1000 for px, lots in wanted.items()})
    assert wanted[view.histogram.poc] == max(wanted.values())
