"""`flowtape stream`, the contract for scripts: what comes out of small files, and what is said when nothing can."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.metrics.registry import SPECS
from tests.connectors.archives import recordings
from tui.cli import main
from tui.commands.stream import Lines, Span

SECOND = 1_000_000_000
T0 = 1_750_500_000  # s
Trade = tuple[int, str, str, str, int]  # ms, price, quantity, side, id
Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


def trades_file(path: Path, trades: list[Trade]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "price", "quantity", "side", "tradeId"))
        writer.writerows(trades)
    return path


def random_trades(seed: int, count: int = 300, start_ms: int = T0 * 1000 + 250) -> list[Trade]:
    rng, ms, out = random.Random(seed), start_ms, []
    for i in range(count):
        size = f"{rng.randrange(1, 4000) / 1000:.3f}"
        out.append((ms, f"{rng.randrange(8000, 8020) / 100:.2f}", size, rng.choice(("buy", "sell")), 100 + i))
        ms += rng.choice((0, 0, 7, 90, 1300))
    return out


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("FLOWTAPE_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def run(home: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """(exit code, lines, what was said) of `flowtape stream …`."""

    def call(*words: object) -> tuple[int, list[dict[str, Any]], str]:
        code = main(["stream", *map(str, words)])
        out, err = capsysbinary.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err.decode()

    return call


def script(*words: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The same as a program."""
    argv = [sys.executable, "-m", "tui", "stream", *map(str, words)]
    return subprocess.run(argv, capture_output=True, timeout=60, check=False, **more)


def test_the_contract_to_the_letter(home: Path) -> None:
    trades = random_trades(1)
    file = trades_file(home / "LTCUSDT_made.csv", trades)
    done = script(file, "--every", "1s", "--metrics", "cvd, ti( 30s ),buy(2s),VPIN(10,5),imbalance(5),cvd")
    assert done.returncode == 0, done.stderr
    first_ns, last_ns = trades[0][0] * 10**6, trades[-1][0] * 10**6
    instants = list(range(-(-first_ns // SECOND) * SECOND, last_ns + 1, SECOND))
    lines = done.stdout.splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    got = [json.loads(line) for line in lines]
    assert [line["t"] for line in got] == instants
    for line in got:
        assert list(line) == ["t", "market", "metrics", "trust"]
        assert line["market"] == "binance:LTC/USDT"
        # Keys exactly as asked, each once, in the order asked for.
        assert list(line["metrics"]) == ["cvd", "ti( 30s )", "buy(2s)", "VPIN(10,5)", "imbalance(5)"]
        assert line["metrics"]["imbalance(5)"] is None  # the file has no book
        assert line["trust"] == {"book": None, "trades": "LIVE"}
    # Values: an independent sum over the file, all trades with time <= t.
    for line in got:
        so_far = [trade for trade in trades if trade[0] * 10**6 <= line["t"]]
        milli = {"buy": 0, "sell": 0}
        for _, _, size, side, _ in so_far:
            milli[side] += round(float(size) * 1000)
        assert line["metrics"]["cvd"] == pytest.approx((milli["buy"] - milli["sell"]) / 1000, abs=1e-9)
        window = [trade for trade in so_far if trade[0] * 10**6 > line["t"] - 30 * SECOND]
        bought = sum(float(t[2]) for t in window if t[3] == "buy")
        total = sum(float(t[2]) for t in window)
        assert line["metrics"]["ti( 30s )"] == pytest.approx((2 * bought - total) / total)
    vpins = [line["metrics"]["VPIN(10,5)"] for line in got]
    assert vpins[0] is None
    assert vpins[-1] is not None


def test_the_same_command_gives_the_same_bytes(home: Path) -> None:
    file = trades_file(home / "LTCUSDT_made.csv", random_trades(2, 100))
    words = (file, "--every", "500ms")
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    first, second = script(*words), script(*words, env=env)
    assert first.stdout == second.stdout
    assert first.stdout
    with gzip.open(home / "LTCUSDT_made.csv.gz", "wb") as packed:
        packed.write(file.read_bytes())
    assert script(home / "LTCUSDT_made.csv.gz", "--every", "500ms").stdout == first.stdout


def test_a_capture_has_a_book_and_its_trust(home: Path, run: Run) -> None:
    lines = [
        *recordings.SYNCED,
        recordings.trade(500, 1, "100.00", "2", maker=True),
        recordings.depth(1500, 107, 108, 106, [("100.00", "5.000")], []),
        recordings.depth(2500, 200, 201, 199, [("100.00", "7.000")], []),  # messages are missing before it
        recordings.trade(3500, 2, "100.00", "1"),
    ]
    file = recordings.capture(home / "made.gz", lines)
    code, got, _ = run(file, "--metrics", "bid_size,cvd")
    assert code == 0
    assert {line["market"] for line in got} == {"binance:ETH/USDT:USDT"}
    start = recordings.START
    by_second = {(line["t"] - start) // SECOND: line for line in got}
    assert by_second[1]["metrics"] == {"bid_size": 2.0, "cvd": -2.0}
    assert by_second[1]["trust"] == {"book": "LIVE", "trades": "LIVE"}
    assert by_second[2]["metrics"]["bid_size"] == 5.0
    assert by_second[3]["metrics"] == {"bid_size": None, "cvd": -2.0}
    assert by_second[3]["trust"]["book"] not in ("LIVE", None)


def test_what_is_infinite_is_null_and_flagged(home: Path, run: Run) -> None:
    at = T0 * 1000
    file = trades_file(home / "LTCUSDT_up.csv", [(at, "80.00", "1.5", "buy", 1), (at + 1000, "80.00", "1", "sell", 2)])
    code, got, _ = run(file, "--metrics", "ratio(1h),last")
    assert code == 0
    assert got[0]["metrics"] == {"ratio(1h)": None, "last": 80.0}
    assert got[0]["flags"] == {"ratio(1h)": "inf"}
    assert got[1]["metrics"]["ratio(1h)"] == 1.5
    assert "flags" not in got[1]


@pytest.mark.parametrize(("every", "step"), [("250ms", SECOND // 4), ("2s", 2 * SECOND), ("1m", 60 * SECOND)])
def test_instants_are_whole_steps_since_the_epoch(home: Path, run: Run, every: str, step: int) -> None:
    file = trades_file(home / "LTCUSDT_made.csv", random_trades(3))
    _, got, _ = run(file, "--every", every, "--metrics", "last")
    times = [line["t"] for line in got]
    assert times
    assert times[0] % step == 0
    assert times == list(range(times[0], times[-1] + 1, step))


def test_several_markets_come_in_the_order_of_time(home: Path, run: Run) -> None:
    # The second one begins earlier, the third much later.
    files = [
        trades_file(home / "LTCUSDT_a.csv", random_trades(4, 200)),
        trades_file(home / "ETHUSDT_b.csv", random_trades(5, 200, T0 * 1000 - 5250)),
        trades_file(home / "BTCUSDT_c.csv", random_trades(6, 60, T0 * 1000 + 20_250)),
    ]
    code, got, _ = run(*files, "--metrics", "cvd,trades(1h)")
    assert code == 0
    assert len({line["market"] for line in got}) == 3
    assert [line["t"] for line in got] == sorted(line["t"] for line in got)
    for file, market in zip(files, ("LTC/USDT", "ETH/USDT", "BTC/USDT"), strict=True):
        _, alone, _ = run(file, "--metrics", "cvd,trades(1h)")
        assert [line for line in got if line["market"] == f"binance:{market}"] == alone


def test_so_much_of_each_market(home: Path, run: Run) -> None:
    files = [
        trades_file(home / "LTCUSDT_a.csv", random_trades(4, 300)),
        trades_file(home / "ETHUSDT_b.csv", random_trades(5, 300, T0 * 1000 + 3250)),
    ]
    _, whole, _ = run(*files, "--metrics", "cvd")
    code, got, _ = run(*files, "--metrics", "cvd", "--for", "10s")
    assert code == 0
    for market in ("binance:LTC/USDT", "binance:ETH/USDT"):
        lines = [line for line in got if line["market"] == market]
        assert lines == [line for line in whole if line["market"] == market][:10]
    assert [line["t"] for line in got] == sorted(line["t"] for line in got)


def test_simulated_markets_end_when_told_and_repeat(run: Run) -> None:
    words = ("sim:BTC/USDT", "sim:ETH/USDT", "--for", "20s", "--every", "5s", "--metrics", "mid,delta(5s),imbalance(5)")
    code, got, err = run(*words)
    assert (code, err) == (0, "")
    assert [line["market"] for line in got] == ["sim:BTC/USDT", "sim:ETH/USDT"] * 4
    assert got[-1]["metrics"]["mid"] is not None
    assert run(*words)[1] == got


def test_a_file_may_be_named_and_its_grid_set(home: Path, run: Run) -> None:
    at = T0 * 1000
    file = trades_file(home / "unknown.csv", [(at, "80.0", "1.5", "buy", 1), (at + 1000, "80.5", "1", "sell", 2)])
    code, got, err = run(file, "--metrics", "cvd")
    assert (code, got[0]["market"]) == (0, "file:UNKNOWN")
    assert "does not say which market" in err
    code, got, _ = run(file, "--metrics", "cvd", "--as", "binance:LTC/USDT", "--tick", "0.1", "--lot", "0.1")
    assert (code, got[0]["market"], got[1]["metrics"]["cvd"]) == (0, "binance:LTC/USDT", 0.5)
    code, got, err = run(file, "--metrics", "last", "--as", "binance:LTC/USDT", "--tick", "0.3")
    assert (code, got) != (0, [])  # 80.0 is no multiple of it
    assert "tick size 0.3" in err or "0.3" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("FILE", "--metrics", "cvd,vpn(1000,50)"), 2, "--metrics: unknown metric 'vpn'"),
        (("FILE", "--metrics", "cvd,vpn(1000,50)"), 2, "did you mean 'vpin'?"),
        (("FILE", "--metrics", "ti(30)"), 2, "a duration such as"),
        (("FILE", "--metrics", ""), 2, "no metric named"),
        (("FILE", "--every", "0s"), 2, "--every: '0s' must be at least 1ms"),
        (("FILE", "--every", "fast"), 2, "--every: 'fast' is not a duration"),
        (("FILE", "--every", "99999d"), 2, "--every: '99999d' is longer than a year"),
        (("FILE", "--for=-1s"), 2, "--for: '-1s' is not a duration"),
        (("FILE", "--tick", "zero"), 2, "--tick: 'zero' is not a number"),
        (("FILE", "--lot", "-1"), 2, "--lot: '-1' must be a number above 0"),
        (("FILE", "--as", "LTC"), 2, "--as: 'LTC' is not a market"),
        (("FILE", "--adv", "nan"), 2, "--adv: 'nan' must be a number above 0"),
        (("FILE", "sim:BTC/USDT"), 2, "either recordings or live markets"),
        ((), 2, "stream needs a FILE or a MARKET"),
        (("nowhere/file.gz",), 1, "nowhere/file.gz: no such file"),
        (("EMPTY",), 1, "is empty"),
        (("GARBAGE",), 1, "the format is not known"),
        (("FOLDER",), 1, "FOLDER"),
        (("bnance:BTC/USDT",), 1, "there is no venue 'bnance'; did you mean binance"),
        (("sim:NOSUCH",), 1, "NOSUCH"),
        (("sim:BTC/USDT", "--channels", "ticker"), 2, "--channels: 'ticker' must be of trades, book, contract"),
        (("sim:BTC/USDT", "--config", "CONFIG"), 2, 'unknown key "thme", did you mean "theme"?'),
    ],
)
def test_what_cannot_be_done_is_said(
    home: Path, run: Run, words: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    trades_file(home / "FILE", random_trades(1, 5))
    (home / "EMPTY").write_bytes(b"")
    (home / "GARBAGE").write_text("what is this\nit is nothing\n")
    (home / "FOLDER").mkdir()
    (home / "CONFIG").write_text('thme = "x"\n')
    got = run(*words)
    assert (got[0], got[1]) == (code, [])
    assert said in got[2]
    assert got[2].startswith("flowtape: ")
    assert "Traceback" not in got[2]


def test_the_list_names_every_metric(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "--list"]) == 0
    listed = capsys.readouterr().out
    for name, spec in SPECS.items():
        assert f"\n  {name}" in listed
        assert spec.meaning in listed
        assert spec.warmup in listed


def test_a_reader_that_goes_is_no_error(home: Path) -> None:
    argv = [sys.executable, "-m", "tui", "stream", "sim:BTC/USDT"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["market"] == "sim:BTC/USDT"
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_is_a_failure_in_words(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        argv = [sys.executable, "-m", "tui", "stream", "sim:BTC/USDT", "--for", "10m"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"flowtape: the lines can't be written: ")
    assert done.stderr.count(b"\n") == 1


# ---- the parts


def test_lines_wait_for_every_market_that_is_expected() -> None:
    out: list[bytes] = []
    lines = Lines(out.append, ordered=True, expected=2)
    first = lines.join()
    lines.add(first, 6, [(1, b"a1 "), (5, b"a5 ")])
    assert out == []
    second = lines.join()
    lines.add(second, 4, [(0, b"b0 "), (1, b"b1 "), (3, b"b3 ")])
    assert b"".join(out) == b"b0 a1 b1 b3 "
    lines.add(first, 9, [(8, b"a8 ")])
    assert b"".join(out) == b"b0 a1 b1 b3 "
    lines.finish()
    assert b"".join(out) == b"b0 a1 b1 b3 a5 a8 "


def test_the_span_has_passed_when_all_are_through() -> None:
    span = Span(10, expected=2)
    span.join()
    span.leave()
    assert not span.passed.is_set()  # the second one has not begun
    span.join()
    span.leave()
    assert span.passed.is_set()
    assert [span.end(100, every) for every in (1, 3, 10, 50)] == [110, 109, 110, 150]
    assert Span(None).end(100, 1) > 1 << 61


def test_what_lies_before_the_beginning_warms_up_and_is_not_printed(home: Path, run: Run) -> None:
    trades = random_trades(5)
    file = trades_file(home / "LTCUSDT_made.csv", trades)
    asked = ("--metrics", "cvd,vpin(5,10),last")
    _, whole, _ = run(file, *asked)
    begin = whole[len(whole) // 2]["t"]
    text = datetime.fromtimestamp(begin / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for typed in (text, text[11:]):
        code, lines, _ = run(file, *asked, "--from", typed)
        assert code == 0
        assert lines == [line for line in whole if line["t"] >= begin]
    assert lines[0]["metrics"]["vpin(5,10)"] is not None
    _, lines, _ = run(file, *asked, "--from", text, "--for", "5s")
    assert [line["t"] for line in lines] == [begin + i * SECOND for i in range(5)]


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("noon", 2, "--from: 'noon' is no time; write a UTC time such as"),
        ("2025-02-30", 2, "one that there is"),
        ("2030-01-01", 1, "the recordings end before that time"),
    ],
)
def test_a_beginning_that_cannot_be(home: Path, run: Run, typed: str, code: int, said: str) -> None:
    file = trades_file(home / "LTCUSDT_made.csv", random_trades(5))
    status, lines, err = run(file, "--from", typed)
    assert (status, lines) == (code, [])
    assert said in err


def test_a_recording_without_an_instant_of_the_grid_says_so(home: Path, run: Run) -> None:
    file = trades_file(home / "LTCUSDT_made.csv", random_trades(5, 10, T0 * 1000 + 250))
    code, lines, err = run(file, "--every", "1h")
    assert (code, lines) == (0, [])
    assert "no instant of --every lies within the recordings" in err
