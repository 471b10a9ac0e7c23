"""`flowtape study`: tables and JSON from small files, and what is said when nothing can be studied."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.archives import recordings
from tests.real_data import data_file
from tui.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """(exit code, what was printed, what was said) of `flowtape study …`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["study", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def capture(path: Path) -> Path:
    """A futures market of a minute: a trade and a delta of the best bid every half second."""
    lines = list(recordings.SYNCED)
    last = 106
    for i in range(120):
        n = 10 + 500 * i
        lines.append(recordings.trade(n, i + 1, "100.02" if i % 3 else "100.00", "0.5", maker=i % 3 == 0))
        lines.append(recordings.depth(n + 1, last + 1, last + 1, last, [("100.00", f"{1 + i % 5}.000")], []))
        last += 1
    return recordings.capture(path, lines)


def bars_file(path: Path, count: int = 600, first: int = 1) -> Path:
    rows = []
    for i in range(first, first + count):
        price = 1_000 + round(50 * math.sin(i / 7)) + i % 3
        stamp = f"2020-03-{7 + i // 1440:02}T{i // 60 % 24:02}:{i % 60:02}:00.000Z"
        prices = dict.fromkeys(("open", "high", "low", "close"), price)
        rows.append({"timestamp": stamp, "symbol": "XBTUSD", **prices, "trades": 1, "volume": 10 + i % 7})
    path.write_text(json.dumps(rows))
    return path


def test_a_capture_is_printed_as_tables_that_end_with_a_reading(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(capture(tmp_path / "c.gz"))
    assert code == 0
    blocks = out.rstrip("\n").split("\n\n")
    assert blocks[0] == "== binance:ETH/USDT:USDT =="
    assert len(blocks) == 11
    assert all("\nReading: " in block for block in blocks[1:])
    assert "\x1b" not in out
    flow = next(line for line in out.splitlines() if line.startswith("fills  "))
    assert flow.split() == ["fills", "120"]


def test_json_holds_the_same_numbers(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(capture(tmp_path / "c.gz"), "--json")
    assert code == 0
    assert out.count("\n") == 1
    (study,) = json.loads(out)["studies"]
    assert study["market"] == "binance:ETH/USDT:USDT"
    tables = study["tables"]
    assert dict(tables["recording"]["rows"])["fills"] == 120
    assert dict(tables["recording"]["rows"])["share bought by takers"] == pytest.approx(2 / 3)
    assert tables["agreement"]["rows"][1] == ["lee-ready", 120, 0, 1.0]
    markouts = {row[0]: row[1:] for row in tables["markouts_by_side"]["rows"]}
    assert markouts["buys"][0] == 80
    assert markouts["buys"][1] == 0.0  # the mid never moved


def test_files_of_bars_are_recognised_and_put_in_order(run: Run, tmp_path: Path) -> None:
    late, early = bars_file(tmp_path / "b.json", 600, 601), bars_file(tmp_path / "a.json")
    code, out, err = run(late, early, "--json")
    assert (code, err) == (0, "")
    (study,) = json.loads(out)["studies"]
    values: dict[str, Any] = dict(study["tables"]["bars"]["rows"])
    assert study["market"] == "XBTUSD"
    assert (values["from, UTC"], values["bars"], values["bars missing"]) == ("2020-03-07 00:00", 1_200, 0)
    bulk = study["tables"]["bulk_vpin"]
    assert len(bulk["rows"]) == 20
    assert all(len(row) == len(bulk["columns"]) for row in bulk["rows"])
    code, out, _ = run(late, early)
    assert code == 0
    assert "Bulk VPIN of 50 buckets" in out


def test_what_cannot_be_studied_is_said(run: Run, tmp_path: Path) -> None:
    bars, recorded = bars_file(tmp_path / "a.json", 40), capture(tmp_path / "c.gz")
    broken = tmp_path / "x.json"
    broken.write_text('[{"timestamp": "2020-03-07T00:01:00Z", "open": 1, "close": ')
    for words, code, said in (
        ((tmp_path / "none.gz",), 1, "no such file"),
        ((bars, recorded), 2, "study them one after the other"),
        (("sim:BTC/USDT",), 2, "a study needs recordings"),
        ((recorded, "--adv", "0"), 2, "--adv: '0' must be a number above 0"),
        ((broken,), 1, "not readable as bars (Input data was truncated)"),
        ((bars, bars), 1, "give each bar once"),
    ):
        found, out, err = run(*words)
        assert (found, out) == (code, ""), words
        assert said in err
        assert all(line.startswith("flowtape: ") for line in err.splitlines())


def test_real_captures_explain_more_by_ofi_than_by_trades(run: Run) -> None:
    pair = [data_file(f"binance_raw/cm_ethusd_perp_2024080{day}.gz") for day in (8, 9)]
    code, out, _ = run(*pair, "--json")
    assert code == 0
    tables = json.loads(out)["studies"][0]["tables"]
    r2 = {tuple(row[:3]): row[4] for row in tables["regressions"]["rows"]}
    for bar in ("1 s", "10 s"):
        assert r2[bar, "OFI, best level", "same bar"] > 0.5 > r2[bar, "trade imbalance", "same bar"]
        assert r2[bar, "OFI, best level", "next bar"] < 0.05
    assert dict(tables["recording"]["rows"])["fills"] == 3_595


def test_real_bars_show_the_crash_of_march_2020(run: Run) -> None:
    days = [data_file(f"xbtusd_1m/2020-3-{day}.json.gz") for day in range(7, 15)]
    code, out, _ = run(*days, "--json")
    assert code == 0
    tables = json.loads(out)["studies"][0]["tables"]
    rows = {tuple(row[:2]): row[2:] for row in tables["bulk_vpin"]["rows"]}
    buckets, _, _, at = rows["mean day/500", "normal"][:4]
    assert buckets == 3_996
    assert at == "2020-03-12 10:43"
    assert dict(tables["bars"]["rows"])["that hour ends"] == "2020-03-13 00:00"
