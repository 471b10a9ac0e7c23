"""What people read and what programs get of an alert, whatever a rule or a venue put into it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alert_view import LeafReading
from tests.tui.delivery.notes import event, note
from tui.delivery.notification import Origin, of_alert, of_failure, of_recovery, of_test, of_trouble
from tui.delivery.outbox import Outbox

NS = 1_000_000_000


def test_an_alert() -> None:
    fired = note(severity="high", version="v1", level=0.99)
    assert fired.title == "flowtape binance:ETH/USDT: toxic"
    assert fired.text == "flow is one-sided (now 0.995)"
    payload = json.loads(fired.body())
    wanted = {
        "schema": 1, "event": "fired", "kind": "fired", "rule": "toxic", "market": "binance:ETH/USDT",
        "severity": "high", "version": "v1", "value": 0.995, "level": 0.99, "time": "2025-06-21T10:00:00.000+00:00",
        "t": fired.t, "t0": fired.t - 3 * NS, "key": fired.key, "origin": "live", "message": "flow is one-sided",
    }  # fmt: skip
    assert {name: payload[name] for name in wanted} == wanted
    assert payload["episode"] == fired.key.removesuffix("|fired")


def test_structures_and_what_json_can_not_say() -> None:
    reading = LeafReading(*(float("nan") if f.name == "value" else None for f in _fields(LeafReading)))
    payload = note(value=float("inf"), level=float("nan"), readings=(reading,)).payload
    assert (payload["value"], payload["level"]) == (None, None)
    assert payload["readings"][0]["value"] is None
    assert isinstance(payload["surroundings"], dict)
    assert json.loads(json.dumps(payload, allow_nan=False)) == payload


def _fields(kind: type) -> tuple:  # type: ignore[type-arg]
    from dataclasses import fields

    return fields(kind)


def test_the_life_of_an_episode() -> None:
    over = of_alert(event(kind="resolved", reason="no data"))
    assert over is not None
    assert (over.title, over.text) == ("flowtape binance:ETH/USDT: toxic", "over: no data")
    again = of_alert(event(kind="repeated"))
    assert again is not None
    assert again.title == "flowtape binance:ETH/USDT: still toxic"
    keys = {made.key for made in (over, again, note())}
    assert len(keys) == 3


def test_what_is_not_to_be_announced() -> None:
    assert of_alert(event(delivered=False, suppressed="quiet hours")) is None
    assert of_alert(event(kind="held")) is None


@pytest.mark.parametrize(("origin", "word"), [("simulator", "SIMULATED "), ("recording", "REPLAY "), ("live", "")])
def test_what_is_not_live_says_so(origin: Origin, word: str) -> None:
    made = of_alert(event(), origin)
    assert made is not None
    assert made.title == f"flowtape {word}binance:ETH/USDT: toxic"
    assert made.payload["origin"] == origin


def test_trouble_and_its_end() -> None:
    trouble = of_trouble("binance:ETH/USDT", "book", "RESYNC", "a gap", 5 * NS, 15 * NS, "live")
    assert (trouble.severity, trouble.text) == ("high", "book RESYNC: a gap")
    recovery = of_recovery("binance:ETH/USDT", "book", 5 * NS, 65 * NS, "live")
    assert recovery.text == "book LIVE after 60 s"
    assert recovery.key == trouble.key + "|recovered"
    assert of_failure("binance", "stopped", NS, "live").text == "stopped"
    assert of_test("ops", NS).kind == "test"


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=400)  # half surrogate pairs too


@given(ANYTHING, ANYTHING, ANYTHING)
def test_hostile_names_are_plain_text(rule: str, market: str, message: str) -> None:
    made = note(rule=rule, market=market, message=message)
    for text in (made.title, made.text):
        assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")]
        assert len(text) <= 300
    assert "\n" not in made.title
    body = made.body()
    assert body.isascii()
    assert not [byte for byte in body if byte < 0x20]
    assert json.loads(body)["message"] == message
    outbox = Outbox(None)
    assert outbox.add([("ops", made, body)]) == ["added"]
    letter = outbox.claim("ops", 10)
    assert letter is not None
    assert (letter.key, letter.body) == (made.key, body)
    outbox.close()
