"""Where Binance is, and what one may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.binance.messages import MarketType
from engine.feed import SourceError


@dataclass(frozen=True)
class Service:
    """One of the three exchanges: addresses, paths and limits."""

    rest: str
    ws: str
    api: str  # first part of every REST path
    stream: str  # path of the combined stream that carries depth and raw trades
    depth_speed: str  # suffix of the fastest full-depth stream
    weight: int  # request weight allowed per minute and address
    depth_limits: tuple[tuple[int, int], ...]  # (levels of a snapshot, its weight), deepest first


SERVICES: dict[MarketType, Service] = {
    MarketType.SPOT: Service(
        rest="https://api.binance.com",
        ws="wss://stream.binance.com:9443",
        api="/api/v3",
        stream="/stream",
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
        depth_speed="@100ms",
        weight=2_400,
        depth_limits=((1_000, 20),),
    ),
    MarketType.COINM: Service(
        rest="https://dapi.binance.com",
        ws="wss://dstream.binance.com",
        api="/dapi/v1",
        stream="/stream",
        depth_speed="@100ms",
        weight=2_400,
        depth_limits=((1_000, 20),),
    ),
}


@dataclass(frozen=True)
class Endpoints:
    """Addresses in use: Binance's own, or others in their place (mirrors, proxies, a local server).

    `rest` and `ws` stand for all three exchanges; `named` for one of them (`spot_rest`, `usdm_ws`, …)
    and goes before them.
    """

    rest: str | None = None
    ws: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        valid = [f"{m.value}_{kind}" for m in MarketType for kind in ("rest", "ws")]
        for name in self.named:
            if name not in valid:
                raise SourceError(f"binance has no endpoint {name[:40]!r}; there are {', '.join(valid)}")

    def rest_url(self, market: MarketType, path: str) -> str:
        """The address of a REST path such as `/depth`."""
        service = SERVICES[market]
        root = self.named.get(f"{market.value}_rest") or self.rest or service.rest
        return root.rstrip("/") + service.api + path

    def stream_url(self, market: MarketType) -> str:
        """The address of the combined stream for depth and raw trades."""
        service = SERVICES[market]
        root = self.named.get(f"{market.value}_ws") or self.ws or service.ws
        return root.rstrip("/") + service.stream
