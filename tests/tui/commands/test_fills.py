"""`flowtape fills`: numbers worked by hand, and what is said of unusable files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tui.cli import main

Run = Callable[..., tuple[int, str, str]]
HEAD = "time,market,side,price,size,fee,maker\n"
FILLS = (
    HEAD
    + "2025-01-10T00:00:10Z,binance:ETH/USDT,buy,100,2,0.1,maker\n"
    + "1736467220000,binance:ETH/USDT,sell,110,1,0.2,false\n"
)
ORDERS = (
    "market,placed,ended,side,price,size\n"
    "binance:ETH/USDT,2025-01-10T00:00:00Z,2025-01-10T00:00:20Z,buy,100,4\n"
)  # fmt: skip
FEES = "[fees.binance]\ntiers = [[0, 10, 20], [1000, 5, 10]]\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("tui.commands.fills.time.time_ns", lambda: 1_736_600_000_000_000_000)  # 2025-01-11

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["fills", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_result_and_use_of_capital(run: Run, tmp_path: Path) -> None:
    fills, orders = write(tmp_path / "f.csv", FILLS), write(tmp_path / "o.csv", ORDERS)
    code, out, err = run(fills, "--posted", orders, "--json")
    assert (code, err) == (0, "")
    market = json.loads(out)["markets"]["binance:ETH/USDT"]
    assert (market["bought"], market["sold_price"], market["realised"], market["unmatched"]) == (2, 110, 10, 0)
    capital = market["capital"]
    assert capital["position"] == 1
    assert capital["fees"] == pytest.approx(0.3)
    assert capital["pnl"] == pytest.approx(2 * 10 - 0.3)
    # 400 for ten seconds, then 200 for ten
    assert capital["mean_posted"] == pytest.approx(300)
    assert capital["utilisation"] == pytest.approx(200 / 300)
    assert capital["fill_ratio"] == 0.5
    assert capital["pnl_per_posted"] == pytest.approx(19.7 / 300)


def test_tier_of_the_configuration(run: Run, tmp_path: Path) -> None:
    fills, config = write(tmp_path / "f.csv", FILLS), write(tmp_path / "c.toml", FEES)
    code, out, _ = run(fills, "--config", config, "--json")
    assert code == 0
    (venue,) = json.loads(out)["venues"]
    assert venue["volume"] == {"maker": 200, "taker": 110}
    assert venue["tier"]["taker_bps"] == 20
    assert venue["next"]["missing"] == 690
    assert venue["next"]["saving"] == pytest.approx((200 * 5 + 110 * 10) / 10_000)


def test_unknown_roles_give_no_saving(run: Run, tmp_path: Path) -> None:
    fills = write(tmp_path / "f.csv", FILLS.replace("0.2,false", "0.2,"))
    config = write(tmp_path / "c.toml", FEES)
    (venue,) = json.loads(run(fills, "--config", config, "--json")[1])["venues"]
    assert (venue["total"], venue["volume"], venue["next"]["saving"]) == (310, {"maker": None, "taker": None}, None)
    assert "not every fill says" in run(fills, "--config", config)[1]


def test_orders_without_fills_are_told(run: Run, tmp_path: Path) -> None:
    orders = write(tmp_path / "o.csv", ORDERS + ORDERS.splitlines()[1].replace("ETH", "BTC") + "\n")
    code, _, err = run(write(tmp_path / "f.csv", FILLS), "--posted", orders)
    assert code == 0
    assert "orders of binance:BTC/USDT are left out" in err


def test_without_fees_it_says_how_to_give_them(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(write(tmp_path / "f.csv", FILLS))
    assert code == 0
    assert "310 USDT" in out
    assert "flowtape config fees binance" in out


def test_bad_lines_are_named_and_the_rest_is_used(run: Run, tmp_path: Path) -> None:
    fills = write(tmp_path / "f.csv", FILLS + "yesterday,binance:ETH/USDT,buy,1,1,0,\n1736467220,x,hold,1,1,0,\n")
    code, out, err = run(fills, "--json")
    assert code == 0
    assert json.loads(out)["markets"]["binance:ETH/USDT"]["fills"] == 2
    assert "f.csv:4: skipped: time 'yesterday'" in err
    assert "f.csv:5: skipped" in err


def test_fees_in_other_money_or_none_are_told(run: Run, tmp_path: Path) -> None:
    head = "time,market,side,price,size,fee,feeCurrency\n"
    rows = "1736467220,binance:ETH/USDT,buy,1,1,0.1,BNB\n1736467220,binance:ETH/USDT,buy,1,1,,\n"
    code, _, err = run(write(tmp_path / "f.csv", head + rows))
    assert code == 0
    assert "f.csv:2: skipped: its fee is in 'BNB'; give it in USDT" in err
    assert "1 fills say no fee" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "no usable fill"),
        ("time,side\n", "names no column price or size"),
        ("time,side,price,size\n", "--market"),
        (HEAD + "1736467220,binance:ETH/USD:ETH,buy,1,1,0,\n", "inverse"),
    ],
)
def test_unusable_files_fail(run: Run, tmp_path: Path, text: str, said: str) -> None:
    code, out, err = run(write(tmp_path / "f.csv", text))
    assert (code, out) == (1, "")
    assert said in err
