"""Kraken: spot markets, live.

The exchange's rules stand beside their checks in `book_rule` (the checksum of order books), `dialect` (subscriptions,
replayed trades), `rest` (missed trades) and `messages` (the wire format).
"""
