"""`flowtape watch` as a process: signals, reload, health, recordings, an exchange that goes and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.archives.recordings import SYNCED, capture, depth, trade
from tests.emulator.binance import BinanceEmulator
from tests.emulator.market import spot
from tests.terminal.pseudo import ROOT, environment
from tests.terminal.screen import Screen
from tests.terminal.test_sources import configuration, trading
from tests.tui.delivery.receiver import Receiver, until

RULE = '[[alerts]]\nname = "any"\nwhen = "abs(imbalance(5)) > 0.05"\n'


class Watch:
    """A running `flowtape watch`; `lines` are what it has logged."""

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        env = environment(home, XDG_STATE_HOME=str(home / "state"), PYTHONUNBUFFERED="1", **variables)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui", "watch", *arguments],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._complain)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _complain(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == name]

    def sees(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        until(lambda: len(self.events(name)) >= count or self.process.poll() is not None, f"{count} lines of {name}")
        assert len(self.events(name)) >= count, (self.lines[-5:], self.errors)
        return self.events(name)

    def ends(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        for thread in self._threads:
            thread.join(30)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.ends()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Any]:
    running: list[Watch] = []

    def start(*arguments: str, **variables: str) -> Watch:
        running.append(Watch(tmp_path, *arguments, **variables))
        return running[-1]

    yield start
    for one in running:
        one.close()


def config(home: Path, text: str) -> Path:
    path = home / "c.toml"
    path.write_text(text)
    return path


def file_sink(home: Path, name: str = "log") -> str:
    return f'[[sinks]]\nname = "{name}"\nkind = "file"\npath = "{home}/{name}.jsonl"\nburst = 1000\n'


def test_the_simulated_market_until_sigterm(tmp_path: Path, watch: Any) -> None:
    health, settings = tmp_path / "health.json", config(tmp_path, RULE + file_sink(tmp_path))
    one = watch("sim:BTC/USDT", "--config", str(settings), "--health", str(health))
    fired = one.sees("fired", 3)
    until(lambda: health.exists() and json.loads(health.read_text())["ok"], "a healthy file")
    assert one.ends(signal.SIGTERM) == 0
    assert one.lines[0]["event"] == "start"
    assert one.lines[-1]["event"] == "stop"
    assert fired[0]["text"].startswith("SIMULATED sim:BTC/USDT: any: ")
    assert fired[0]["origin"] == "simulator"
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["key"] for line in told] == [line["key"] for line in one.events("fired")]
    last = json.loads(health.read_text())
    assert (last["state"], last["ok"], last["sinks"][0]["waiting"]) == ("stopped", False, 0)
    assert one.errors == []


def test_ctrl_c(tmp_path: Path, watch: Any) -> None:
    one = watch("sim:BTC/USDT", "--config", str(config(tmp_path, "")), "--health", "none")
    one.sees("start")
    assert one.ends(signal.SIGINT) == 130
    assert one.lines[-1]["text"].startswith("SIGINT")
    assert one.errors == []


def test_sighup_reads_rules_and_sinks_anew_and_keeps_the_rest(tmp_path: Path, watch: Any) -> None:
    settings = config(tmp_path, RULE + 'cooldown = "1h"\n')
    one = watch("sim:BTC/USDT", "--config", str(settings), "--health", "none")
    one.sees("fired")
    config(
        tmp_path,
        RULE + 'cooldown = "1h"\n[[alerts]]\nname = "new"\nwhen = "abs(imbalance(5)) > 0.04"\n' + file_sink(tmp_path),
    )
    one.process.send_signal(signal.SIGHUP)
    until(lambda: any(line["rule"] == "new" for line in one.events("fired")), "the new rule")
    # The old one is still in its cooldown: its state was kept.
    assert [line["rule"] for line in one.events("fired")].count("any") == 1
    until(lambda: (tmp_path / "log.jsonl").exists(), "the new sink")
    config(tmp_path, "[[alerts]]\nname = 3\n")
    one.process.send_signal(signal.SIGHUP)
    until(lambda: any("stay as they were" in line["text"] for line in one.events("reload")), "refused")
    assert any(":2: alerts[#1].name: expected a name" in line["text"] for line in one.events("reload"))
    assert one.ends(signal.SIGTERM) == 0


def recording(path: Path) -> Path:
    lines = [*SYNCED]
    for n in range(1, 400):
        at, update = 200 * n, 106 + n
        lines.append(depth(at, update, update, update - 1, [("99.99", f"{1 + n % 37}.000")], []))
        lines.append(trade(at + 1, n, "100.01" if n % 3 else "100.00", "0.500", maker=n % 3 == 0))
    return capture(path, lines)


def test_a_recording_ends_and_tells_the_same_every_time(tmp_path: Path, watch: Any) -> None:
    path = recording(tmp_path / "usdm_ethusdt_20240808.gz")
    source = (str(path), "--as", "binance:ETH/USDT:USDT", "--tick", "0.01", "--lot", "0.001")
    told = []
    for name in ("one", "two"):
        settings = config(
            tmp_path, '[[alerts]]\nname = "any"\nwhen = "imbalance(5) > 0.5"\n' + file_sink(tmp_path, name)
        )
        run = watch(*source, "--config", str(settings), "--health", "none")
        assert run.ends() == 0
        told.append([json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()])
        assert [line["key"] for line in told[-1]] == [line["key"] for line in run.events("fired")]
        assert run.lines[-1]["text"].startswith("the sources have ended")
    assert len(told[0]) > 5
    assert told[0] == told[1]
    assert {line["origin"] for line in told[0]} == {"recording"}


def test_what_a_recording_can_not_deliver_is_a_failure(
    tmp_path: Path, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording(tmp_path / "usdm_ethusdt_20240808.gz")
    settings = config(
        tmp_path,
        '[[alerts]]\nname = "any"\nwhen = "imbalance(5) > 0.5"\n'
        '[[sinks]]\nname = "ops"\nkind = "webhook"\nurl_env = "NOT_SET"\n',
    )
    code = "import tui.headless.watcher as w, tui.cli, sys; w.PATIENT_S = 0.2; sys.exit(tui.cli.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "watch", str(path), "--as", "binance:ETH/USDT:USDT", "--tick", "0.01", "--lot",
         "0.001", "--config", str(settings), "--health", "none"],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("NOT_SET is not set" in line["text"] for line in lines)
    assert any("are lost: what is not live is not kept" in line["text"] for line in lines)


async def test_an_exchange_that_goes_and_comes_back_is_told(tmp_path: Path, watch: Any) -> None:
    market = spot()
    exchange = BinanceEmulator(market)
    await exchange.start()
    with Receiver() as receiver:
        path = configuration(tmp_path, exchange.url, exchange.ws_url)
        path.write_text(
            path.read_text() + '[notify]\ntrouble_after = "1s"\n'
            f'[[sinks]]\nname = "ops"\nkind = "webhook"\nurl = "{receiver.url}"\nevents = ["trouble"]\n'
        )
        one = watch("binance:ETH/USDT", "--config", str(path), "--health", str(tmp_path / "health.json"))
        health = tmp_path / "health.json"
        async with trading(exchange, market):
            await asyncio.to_thread(until, lambda: health.exists() and json.loads(health.read_text())["ok"], "health")
            await exchange.stop()
        await asyncio.to_thread(one.sees, "trouble")
        await asyncio.to_thread(until, lambda: receiver.kept, "delivered")
        await asyncio.to_thread(until, lambda: not json.loads(health.read_text())["ok"], "unhealthy")
        await exchange.start()
        async with trading(exchange, market):
            await asyncio.to_thread(one.sees, "recovered")
            await asyncio.to_thread(until, lambda: json.loads(health.read_text())["ok"], "healthy again")
            assert await asyncio.to_thread(one.ends, signal.SIGTERM) == 0
        await exchange.stop()
        payloads = receiver.payloads()
    assert payloads[0]["event"] == "trouble"
    assert payloads[0]["severity"] == "high"
    assert payloads[0]["channel"] in ("book", "trades")
    assert payloads[-1]["event"] == "recovered"


async def test_killed_with_its_receiver_down_it_delivers_after_the_restart(tmp_path: Path, watch: Any) -> None:
    market = spot()
    exchange = BinanceEmulator(market)
    await exchange.start()
    with Receiver() as receiver:
        receiver.stop_listening()
        path = configuration(tmp_path, exchange.url, exchange.ws_url)
        sink = f'[[sinks]]\nname = "ops"\nkind = "webhook"\nurl = "{receiver.url}"\nevents = ["fired"]\n'
        path.write_text(path.read_text() + RULE + sink)
        health = tmp_path / "health.json"
        async with trading(exchange, market):
            one = watch("binance:ETH/USDT", "--config", str(path), "--health", str(health))
            await asyncio.to_thread(one.sees, "fired", 3)
            await asyncio.to_thread(until, lambda: json.loads(health.read_text())["sinks"][0]["waiting"] >= 3, "kept")
            promised = {line["key"] for line in one.events("fired")[:3]}
            assert "cannot connect" in json.loads(health.read_text())["sinks"][0]["problem"]
            await asyncio.to_thread(one.ends, signal.SIGKILL)
            receiver.listen_again()
            two = watch("binance:ETH/USDT", "--config", str(path), "--health", str(health))
            await asyncio.to_thread(
                until, lambda: promised <= {payload["key"] for payload in receiver.payloads()}, "delivered"
            )
            assert await asyncio.to_thread(two.ends, signal.SIGTERM) == 0
        await exchange.stop()
        keys = [payload["key"] for payload in receiver.payloads()]
        assert len(keys) == len(set(keys)) == len(receiver.kept)


async def test_a_market_that_can_not_be_had_is_told(tmp_path: Path, watch: Any) -> None:
    async with BinanceEmulator(spot()) as exchange:
        path = configuration(tmp_path, exchange.url, exchange.ws_url)
        path.write_text(path.read_text() + file_sink(tmp_path))
        one = watch("binance:NOPE/USDT", "--config", str(path), "--health", "none")
        await asyncio.to_thread(one.sees, "trouble")
        assert await asyncio.to_thread(one.ends) == 1
    assert "NOPE/USDT" in (tmp_path / "log.jsonl").read_text()


def test_no_secret_is_left_anywhere(tmp_path: Path, watch: Any) -> None:
    """In no line, no file, no process list: not the address, not the token, not the key."""
    token = tmp_path / "token"
    with Receiver() as receiver:
        receiver.mood = 500
        token.write_text(receiver.url.replace("t0ken", "FROM-FILE"))
        token.chmod(0o600)
        settings = config(
            tmp_path,
            RULE + '[[sinks]]\nname = "a"\nkind = "webhook"\nurl_env = "HOOK"\nsecret_env = "KEY"\n'
            f'[[sinks]]\nname = "b"\nkind = "webhook"\nurl_file = "{token}"\nsecret_env = "KEY"\n'
            '[[sinks]]\nname = "c"\nkind = "webhook"\nurl_env = "GONE"\n',
        )
        gone = "http://127.0.0.1:1/s3cret-path?token=t0ken"
        one = watch("sim:BTC/USDT", "--config", str(settings), HOOK=receiver.url, KEY="s1gning-key", GONE=gone)
        one.sees("delivery", 3)
        until(lambda: len(receiver.seen) >= 4, "tries")
        health = tmp_path / "state" / "flowtape" / "watch.json"
        until(lambda: health.exists() and "HTTP 500" in health.read_text(), "the problem in the health file")
        arguments = Path(f"/proc/{one.process.pid}/cmdline").read_bytes()
        assert one.ends(signal.SIGTERM) == 0
    written = json.dumps(one.lines) + "".join(one.errors) + arguments.decode()
    for file in (tmp_path / "state").rglob("*"):
        if file.is_file():
            written += file.read_bytes().decode("latin-1")
    for secret in ("s3cret-path", "t0ken", "FROM-FILE", "s1gning-key"):
        assert secret not in written, secret
    assert all("webhook-signature" in headers for _, headers, _ in receiver.seen)


def test_systemd_is_told(tmp_path: Path, watch: Any) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name)
        server.settimeout(60)
        one = watch(
            "sim:BTC/USDT", "--config", str(config(tmp_path, "")), "--health", "none",
            NOTIFY_SOCKET=name, WATCHDOG_USEC="300000",
        )  # fmt: skip
        heard = [server.recv(4096).decode() for _ in range(4)]
        assert heard[0].startswith("READY=1\nSTATUS=watching sim:BTC/USDT")
        assert heard[-1].startswith("WATCHDOG=1")
        one.process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard.append(server.recv(4096).decode())
    assert one.ends() == 0


def test_a_reader_that_goes_ends_it(tmp_path: Path) -> None:
    command = f"{sys.executable} -m tui watch sim:BTC/USDT --health none --config {config(tmp_path, RULE)} | head -n 2"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command], cwd=ROOT, env=environment(tmp_path),
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_on_a_terminal_it_rings_and_notifies(tmp_path: Path) -> None:
    settings = config(tmp_path, RULE)
    arguments = ("watch", "sim:BTC/USDT", "--config", str(settings), "--health", "none")
    with Screen(tmp_path, *arguments, variables={"TERM": "foot"}) as screen:
        screen.sees(r"warning fired +SIMULATED sim:BTC/USDT: any")
        screen.find(b"\a\x1b]777;notify;flowtape SIMULATED sim:BTC/USDT: any;")
        screen.signal(signal.SIGTERM)
        assert screen.ended() == 0


def test_usage(tmp_path: Path) -> None:
    for arguments, text in (((), "watch needs a MARKET"), (("nope:X",), "nope"), (("sim:X", "/no/file"), "not both")):
        done = subprocess.run(
            [sys.executable, "-m", "tui", "watch", *arguments],
            cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (1, 2)
        assert text in done.stderr
        assert done.stdout == ""
    assert os.listdir(tmp_path) == []
