"""What is wrong on the way to an exchange is told apart, against emulated exchanges on loopback."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from connectors.live.diagnosis import Check, Outcome, Patience, diagnose
from connectors.live.feed import LiveFeed
from connectors.live.venue import LiveVenue
from engine.feed import SourceError
from tests.emulator.exchange import QUICK, Exchange, answer, eventually
from tests.emulator.okx import OkxEmulator
from tests.emulator.venues import EXCHANGES

SOON = Patience(connect=2.0, first=0.3, pause=0.01)
LONG = Patience(connect=5.0, first=8.0, pause=0.01)


def venue_of(exchange: Exchange[Any], ahead_ms: int = 0) -> LiveVenue:
    market = exchange.markets[0]
    feed = exchange.feed([market.symbol], QUICK, lambda: (market.now_ms - ahead_ms) * 1_000_000)
    assert isinstance(feed, LiveFeed)
    return feed.venue


async def asked(exchange: Exchange[Any], patience: Patience = SOON, ahead_ms: int = 0) -> dict[str, Check]:
    checks = await diagnose(venue_of(exchange, ahead_ms), [exchange.markets[0].symbol], patience)
    assert len({c.part for c in checks}) == len(checks)
    return {c.part: c for c in checks}


def outcomes(checks: dict[str, Check]) -> dict[str, Outcome]:
    return {part: c.outcome for part, c in checks.items()}


async def moving(exchange: Exchange[Any], **what: int) -> None:
    while True:
        await exchange.step(exchange.markets[0], **what)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_that_works(name: str) -> None:
    kind = EXCHANGES[name]
    async with kind(*kind.pair()) as exchange:
        task = asyncio.create_task(moving(exchange))
        checks = await asked(exchange, LONG)
        task.cancel()
        assert set(outcomes(checks).values()) == {Outcome.OK}
        assert list(checks) == ["REST", "clock", "socket", "book", "trades"]
        assert "markets listed" in checks["REST"].text
        for part in ("book", "trades"):
            assert "acknowledged after" in checks[part].text
            assert "first frame after" in checks[part].text
        await eventually(lambda: not exchange.sockets, "the socket is given back")


@pytest.mark.parametrize("name", EXCHANGES)
async def test_acknowledged_and_silent_is_not_working(name: str) -> None:
    kind = EXCHANGES[name]
    async with kind(*kind.pair()) as exchange:
        exchange.silent = True
        checks = await asked(exchange)
        assert outcomes(checks)["socket"] is Outcome.OK
        assert outcomes(checks)["book"] is Outcome.SILENT
        assert outcomes(checks)["trades"] is Outcome.SILENT
        assert "then nothing for" in checks["book"].text


@pytest.mark.parametrize("name", EXCHANGES)
async def test_no_trade_while_the_book_moves_may_be_a_quiet_market(name: str) -> None:
    kind = EXCHANGES[name]
    async with kind(*kind.pair()) as exchange:
        task = asyncio.create_task(moving(exchange, trades=0))
        checks = await asked(exchange, Patience(first=0.5, pause=0.01))
        task.cancel()
        assert outcomes(checks)["book"] is Outcome.OK
        begins_with_trades = name == "hyperliquid"  # those of the past, if there are none an empty list
        assert outcomes(checks)["trades"] is (Outcome.OK if begins_with_trades else Outcome.QUIET)


async def test_a_subscription_that_nobody_answers() -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        exchange.mute_requests = True
        found = outcomes(await asked(exchange))
        assert (found["book"], found["trades"]) == (Outcome.UNACKNOWLEDGED, Outcome.UNACKNOWLEDGED)


async def test_frames_of_another_protocol() -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        exchange.mangle = lambda _f: [b"<html>moved</html>"]
        task = asyncio.create_task(moving(exchange))
        found = await asked(exchange)
        task.cancel()
        assert outcomes(found)["book"] is Outcome.UNREADABLE
        assert "html" in found["book"].text


async def test_a_market_that_the_socket_refuses() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange:
        venue = venue_of(exchange)
        rest = exchange.rest

        async def listed_only(request: web.Request) -> web.StreamResponse:
            response = await rest(request)
            exchange.markets.remove(market) if market in exchange.markets and "instruments" in request.path else None
            return response

        exchange.rest = listed_only  # type: ignore[method-assign]
        exchange.markets.append(other)
        checks = await diagnose(venue, [market.symbol], SOON)
        found = {c.part: c for c in checks}
        assert found["book"].outcome is Outcome.REFUSED
        assert "doesn't exist" in found["book"].text


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (451, Outcome.BLOCKED),
        (403, Outcome.BLOCKED),
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (429, Outcome.LIMITED),
        (503, Outcome.FAILING),
        (400, Outcome.REFUSED),
    ],
)
async def test_what_http_says_of_rest_and_of_the_handshake(status: int, outcome: Outcome) -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        exchange.fail_next("/public/instruments", answer(status))
        assert outcomes(await asked(exchange)) == {"REST": outcome}

        async def turned_away(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status)

        exchange._serve = turned_away  # type: ignore[method-assign]
        found = outcomes(await asked(exchange))
        assert found == {"REST": Outcome.OK, "clock": Outcome.OK, "socket": outcome}


async def test_a_listing_that_is_none() -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        exchange.fail_next("/public/instruments", answer(200, "<html>"))
        assert outcomes(await asked(exchange)) == {"REST": Outcome.UNREADABLE}


@pytest.mark.parametrize(("ahead", "outcome"), [(0, Outcome.OK), (7_000, Outcome.SKEWED), (-7_000, Outcome.SKEWED)])
async def test_a_clock_that_is_off(ahead: int, outcome: Outcome) -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        check = (await asked(exchange, ahead_ms=ahead))["clock"]
        assert check.outcome is outcome
        if ahead:
            assert f"7.0 s {'behind' if ahead > 0 else 'ahead of'} the venue's" in check.text


async def elsewhere(url: str) -> Outcome:
    from connectors.okx.feed import Okx, endpoints

    (check,) = await diagnose(Okx(endpoints(url, url.replace("http", "ws"))), ["BTC/USDT"], SOON)
    assert check.part == "REST"
    return check.outcome


async def test_no_host_nothing_listening_and_no_tls_are_told_apart() -> None:
    assert await elsewhere("https://exchange.invalid") is Outcome.NO_HOST
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert await elsewhere(f"http://127.0.0.1:{closed.getsockname()[1]}") is Outcome.NOT_LISTENING
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        assert await elsewhere(exchange.url.replace("http", "https")) is Outcome.NO_TLS


async def test_a_socket_that_is_closed_at_once_and_one_that_never_answers() -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:

        async def closing(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.close(code=1008)
            return ws

        exchange._serve = closing  # type: ignore[method-assign]
        found = await asked(exchange)
        assert outcomes(found)["book"] is Outcome.FAILING
        assert "code 1008" in found["book"].text

        async def never(_request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(30)
            raise AssertionError

        exchange._serve = never  # type: ignore[method-assign]
        assert outcomes(await asked(exchange, Patience(connect=0.2)))["socket"] is Outcome.NO_ANSWER


async def test_every_section_is_tried_on_a_market_that_moves_where_none_is_named() -> None:
    from tests.emulator.okx import OkxMarket

    quiet, _ = OkxEmulator.pair()
    lively = OkxMarket("BTC/USDT", "BTC-USDT", "BTC", "USDT", seed=3)
    swap = OkxMarket("BTC/USDT:USDT", "BTC-USDT-SWAP", "BTC", "USDT", type="SWAP", contract="0.01")
    async with OkxEmulator(quiet, lively, swap) as exchange:
        checks = await diagnose(venue_of(exchange), (), SOON)
        books = {c.section: c.text for c in checks if c.part == "book"}
        assert books["spot"].startswith("BTC/USDT: ")
        assert books["swap"].startswith("BTC/USDT:USDT: ")
        assert [c.part for c in checks if c.section == "futures"] == ["REST", "clock"]


async def test_a_symbol_that_is_none() -> None:
    async with OkxEmulator(*OkxEmulator.pair()) as exchange:
        with pytest.raises(SourceError, match="is no market of okx"):
            await diagnose(venue_of(exchange), ["BTC-USDT"], SOON)
        checks = await diagnose(venue_of(exchange), ["XXX/USDT"], SOON)
        assert [(c.part, c.outcome) for c in checks] == [
            ("REST", Outcome.OK),
            ("clock", Outcome.OK),
            ("REST", Outcome.REFUSED),
        ]
        assert "okx has no market 'XXX/USDT'" in checks[-1].text
