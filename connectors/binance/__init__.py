"""Binance: spot, USDⓈ-M and COIN-M futures, live.

The exchange's rules stand beside their checks in `depth_sync` (order books), `rest` and `endpoints` (addresses and
limits) and `messages` (the wire format, also of captures).
"""

from connectors.binance.endpoints import Endpoints
from connectors.binance.feed import Binance, BinanceFeed

__all__ = ["Binance", "BinanceFeed", "Endpoints"]
