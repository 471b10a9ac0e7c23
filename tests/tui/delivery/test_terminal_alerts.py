"""Bell, desktop and title: what is written when, and that it stays little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.delivery.notes import note
from tui.delivery import terminal as terminal_module
from tui.delivery.notification import of_trouble
from tui.delivery.terminal import BURST, TerminalAlerts, TerminalOptions
from tui.delivery.terminals import find_path
from tui.driver.thrifty import HARMLESS

KITTY = find_path({"TERM": "xterm-kitty", "LANG": "C.UTF-8"})
FOOT = find_path({"TERM": "foot", "LANG": "C.UTF-8"})
PLAIN = find_path({"TERM": "xterm-256color", "LANG": "C.UTF-8"})


class Written:
    def __init__(self, path=PLAIN, **options) -> None:  # type: ignore[no-untyped-def]
        self.out: list[str] = []
        self.alerts = TerminalAlerts(self.out.append, path, TerminalOptions(**options))

    def taken(self) -> str:
        text = "".join(self.out)
        self.out.clear()
        return text


def test_a_rule_rings_at_most_every_five_seconds() -> None:
    written = Written()
    rings = []
    for tenth in range(200):
        written.alerts.tell(note(), tenth / 10)
        if written.taken():
            rings.append(tenth / 10)
    assert rings == [0.0, 5.0, 10.0, 15.0]


def test_many_rules_ring_at_most_every_second() -> None:
    written = Written()
    for n in range(100):
        written.alerts.tell(note(rule=f"r{n}"), n / 10)
    assert written.taken() == "\a" * 10


def test_what_is_muted_resolved_or_not_severe_is_silent() -> None:
    written = Written(FOOT, severity="warning")
    written.alerts.tell(note(kind="resolved"), 0)
    written.alerts.tell(note(severity="info"), 0)
    written.alerts.muted = True
    written.alerts.tell(note(), 0)
    written.alerts.tick(100, 0)
    assert written.taken() == ""
    written.alerts.muted = False
    written.alerts.tell(note(), 0)
    assert written.taken().startswith("\a\x1b]777;")


def test_the_bell_rings_beside_the_desktop() -> None:
    written = Written(FOOT)
    written.alerts.tell(note(), 0)
    body = "flow is one-sided (now 0.995)"
    assert written.taken() == f"\a\x1b]777;notify;flowtape binance:ETH/USDT: toxic;{body}\a"
    written.alerts.tell(of_trouble("binance:ETH/USDT", "book", "RESYNC", "", 0, 1, "live"), 10)
    assert written.taken() == "\a\x1b]777;notify;flowtape binance:ETH/USDT: feed trouble;book RESYNC\a"


def test_desktop_off() -> None:
    written = Written(KITTY, desktop=False)
    written.alerts.tell(note(), 0)
    assert written.taken() == "\a"


def test_a_storm_becomes_one_notification() -> None:
    written = Written(FOOT)
    for n in range(100):
        written.alerts.tell(note(n, rule=f"r{n}"), 0.0)
    assert written.taken().count("\x1b]777;") == BURST
    written.alerts.tick(1.0, 5)
    assert written.taken() == ""
    written.alerts.tick(6.0, 5)
    assert f"{100 - BURST} more suppressed" in written.taken()
    written.alerts.tick(60.0, 5)
    assert written.taken() == ""


def test_the_title_counts_and_is_given_back() -> None:
    written = Written(KITTY)
    written.alerts.badge(0)
    assert written.taken() == ""
    written.alerts.badge(3)
    assert written.taken() == "\x1b[22;2t\x1b]2;(3!) flowtape\a"
    written.alerts.badge(3)
    assert written.taken() == ""
    written.alerts.badge(0)
    assert written.taken() == "\x1b]2;flowtape\a"
    written.alerts.restore()
    assert written.taken() == "\x1b[23;2t"
    written.alerts.restore()
    assert written.taken() == ""


async def test_in_tmux_it_follows_whoever_attaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_module, "FOLLOW_S", 0.0)
    shown = [replace(FOOT, multiplexer="tmux"), replace(KITTY, multiplexer="tmux"), replace(PLAIN, multiplexer=None)]
    out: list[str] = []
    alerts = TerminalAlerts(out.append, shown[0], TerminalOptions(), lambda: shown.pop(0))
    await alerts.follow()  # ends when it is tmux no more
    assert not shown
    await TerminalAlerts(out.append, KITTY, TerminalOptions(), lambda: FOOT).follow()


def test_in_screen_it_is_emptied_and_without_title_left_alone() -> None:
    written = Written(replace(KITTY, multiplexer="screen"))
    written.alerts.badge(1)
    written.alerts.restore()
    assert written.taken() == "\x1b]2;(1!) flowtape\a\x1b]2;\a"
    for quiet in (Written(replace(KITTY, title=False)), Written(KITTY, title=False)):
        quiet.alerts.badge(1)
        quiet.alerts.restore()
        assert quiet.taken() == ""


def test_the_diffing_driver_lets_all_of_it_through() -> None:
    """What it doesn't know would make it step aside for good."""
    for multiplexer in (None, "tmux", "screen"):
        for protocol in ("osc9", "osc777", "osc99"):
            written = Written(replace(KITTY, protocol=protocol, multiplexer=multiplexer))
            written.alerts.tell(note(market="蛛;\x1b]0;x\x07", message="\x1b\\ \x9c é"), 0)
            written.alerts.badge(2)
            written.alerts.restore()
            assert len(written.out) == (5 if multiplexer != "screen" else 4)
            for sequence in written.out:
                assert HARMLESS.fullmatch(sequence), sequence
