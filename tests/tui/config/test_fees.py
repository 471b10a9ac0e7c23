"""Fees in the configuration: what they mean, and what is refused."""

from __future__ import annotations

import datetime
import io
import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from engine.fees import FeeTier
from engine.instrument import Instrument
from tui.cli import main
from tui.commands.config import write_effective
from tui.config.fees import fees_of
from tui.config.loading import LoadedConfig, load

GOOD = """\
[fees.binance]
tiers = [[0, 10, 10.0], [1_000_000, 9.0, 10]]
volume = 2_000_000
[fees."binance:linear"]
tiers = [[0, 2, 5], [15_000_000, -0.5, 4]]
date = 2026-01-31
"""


def read(tmp_path: Path, text: str) -> LoadedConfig:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def market(venue: str, kind: str) -> Instrument:
    return Instrument(venue, "A/B", Decimal(1), Decimal(1), kind)  # type: ignore[arg-type]


def test_a_kind_goes_before_its_venue(tmp_path: Path) -> None:
    loaded = read(tmp_path, GOOD)
    assert loaded.problems == ()
    of = fees_of(loaded.config)
    spot, linear = of(market("binance", "spot")), of(market("binance", "linear"))
    assert spot is not None
    assert linear is not None
    assert (spot.tier, spot.as_of) == (FeeTier(1_000_000, 9, 10), None)
    assert (linear.tier, linear.tiers[1]) == (FeeTier(0, 2, 5), FeeTier(15_000_000, -0.5, 4))
    assert linear.as_of == datetime.date(2026, 1, 31)
    assert of(market("other", "spot")) is None
    assert read(tmp_path, GOOD.replace("2026-01-31", '"2026-01-31"')).config == loaded.config


def test_what_is_shown_reads_back(tmp_path: Path) -> None:
    loaded, shown = read(tmp_path, GOOD), io.StringIO()
    write_effective(loaded, shown)
    assert tomllib.loads(shown.getvalue())["fees"]["binance:linear"]["date"] == datetime.date(2026, 1, 31)
    assert read(tmp_path, shown.getvalue()).config == loaded.config


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[fees.x]\nvolume = 1", 1, '"tiers" is missing'),
        ("[fees.x]\ntiers = []", 2, "at least one tier"),
        ("[fees.x]\ntiers = [[0, 1]]", 2, "three numbers"),
        ("[fees.x]\ntiers = [[0, 1, 'free']]", 2, "a number"),
        ("[fees.x]\ntiers = [[5, 1, 1]]", 2, "start at a volume of 0"),
        ("[fees.x]\ntiers = [[0, 1, 1], [0, 1, 1]]", 2, "must rise in volume"),
        ("[fees.x]\ntiers = [[0, 1, 2000]]", 2, "taker fee"),
        ("[fees.x]\ntiers = [[0, 1, nan]]", 2, "taker fee"),
        ("[fees.x]\ntiers = [[0, 1, 1]]\nvolume = -1", 3, "0 or more"),
        ("[fees.x]\ntiers = [[0, 1, 1]]\nvolume = nan", 3, "0 or more"),
        ("[fees.x]\ntiers = [[0, 1, 1]]\ndate = 'soon'", 3, "2026-01-31"),
        ("[fees.x]\ntiers = [[0, 1, 1]]\ntier = 1", 3, 'did you mean "tiers"'),
        ('[fees."x:futures"]\ntiers = [[0, 1, 1]]', 1, "spot, linear, inverse"),
        ('[fees."x:spot"]\ntiers = 3', 2, "a list"),
    ],
)
def test_half_a_schedule_is_not_used(tmp_path: Path, text: str, line: int, said: str) -> None:
    loaded = read(tmp_path, text)
    assert said in str(loaded.problems[0])
    assert f":{line}:" in str(loaded.problems[0])
    assert loaded.config.fees == {}


def test_published_fees_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "fees", "kraken"]) == 0
    loaded = read(tmp_path, capsys.readouterr().out)
    assert loaded.problems == ()
    schedule = fees_of(loaded.config)(market("kraken", "spot"))
    assert schedule is not None
    assert len(schedule.tiers) > 3
    assert main(["config", "fees", "kraaken"]) == 1
    assert "kraken" in capsys.readouterr().err


def test_configured_fees_reach_the_metrics(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[fees."sim:spot"]\ntiers = [[0, 1, 3]]\n', encoding="utf-8")
    words = ["--for", "2s", "--every", "1s", "--metrics", "slip(buy,10k),cost(buy,10k)", "--config", str(file)]
    assert main(["stream", "sim:BTC/USDT", *words]) == 0
    values = json.loads(capsysbinary.readouterr().out.splitlines()[-1])["metrics"]
    assert values["cost(buy,10k)"] == values["slip(buy,10k)"] + 3
