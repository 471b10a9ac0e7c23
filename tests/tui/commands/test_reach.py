"""`flowtape doctor` on exchanges: what is asked, and that each trouble comes with its own advice."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors import venues
from connectors.live.diagnosis import Outcome, Patience
from tests.emulator.exchange import Exchange, answer
from tests.emulator.okx import OkxEmulator
from tui.commands import doctor, reach
from tui.commands.failure import UsageError
from tui.commands.finding import Finding
from tui.commands.validators import VALIDATORS
from tui.config.loading import LoadedConfig, load

SOON = Patience(connect=3.0, first=0.4, pause=0.01)


def configured(tmp_path: Path, text: str) -> LoadedConfig:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load(file, validators=VALIDATORS)


def pointed(exchange: Exchange[OkxEmulator], tmp_path: Path, more: str = "") -> LoadedConfig:
    return configured(tmp_path, f'{more}\n[venues.okx]\nrest = "{exchange.url}"\nws = "{exchange.ws_url}"\n')


async def found(named: Sequence[str], loaded: LoadedConfig) -> list[Finding]:
    """In a thread, as the command has no loop of its own."""
    return await asyncio.to_thread(lambda: list(reach.reach(named, loaded, SOON)))


def levels(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.about: finding.level for finding in findings}


def test_nothing_is_asked_without_a_market_and_the_simulated_one_needs_no_network(tmp_path: Path) -> None:
    assert list(reach.reach((), configured(tmp_path, ""))) == []
    (sim,) = reach.reach((), configured(tmp_path, 'markets = ["sim:BTC/USDT"]'))
    assert (sim.level, sim.about) == ("ok", "sim")


@pytest.mark.parametrize(
    ("name", "says"),
    [("okex", "did you mean okx"), ("okx:BTC-USDT", "is no market of okx"), ("nowhere:A/B", "there is no venue")],
)
def test_a_name_that_is_none_is_a_usage_error(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        list(reach.reach([name], configured(tmp_path, "")))


async def test_the_configured_markets_are_tried_at_their_addresses(tmp_path: Path) -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange:

        async def moving() -> None:
            while True:
                await exchange.step(market)
                await asyncio.sleep(0.01)

        task = asyncio.create_task(moving())
        findings = await found((), pointed(exchange, tmp_path, f'markets = ["okx:{market.symbol}"]'))
        task.cancel()
    # The emulated clock is that of 2025.
    assert levels(findings) == {
        "okx spot REST": "ok",
        "okx spot clock": "warn",
        "okx spot socket": "ok",
        "okx spot book": "ok",
        "okx spot trades": "ok",
    }
    (clock,) = [finding for finding in findings if finding.level == "warn"]
    assert "ahead of the venue's" in clock.text
    assert "NTP" in clock.advice


async def test_a_region_block_a_retired_address_and_a_silent_one_have_advice_of_their_own(tmp_path: Path) -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange:
        loaded = pointed(exchange, tmp_path)
        exchange.silent = True
        advice: dict[str, str] = {}
        for status in (451, 410, None):
            if status is not None:
                exchange.fail_next("/public/instruments", answer(status))
            failed = [f for f in await found([f"okx:{market.symbol}"], loaded) if f.level == "fail"]
            advice[str(status)] = failed[0].advice
            assert len(failed) == (1 if status else 2)
    assert "turns this place or address away" in advice["451"]
    assert "has moved it" in advice["410"]
    assert "acknowledges and sends nothing" in advice["None"]


async def test_no_network_is_told_from_one_exchange_that_is_missing(tmp_path: Path) -> None:
    market, other = OkxEmulator.pair()
    lost = '[venues.kraken]\nrest = "https://exchange.invalid"\nws = "wss://exchange.invalid"\n'
    async with OkxEmulator(market, other) as exchange:
        text = pointed(exchange, tmp_path).path.read_text()
        some = await found([f"okx:{market.symbol}", "kraken:BTC/USD"], configured(tmp_path, text + lost))
        assert levels(some)["okx spot REST"] == "ok"
        assert "network" not in levels(some)
        alone = await found(["kraken:BTC/USD"], configured(tmp_path, lost))
    assert levels(alone) == {"kraken REST": "fail", "network": "fail"}
    assert "[venues.kraken]" in alone[0].advice


async def test_the_members_of_a_composite_are_tried(tmp_path: Path) -> None:
    market, other = OkxEmulator.pair()
    lost = '[venues.kraken]\nrest = "https://exchange.invalid"\nws = "wss://exchange.invalid"\n'
    async with OkxEmulator(market, other) as exchange:
        text = pointed(exchange, tmp_path).path.read_text()
        both = f'[composites.both]\nmarkets = ["okx:{market.symbol}", "kraken:ETH/USDT"]\n'
        loaded = configured(tmp_path, f'markets = ["composite:both", "okx:{market.symbol}"]\n' + text + lost + both)
        assert loaded.problems == ()
        findings = await found((), loaded)
    assert {"okx spot REST", "kraken REST"} <= set(levels(findings))
    assert len([f for f in findings if f.about == "okx spot book"]) == 1


def test_a_configured_market_that_makes_no_sense_is_a_finding(tmp_path: Path) -> None:
    (finding,) = reach.reach((), configured(tmp_path, 'markets = ["okx:BTC-USDT"]'))
    assert (finding.level, finding.about) == ("fail", "markets")
    assert "is no market of okx" in finding.text


def test_what_is_no_exchange_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = venues.Venue(
        lambda _symbols, _settings: venues.open_feed("sim", ["BTC/USDT"]), venues.VENUES["sim"].markets
    )
    monkeypatch.setattr(venues, "VENUES", {**venues.VENUES, "elsewhere": other})
    (finding,) = reach.reach(["elsewhere"], configured(tmp_path, ""))
    assert (finding.level, finding.about) == ("ok", "elsewhere")


def test_an_exchange_whose_table_has_errors_is_not_asked(tmp_path: Path) -> None:
    loaded = configured(tmp_path, 'markets = ["okx:BTC/USDT"]\n[venues.okx]\nrest = "nonsense"\n')
    (finding,) = reach.reach((), loaded)
    assert (finding.level, finding.about) == ("warn", "okx")
    assert "errors" in finding.text


def test_every_trouble_has_its_advice() -> None:
    assert {o.name for o in Outcome} - {"OK"} == set(reach._ADVICE)
    assert len(set(reach._ADVICE.values())) == len(reach._ADVICE)


def test_the_command_takes_names_and_ends_with_1_when_something_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    file = tmp_path / "c.toml"
    file.write_text('[venues.okx]\nrest = "https://exchange.invalid"\nws = "wss://exchange.invalid"\n')
    args = parser.parse_args(["doctor", "okx:BTC/USDT", "--config", str(file)])
    assert args.run(args) == 1
    out = capsys.readouterr().out
    assert "fail  okx spot REST" in out
    assert "the name of the host cannot be resolved" in out
    assert "\x1b" not in out
