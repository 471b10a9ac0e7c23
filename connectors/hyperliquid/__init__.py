"""Hyperliquid: perpetuals and spot, live and from recordings.

The venue's rules stand beside their checks: `messages` (the wire format), `book_rule` (order books), `instruments`
(names and grids), `rest` and `dialect` (addresses and limits).
"""
