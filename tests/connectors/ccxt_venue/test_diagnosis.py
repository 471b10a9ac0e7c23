"""What is wrong on the way to an exchange of ccxt is told apart, too."""

from __future__ import annotations

import asyncio
import socket

import pytest

from connectors.ccxt_venue.diagnosis import diagnose
from connectors.ccxt_venue.feed import CcxtVenue
from connectors.live.diagnosis import Check, Outcome, Patience
from tests.emulator.ccxt_like import BadSymbol, CcxtLike, NetworkError
from tests.emulator.seeded import SeededMarket

SOON = Patience(first=0.3)


class RateLimitExceeded(NetworkError):  # noqa: N818
    """Named as ccxt's."""


async def asked(exchange: CcxtLike, *symbols: str, moves: bool = True, ahead_ms: int = 0) -> list[Check]:
    market = next(iter(exchange.known.values()))
    venue = CcxtVenue("faraway", make=lambda _options: exchange, clock=lambda: (market.now_ms - ahead_ms) * 1_000_000)

    async def moving() -> None:
        while moves:
            exchange.step(market)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(moving())
    found = await diagnose(venue, symbols, SOON)
    task.cancel()
    assert exchange.closed == 1
    return found


def faraway() -> CcxtLike:
    return CcxtLike(SeededMarket("BTC/USDT", "b", "BTC", "USDT"))


def outcomes(checks: list[Check]) -> list[tuple[str, Outcome]]:
    return [(c.part, c.outcome) for c in checks]


async def test_an_exchange_that_works() -> None:
    checks = await asked(faraway())
    assert outcomes(checks) == [(part, Outcome.OK) for part in ("REST", "clock", "book", "trades")]
    assert checks[2].text.startswith("BTC/USDT: first answer after")


async def test_nothing_comes_or_it_cannot_be_streamed() -> None:
    exchange = faraway()
    exchange.has["watchTrades"] = False
    checks = await asked(exchange, moves=False)
    assert outcomes(checks)[2:] == [("book", Outcome.SILENT), ("trades", Outcome.REFUSED)]
    assert "cannot stream" in checks[3].text


async def test_our_clock_is_off() -> None:
    checks = await asked(faraway(), ahead_ms=9_000)
    assert outcomes(checks)[1] == ("clock", Outcome.SKEWED)


async def test_a_market_that_does_not_exist() -> None:
    checks = await asked(faraway(), "XXX/USDT")
    assert outcomes(checks)[-1] == ("REST", Outcome.REFUSED)


def behind(text: str, cause: BaseException | None = None) -> NetworkError:
    """An error of ccxt with what it was made of."""
    error = NetworkError(text)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (behind("faraway GET https://x/markets 451 Unavailable For Legal Reasons {}"), Outcome.BLOCKED),
        (behind("faraway GET https://x/markets 404 Not Found {}"), Outcome.GONE),
        (behind("faraway GET https://x/markets 503 Service Unavailable {}"), Outcome.FAILING),
        (RateLimitExceeded("slow down"), Outcome.LIMITED),
        (behind("faraway GET https://x/markets", TimeoutError()), Outcome.NO_ANSWER),
        (behind("faraway GET https://x/markets", ConnectionRefusedError(111, "refused")), Outcome.NOT_LISTENING),
        (behind("something else"), Outcome.FAILING),
        (BadSymbol("no"), Outcome.REFUSED),
    ],
)
async def test_what_ccxt_hides_behind_its_errors(error: Exception, outcome: Outcome) -> None:
    exchange = faraway()
    exchange.fail["load_markets"] = [error]
    assert outcomes(await asked(exchange)) == [("REST", outcome)]
    exchange = faraway()
    exchange.fail["watch book"] = [error]
    assert ("book", outcome) in outcomes(await asked(exchange))


async def test_the_real_library_without_a_network() -> None:
    pytest.importorskip("ccxt.pro")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        root = f"http://127.0.0.1:{closed.getsockname()[1]}"
        (rest,) = await diagnose(CcxtVenue("bitstamp", root, root.replace("http", "ws")), (), SOON)
    assert (rest.part, rest.outcome) == ("REST", Outcome.NOT_LISTENING)
    (rest,) = await diagnose(CcxtVenue("bitstamp", "https://exchange.invalid", "wss://exchange.invalid"), (), SOON)
    assert rest.outcome is Outcome.NO_HOST
