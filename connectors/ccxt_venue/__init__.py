"""Every exchange without a connector of its own, through ccxt's unified methods.

ccxt checks the sequence of few venues, so a book that comes through it is shown as UNVERIFIABLE; trades are told apart
by their ids, and after an interruption what is missing is fetched as far as the exchange gives it, else a hole.
"""
