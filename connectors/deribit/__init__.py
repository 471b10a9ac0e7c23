"""Deribit: perpetuals, futures, options and spot, live.

The exchange's rules stand beside their checks in `book_rule` (the chain of changes), `dialect` (JSON-RPC, heartbeats),
`rest` (missed trades), `instruments` (units of amounts) and `messages` (the wire format).
"""
