"""Published fees as ccxt has them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import connectors.fees
from connectors.fees import published_fees
from engine.feed import SourceError
from engine.fees import FeeTier


class Exchange:
    def __init__(self, fees: Any) -> None:
        self._fees = fees

    def describe(self) -> dict[str, Any]:
        return {"fees": self._fees}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Any:
    def know(fees: Any) -> None:
        monkeypatch.setattr(connectors.fees, "exchange", lambda _: Exchange(fees))

    return know


TIERS = {"maker": [[0.0, 0.0016], [50_000.0, 0.0014]], "taker": [[0.0, 0.0026], [50_000.0, 0.0024]]}


def test_tiers_count_where_they_are_what_they_seem(known: Any) -> None:
    known({"trading": {"maker": 0.0016, "taker": 0.0026, "tiers": TIERS}})
    assert published_fees("kraken")[""].tiers == (FeeTier(0, 16, 26), FeeTier(50_000, 14, 24))
    other = published_fees("binance")[""]  # thresholds of unknown unit
    assert other.tiers == (FeeTier(0, 16, 26),)
    assert "without its tiers" in other.source
    known({"trading": {"maker": 0.0016, "taker": 0.003, "tiers": TIERS}})  # contradicts itself
    assert published_fees("kraken")[""].tiers == (FeeTier(0, 16, 30),)


def test_kinds_of_markets_have_their_own(known: Any) -> None:
    known(
        {
            "trading": {"maker": 0.001, "taker": 0.001},
            "linear": {"trading": {"maker": 0.0002, "taker": 0.0005}},
            "swap": {"maker": -0.0001, "taker": 0.0004},
        }
    )
    found = published_fees("x")
    assert {kind: (s.tier.maker_bps, s.tier.taker_bps) for kind, s in found.items()} == {
        "": (10, 10),
        "linear": (2, 5),
        "inverse": (-1, 4),
    }


@pytest.mark.parametrize(
    "fees",
    [
        None,
        [],
        {"trading": None},
        {"trading": {"maker": 0.001}},
        {"trading": {"maker": 5, "taker": 5, "percentage": False}},
        {"trading": {"maker": "0.1", "taker": True}},
        {"trading": {"maker": float("nan"), "taker": 0.1}},
        {"trading": {"maker": 7.0, "taker": 7.0}},
    ],
)
def test_what_is_no_fee_is_refused(known: Any, fees: Any) -> None:
    known(fees)
    with pytest.raises(SourceError, match="take them from your account"):
        published_fees("x")


@pytest.mark.parametrize(
    "tiers",
    [
        {},
        {"maker": [], "taker": []},
        {"maker": [[0, 1, 2]], "taker": 3},
        {**TIERS, "maker": [[0.0, 0.0016], [1.0, None]]},
    ],
)
def test_damaged_tiers_leave_the_base(known: Any, tiers: Any) -> None:
    known({"trading": {"maker": 0.0016, "taker": 0.0026, "tiers": tiers}})
    assert published_fees("kraken")[""].tiers == (FeeTier(0, 16, 26),)


def test_unknown_exchanges_are_named() -> None:
    with pytest.raises(SourceError, match="did you mean kraken"):
        published_fees("krakn")
    with pytest.raises(SourceError, match="no exchange"):
        published_fees("base.exchange")


def test_only_one_exchange_is_loaded() -> None:
    code = """
import sys
from connectors.fees import published_fees
found = published_fees("binance")
assert {"", "linear", "inverse"} <= set(found), found
assert all(s.source.startswith("ccxt ") for s in found.values())
assert "ccxt" not in sys.modules and "ccxt.kraken" not in sys.modules
import ccxt
assert ccxt.binance().id == "binance" and ccxt.kraken().id == "kraken"
assert published_fees("kraken")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
