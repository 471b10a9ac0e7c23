"""Toasts stay few however many rules fire; markets and speeds step."""

from __future__ import annotations

from dataclasses import replace

from engine.alert_view import AlertEvent
from tests.tui.views import alert, make_view
from tui.attention import Attention
from tui.display import Display, next_speed

EVENT: AlertEvent = alert(make_view(steps=5))


def test_what_is_resolved_or_held_back_raises_none() -> None:
    attention = Attention()
    assert attention.toast(replace(EVENT, kind="resolved"), 0) is None
    assert attention.toast(replace(EVENT, delivered=False), 0) is None


def test_toasts_count_what_they_left_out() -> None:
    attention = Attention()
    assert attention.toast(EVENT, 0) is not None
    assert attention.toast(EVENT, 0.5) is None
    assert attention.toast(EVENT, 1) is None
    text = attention.toast(EVENT, 3)
    assert text is not None
    assert text.endswith("(and 2 more)")
    text = attention.toast(EVENT, 6)
    assert text is not None
    assert "more" not in text


def test_markets_step_round_and_survive_one_that_goes() -> None:
    display = Display()
    assert display.choose([]) is None
    assert not display.step([], 1)
    assert not display.step(["a"], 1)
    assert display.choose(["a", "b", "c"]) == "a"
    assert display.second(["a", "b", "c"]) == "b"
    assert display.step(["a", "b", "c"], -1)
    assert display.market == "c"
    assert display.second(["a", "b", "c"]) == "a"
    assert display.choose(["a", "b"]) == "a"
    assert display.second(["a"]) is None


def test_speeds_go_up_to_as_fast_as_it_goes_and_back() -> None:
    assert [next_speed(1, 1), next_speed(1, -1), next_speed(10, 1), next_speed(10, -1)] == [2, 0.5, 16, 8]
    assert next_speed(1024, 1) == next_speed(0, 1) == 0
    assert next_speed(0, -1) == 1024
    assert next_speed(0.125, -1) == 0.125
