"""What comes in goes where it should; what is not live stays on the terminal unless all is wanted."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.tui.delivery.notes import event
from tests.tui.views import BTC, ETH
from tui.delivery.desk import Desk
from tui.delivery.notification import Notification


class Taker:
    """A courier, and a terminal."""

    def __init__(self) -> None:
        self.taken: list[Notification] = []

    def post(self, note: Notification) -> None:
        self.taken.append(note)

    def tell(self, note: Notification, now: float) -> None:
        self.taken.append(note)


def desk(**more: Any) -> tuple[Any, Taker, Taker]:
    made: Any = Desk(lambda: 0.0, **more)
    made.courier, made.terminal = Taker(), Taker()
    return made, made.courier, made.terminal


@pytest.mark.parametrize(
    ("more", "market", "origin", "sent"),
    [
        ({}, "binance:ETH/USDT", "live", True),
        ({}, "sim:ETH/USDT", "simulator", False),
        ({"replay": True}, "binance:ETH/USDT", "recording", False),
        ({"everything": True}, "sim:ETH/USDT", "simulator", True),
        ({"everything": True, "replay": True}, "binance:ETH/USDT", "recording", True),
    ],
)
def test_where_it_goes(more: dict[str, bool], market: str, origin: str, sent: bool) -> None:
    made, courier, terminal = desk(**more)
    made.alert(event(market=market))
    assert [note.payload["origin"] for note in terminal.taken] == [origin]
    assert len(courier.taken) == sent
    assert (made.told, made.last.market) == (1, market)


def test_what_is_held_back_goes_nowhere() -> None:
    made, courier, terminal = desk()
    seen: list[Notification] = []
    made.watch(seen.append)
    made.alert(event(delivered=False))
    assert not courier.taken
    assert not terminal.taken
    made.alert(event())
    assert seen == courier.taken == terminal.taken


def test_a_market_that_says_it_is_simulated_is() -> None:
    made, courier, _ = desk()
    list(made.samplers(replace(BTC, simulated=True)))
    made.alert(event(market=BTC.market))
    assert not courier.taken
    assert [type(sampler).__name__ for sampler in made.samplers(ETH)] == ["TroubleWatch"]


def test_a_recording_that_somebody_looks_at_calls_nobody_for_its_feed() -> None:
    made, _, _ = desk(replay=True)
    assert not list(made.samplers(ETH))
    everything, _, _ = desk(replay=True, everything=True)
    assert list(everything.samplers(ETH))


def test_silence_of_live_markets() -> None:
    made, courier, _ = desk()
    second = 1_000_000_000
    made.look(100 * second, {"sim:X": None, "binance:A": 99 * second})
    made.look(140 * second, {"sim:X": None, "binance:A": 99 * second})
    made.look(141 * second, {"sim:X": None, "binance:A": 141 * second})
    assert [(note.market, note.kind) for note in courier.taken] == [
        ("binance:A", "trouble"),
        ("binance:A", "recovered"),
    ]


def test_nothing_of_it_is_there_before_the_first_frame() -> None:
    code = (
        "import sys, tui.app, tui.commands.monitor, tui.opening;"
        "late = [m for m in sys.modules if m.startswith(('tui.delivery', 'tui.tmux', 'sqlite3', 'apprise'))];"
        "assert not late, late"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
