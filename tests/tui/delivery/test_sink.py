"""Which alerts a sink gets."""

from __future__ import annotations

from tests.tui.delivery.notes import note
from tui.delivery.notification import of_failure, of_recovery, of_suppression, of_test, of_trouble
from tui.delivery.sink import Route

TROUBLE = of_trouble("binance:ETH/USDT", "book", "RESYNC", "a gap", 1, 2, "live")
RECOVERY = of_recovery("binance:ETH/USDT", "book", 1, 2, "live")


def test_by_severity() -> None:
    takes = [[Route(least).takes(note(severity=s)) for s in ("info", "warning", "high")] for least in ("info", "high")]
    assert takes == [[True, True, True], [False, False, True]]


def test_by_rule_and_market() -> None:
    assert Route(rules=("toxic*", "x")).takes(note(rule="toxic-flow fast"))
    assert not Route(rules=("toxic",)).takes(note(rule="toxic-flow fast"))
    assert Route(rules=("lean [5]",)).takes(note(rule="lean [5]"))
    assert Route(markets=("binance:*",)).takes(note())
    assert not Route(markets=("bybit:*",)).takes(note())


def test_by_event() -> None:
    assert not Route().takes(note(kind="resolved"))
    assert Route(events=("fired", "resolved")).takes(note(kind="resolved"))
    assert Route().takes(TROUBLE)
    assert Route(rules=("none",)).takes(RECOVERY)
    assert not Route(events=("fired",)).takes(TROUBLE)
    assert not Route(markets=("bybit:*",)).takes(TROUBLE)


def test_trouble_of_a_whole_source_goes_wherever_trouble_goes() -> None:
    failure = of_failure("binance", "stopped", 1, "live")
    assert Route(markets=("binance:ETH/*",)).takes(failure)
    assert not Route(events=("fired",)).takes(failure)


def test_a_test_goes_everywhere_and_a_summary_nowhere_by_itself() -> None:
    assert Route("high", ("none",), ("none",), ()).takes(of_test("ops", 1))
    assert not Route().takes(of_suppression({"a": 1}, "high", 0, 0, "live"))
