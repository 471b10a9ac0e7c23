"""Taker sides told from prices: the tick rule and Lee and Ready's. METRICS 1.17.

For trades without a side; where venues tell it, the share of trades on which a rule agrees is a gauge of the
data (joined trades and books, order of arrival) and of how far a rule can be trusted on this market.
Lee & Ready, Journal of Finance 46(2):733-746, 1991; no 5 s lag, which belonged to the trading floor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats, Quotes, Trades
from engine.metrics.calculator import State
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Sums, check_state, to_floats
from engine.tape import Ints

#: `tick`: sign of the last price change other than 0; `lee-ready`: above or below the mid in force before the
#: trade, at the mid or without one by the tick rule.
RULES: Final = ("tick", "lee-ready")


class TickRule:
    """Sign of the last trade-price change other than 0; 0 before the first."""

    def __init__(self) -> None:
        self._price: int | None = None
        self._sign = 0

    def signs(self, px: Ints) -> Ints:
        """One sign per trade price (ticks, in arrival order), int64, shape (n,)."""
        if not len(px):
            return np.empty(0, np.int64)
        change = np.sign(np.diff(px, prepend=px[0] if self._price is None else self._price))
        known = np.concatenate(([self._sign], change))
        moved = np.where(known != 0, np.arange(len(known)), 0)
        signs: Ints = known[np.maximum.accumulate(moved)][1:]
        self._price, self._sign = int(px[-1]), int(signs[-1])
        return signs

    def state(self) -> State:
        return {"kind": "tick rule", "version": 1, "price": self._price, "sign": self._sign}

    def restore(self, state: State) -> None:
        check_state(state, "tick rule", 1)
        self._price, self._sign = state["price"], state["sign"]


class TradeSigner:
    """Sides of the trades of a market by one of `RULES`, batch by batch."""

    def __init__(self, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f"a signing rule is one of {', '.join(RULES)}, not {rule!r}")
        self._rule = rule
        self._ticks = TickRule()
        self._mid = PrevailingMid()

    def signs(self, trades: Trades, quotes: Quotes) -> Ints:
        """+1, -1, or 0 (not told yet) per trade of a batch, int64, shape (n,); carries on what follows need."""
        signs = self._ticks.signs(trades.px)
        if self._rule == "tick":
            return signs
        mids = self._mid.extend(quotes)
        if not len(trades):
            return signs
        mid = mids.twice[mids.met(trades.seq)]
        beside = np.where(mid > 0, np.sign(2 * trades.px - mid), 0)
        told: Ints = np.where(beside != 0, beside, signs)
        return told

    def signed(self, trades: Trades, quotes: Quotes) -> Trades:
        """The trades of a batch, those of unknown side with the rule's; sides that the venue told stay."""
        signs = self.signs(trades, quotes)
        return replace(trades, side=np.where(trades.side != 0, trades.side, signs))

    def state(self) -> State:
        return {
            "kind": "trade signer",
            "version": 1,
            "rule": self._rule,
            "ticks": self._ticks.state(),
            "mid": self._mid.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "trade signer", 1)
        if state["rule"] != self._rule:
            raise ValueError(f"state of the rule {state['rule']!r}, not {self._rule!r}")
        self._ticks.restore(state["ticks"])
        self._mid.restore(state["mid"])


class SignAgreement:
    """Share of the trades of known side that a rule signs alike. Fields are windows in ns."""

    def __init__(self, rule: str) -> None:
        self._signer = TradeSigner(rule)
        self._sums = Sums(2)  # trades of known side, those that agree
        self._longest = 0

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        if not len(trades) and not len(batch.quotes):
            return
        signs = self._signer.signs(trades, batch.quotes)
        told = trades.side != 0
        if told.any():
            one = np.ones(int(told.sum()), np.int64)
            agree = (signs == trades.side)[told].astype(np.int64)
            self._sums.append(trades.t[told], (one, agree), (len(one), len(one)))

    def sample(self, field: str, times: Ints) -> Floats:
        span = int(field)
        self._longest = max(self._longest, span)
        out = np.full(len(times), np.nan)
        known = self._sums.known(times)
        if known.any():
            window = self._sums.window(times[known], span)
            with np.errstate(invalid="ignore"):
                out[known] = to_floats(window.sum(1)) / to_floats(window.sum(0))
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "sign agreement",
            "version": 1,
            "signer": self._signer.state(),
            "sums": self._sums.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "sign agreement", 1)
        self._signer.restore(state["signer"])
        self._sums.restore(state["sums"])
        self._longest = max(self._longest, state["longest"])


def _bind(rule: str, window: int) -> Bound:
    return Bound(
        share=("sign_agreement", rule),
        make=lambda context: SignAgreement(rule),
        field=str(window),
        needs_trades=True,
        needs_book=rule != "tick",
    )


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="sign_agreement",
        params=(
            Param("rule", f"choice:{'|'.join(RULES)}", "lee-ready", "how trades are signed from prices"),
            Param("W", "window", "1h", "look back over (t - W, t]"),
        ),
        unit="ratio",
        meaning="share (0..1) of the trades of known taker side whose side the rule tells right; a trade that it "
        "can't sign yet counts as wrong; a gauge of the data",
        warmup="from the first trade of known side on; null while there is none in the window",
        bind=_bind,
        group="flow",
    ),
)
