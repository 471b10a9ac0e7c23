"""Binance: spot, USDⓈ-M futures, and the wire format of COIN-M futures."""
