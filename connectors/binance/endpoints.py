"""Where Binance is, and what one may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.binance.messages import MarketType
from connectors.live import venue as live


@dataclass(frozen=True)
class Service:
    """One of the three exchanges: addresses, paths and limits."""

    rest: str
    ws: str
    api: str  # first part of every REST path
    stream: str  # path of the combined stream that carries depth and raw trades
    beside: str | None  # path of the one that carries liquidations; None: there are none
    depth_speed: str  # suffix of the fastest full-depth stream
    weight: int  # request weight allowed per minute and address
    depth_limits: tuple[tuple[int, int], ...]  # (levels of a snapshot, its weight), deepest first


SERVICES: dict[MarketType, Service] = {
    MarketType.SPOT: Service(
        rest="https://api.binance.com",
        ws="wss://stream.binance.com:9443",
        api="/api/v3",
        stream="/stream",
        beside=None,
        depth_speed="@100ms",
        weight=6_000,
        depth_limits=((5_000, 250), (1_000, 50)),
    ),
    # Since 2026-04-23 streams are routed by path: /public carries depth, bookTicker and raw trades. The bare
    # root still answers, acknowledges, and stays silent for what has moved to /market.
    MarketType.USDM: Service(
        rest="https://fapi.binance.com",
        ws="wss://fstream.binance.com",
        api="/fapi/v1",
        stream="/public/stream",
        beside="/market/stream",
        depth_speed="@100ms",
        weight=2_400,
        depth_limits=((1_000, 20),),
    ),
    MarketType.COINM: Service(
        rest="https://dapi.binance.com",
        ws="wss://dstream.binance.com",
        api="/dapi/v1",
        stream="/stream",
        beside="/stream",
        depth_speed="@100ms",
        weight=2_400,
        depth_limits=((1_000, 20),),
    ),
}


class Endpoints(live.Endpoints):
    """Addresses in use: Binance's own, or others in their place (mirrors, proxies, a local server).

    `rest` and `ws` stand for all three exchanges; `named` for one of them (`spot_rest`, `usdm_ws`, …)
    and goes before them.
    """

    def __init__(self, rest: str | None = None, ws: str | None = None, named: Mapping[str, str] | None = None) -> None:
        own = {f"{m.value}_{kind}": getattr(s, kind) for m, s in SERVICES.items() for kind in ("rest", "ws")}
        super().__init__("binance", own, rest, ws, {} if named is None else named)

    def rest_url(self, market: MarketType) -> str:
        """The root of the REST paths, such as `/depth`."""
        return self.rest(market.value) + SERVICES[market].api

    def stream_url(self, market: MarketType) -> str:
        """The address of the combined stream for depth and raw trades."""
        return self.ws(market.value) + SERVICES[market].stream

    def beside_url(self, market: MarketType) -> str:
        """The address of the combined stream for liquidations."""
        return self.ws(market.value) + (SERVICES[market].beside or SERVICES[market].stream)
