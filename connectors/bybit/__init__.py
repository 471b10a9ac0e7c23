"""Bybit v5: spot, linear and inverse markets, live and from recorded sessions.

The exchange's rules stand beside their checks: `messages` (the wire format), `book_rule` (order books),
`instruments` (names and grids), `rest` and `dialect` (addresses and limits).
"""
