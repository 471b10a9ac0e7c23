"""A believable small market for tests of the screen: seeded, and it answers a `ViewRequest` as the engine does.

market = FakeMarket(seed=3)
market.run(600)                      # 600 steps of 100 ms
view = market.view(ViewRequest(ladder_rows=30, metrics=("last", "vpin(adv/50,50)")))
overview = make_overview(view)
"""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.alert_view import AlertEvent
from engine.detail_view import HistogramRow, HistogramView
from engine.instrument import Instrument
from engine.lateness import LatencyView
from engine.metrics.cost_table import CostRow
from engine.tape import Flag
from engine.view import (
    ChannelView,
    EngineView,
    LadderRow,
    LadderView,
    MarketSummary,
    MarketView,
    Notice,
    RuleView,
    SeriesView,
    TradeView,
    ViewRequest,
)

NS = 1_000_000_000
T0 = 1_750_500_000 * NS

ETH = Instrument(
    "sim", "ETH/USDT:USDT", Decimal("0.01"), Decimal("0.001"), "linear", base="ETH", quote="USDT", simulated=True
)
BTC = Instrument("binance", "BTC/USDT", Decimal("0.01"), Decimal("0.00001"), base="BTC", quote="USDT")
ETH_COIN = Instrument(
    "binance", "ETH/USD:ETH", Decimal("0.01"), Decimal(1), "inverse", Decimal(10), base="ETH", quote="USD"
)
SHIB = Instrument("binance", "SHIB/USDT", Decimal("0.00000001"), Decimal(1), base="SHIB", quote="USDT")

#: First price, in ticks, and a usual size, in lots.
START = {ETH.market: (302_514, 900), BTC.market: (10_412_345, 40_000), ETH_COIN.market: (302_514, 120)}

RULES = (
    RuleView("toxic", "vpin(adv/500,50) >= 0.45", "inactive", 0.31, 0.45, None, 2, 0, True),
    RuleView("lean", "imbalance(5) >= 0.7 for 3s", "inactive", 0.2, 0.7, None, 1, 1, False),
)


def live(since: int = T0, last: int | None = None) -> ChannelView:
    """A channel that is LIVE."""
    return ChannelView("LIVE", "", since, 100, last)


class FakeMarket:
    """A random walk with a book around it and prints against it."""

    def __init__(self, seed: int = 1, instrument: Instrument = ETH) -> None:
        self.random = random.Random(seed)
        self.instrument = instrument
        self.mid, self.usual = START.get(instrument.market, (1_234, 500_000))
        self.t = T0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.sold: dict[int, int] = {}
        self.bought: dict[int, int] = {}
        self.trades: list[TradeView] = []
        self.events = 0
        self._fill()

    def _size(self) -> int:
        return max(1, int(self.usual * self.random.paretovariate(1.6) / 2))

    def _fill(self) -> None:
        """Every price within 200 ticks of the mid has an order, most of the time; the mid itself has none."""
        self.bids = {px: q for px, q in self.bids.items() if self.mid - 400 < px < self.mid}
        self.asks = {px: q for px, q in self.asks.items() if self.mid < px < self.mid + 400}
        for away in range(1, 200):
            for side, px in ((self.bids, self.mid - away), (self.asks, self.mid + away)):
                if px > 0 and px not in side and (away == 1 or self.random.random() < 0.8):
                    side[px] = self._size()

    def step(self, ns: int = NS // 10) -> None:
        """One step of time: some levels change, some trades print, now and then the price moves."""
        self.t += ns
        if self.random.random() < 0.3:
            self.mid = max(300, self.mid + self.random.choice((-1, 1)))
            self._fill()
        for side, sign in ((self.bids, -1), (self.asks, 1)):
            for _ in range(3):
                px = self.mid + sign * int(self.random.expovariate(0.2) + 1)
                side[px] = self._size()
                self.events += 1
        for _ in range(self.random.choice((0, 0, 1, 2, 5))):
            taker = self.random.choice((-1, 1))
            px = self.mid + taker
            qty = self._size()
            recovered = Flag.LAST | Flag.RECOVERED if self.random.random() < 0.01 else Flag.LAST
            self.trades.append(TradeView(self.t, px, qty, taker, int(recovered), self.events))
            volume = self.bought if taker > 0 else self.sold
            volume[px] = volume.get(px, 0) + qty
            self.events += 1

    def run(self, steps: int) -> FakeMarket:
        """Many steps; returns itself."""
        for _ in range(steps):
            self.step()
        return self

    # ---- what the engine would answer

    def ladder(self, request: ViewRequest) -> LadderView:
        """The rows asked for: bids rounded down into the group, asks up."""
        group, count = request.group, request.ladder_rows
        top = request.ladder_top
        if top is None:
            top = -(-self.mid // group) * group + (count // 2) * group
        prices = [top - i * group for i in range(count) if top - i * group > 0]

        def gather(levels: dict[int, int], up: bool) -> dict[int, int]:
            out: dict[int, int] = {}
            for px, qty in levels.items():
                row = -(-px // group) * group if up else px // group * group
                out[row] = out.get(row, 0) + qty
            return out

        bids, asks = gather(self.bids, False), gather(self.asks, True)
        sold, bought = gather(self.sold, False), gather(self.bought, True)
        rows = tuple(
            LadderRow(px, bids.get(px, 0), asks.get(px, 0), sold.get(px, 0), bought.get(px, 0)) for px in prices
        )
        total = {px: self.sold.get(px, 0) + self.bought.get(px, 0) for px in {*self.sold, *self.bought}}
        best_bid, best_ask = max(self.bids), min(self.asks)
        return LadderView(
            ok=True,
            group=group,
            rows=rows,
            best_bid=best_bid,
            best_ask=best_ask,
            bid_qty=self.bids[best_bid],
            ask_qty=self.asks[best_ask],
            known_low=min(self.bids),
            known_high=max(self.asks),
            poc=max(total, key=lambda px: total[px]) if total else None,
            levels_bid=len(self.bids),
            levels_ask=len(self.asks),
        )

    def series(self, step: int, columns: int) -> SeriesView:
        """Columns on the absolute grid of `step`, the newest one still open."""
        start = (self.t // step - columns + 1) * step
        price: list[float | None] = [None] * columns
        high, low, cvd, cvd_high, cvd_low = (list(price) for _ in range(5))
        buy, sell = [0.0] * columns, [0.0] * columns
        total = 0.0
        for trade in self.trades:
            amount, value = self.instrument.amount(trade.qty), self.instrument.price(trade.px)
            total += trade.side * amount
            i = (trade.t - start) // step
            if not 0 <= i < columns:
                continue
            (buy if trade.side > 0 else sell)[i] += amount
            price[i], cvd[i] = value, total
            high[i], low[i] = max(value, high[i] or value), min(value, low[i] or value)
            seen_high, seen_low = cvd_high[i], cvd_low[i]
            cvd_high[i] = total if seen_high is None else max(total, seen_high)
            cvd_low[i] = total if seen_low is None else min(total, seen_low)
        for i in range(1, columns):
            if price[i] is None:
                price[i] = high[i] = low[i] = price[i - 1]
                cvd[i] = cvd_high[i] = cvd_low[i] = cvd[i - 1]
        return SeriesView(
            step,
            start,
            tuple(price),
            tuple(high),
            tuple(low),
            tuple(cvd),
            tuple(cvd_high),
            tuple(cvd_low),
            tuple(buy),
            tuple(sell),
            (False,) * columns,
        )

    def metric(self, key: str) -> float | None:
        """A value of the size that the metric has, steady for a key and moving a little with time."""
        ladder = self.ladder(ViewRequest(ladder_rows=1))
        exact = {
            "last": self.instrument.price(self.trades[-1].px) if self.trades else None,
            "bid": self.instrument.price(ladder.best_bid or 0),
            "ask": self.instrument.price(ladder.best_ask or 0),
            "mid": self.instrument.price(self.mid),
            "spread_bps": 2e4 / self.mid,
            "cvd": self.instrument.amount(sum(trade.side * trade.qty for trade in self.trades)),
        }
        if key in exact:
            return exact[key]
        draw = random.Random(f"{key}{self.t // NS}")
        name = key.partition("(")[0]
        if name in ("imbalance", "ti", "imbalance_tw", "imbalance_decay"):
            return draw.uniform(-1, 1)
        if name in ("vpin", "vpin_pct", "vpin_null", "vpin_fill", "share"):
            return draw.random()
        if name in ("vwap", "poc", "val", "vah"):
            return self.instrument.price(self.mid + draw.randrange(-50, 50))
        if name in ("ofi", "ti_z", "vwap_dev"):
            return draw.gauss(0, 3)
        if name == "vpin_age":
            return draw.uniform(0, 300)
        if name in ("delta", "ofi_raw"):
            return draw.gauss(0, 100)
        if name in ("micro", "wmid"):
            return self.instrument.price(self.mid) * (1 + draw.gauss(0, 1e-5))
        if name in ("queue_up", "signal", "signal_auc", "brier", "turnover", "turnover_hit", "cancel_share", "jump"):
            return draw.random()
        if name in ("queue_skill", "skill", "return_skill", "vol_skill"):
            return draw.uniform(-0.02, 0.05)
        if name in ("rv", "rv_5s", "bipower", "ewma_vol", "vol_forecast", "signature"):
            return draw.uniform(0.1, 2)
        if name in ("effective_spread", "realised_spread", "markout", "kyle_bps", "amihud", "hasbrouck", "wall"):
            return draw.uniform(-3, 12)
        if name in ("depth", "capacity", "pulling", "stacking", "resting", "liquidity_half_life", "wall_size"):
            return draw.expovariate(0.001)
        if name in ("buy", "sell", "volume", "trades", "speed", "mean_size", "ratio"):
            return draw.expovariate(0.01)
        return None

    def costs(self, notionals: tuple[float, ...]) -> tuple[CostRow, ...]:
        """Slippage that grows with the size; the largest one is not filled by the known book."""
        rows = []
        for side in ("buy", "sell"):
            for size in notionals:
                fill = 1.0 if size < 5e6 else 0.4
                slip = 0.05 * size**0.4 / 10
                all_in = slip + 4.5 if fill == 1 else None
                sized = (self.instrument.market, side, size, slip, fill, self.mid, 3)
                rows.append(CostRow(*sized, 4.5, all_in, None, 1.2, 0.6, None))  # type: ignore[arg-type]
        return tuple(rows)

    def histogram(self, rows: int) -> HistogramView | None:
        """One tick a row around the mid."""
        prices = [self.mid + rows // 2 - i for i in range(rows)]
        volumes = {px: self.sold.get(px, 0) + self.bought.get(px, 0) for px in prices}
        if not any(volumes.values()):
            return None
        shown = tuple(HistogramRow(px, self.instrument.amount(volumes[px]), i % 7 // 6) for i, px in enumerate(prices))
        poc = max(volumes, key=lambda px: volumes[px])
        return HistogramView(1, shown, poc, poc - 3, poc + 3)

    def view(self, request: ViewRequest | None = None, **changes: Any) -> MarketView:
        """What the engine would hand out now; `changes` replace fields of it."""
        request = request or ViewRequest()
        shown = [trade for trade in reversed(self.trades) if trade.qty >= request.tape_min][: request.tape_rows]
        view = MarketView(
            instrument=self.instrument,
            t=self.t,
            recv=self.t + 12_000_000,
            latency=LatencyView(12.0, 30.0, 8.0),
            book=live(last=self.t),
            trades=live(last=self.t),
            ladder=self.ladder(request),
            tape=tuple(shown),
            series=self.series(request.series_step, request.series_columns),
            metrics={key: self.metric(key) for key in request.metrics},
            rules=RULES,
            events=self.events,
            holes=0,
            skipped=0,
            warmup=dict.fromkeys(
                (key for key in request.metrics if self.metric(key) is None),
                "from 30 bars on; bars without a mid left out",
            ),
            costs=self.costs(request.notionals),
            histogram=self.histogram(request.histogram_rows) if request.histogram_rows else None,
        )
        return replace(view, **changes)


def make_view(seed: int = 1, steps: int = 120, request: ViewRequest | None = None, **changes: Any) -> MarketView:
    """A view of a fresh market after some steps of 100 ms."""
    return FakeMarket(seed).run(steps).view(request, **changes)


def empty_view(instrument: Instrument = ETH, **changes: Any) -> MarketView:
    """A market of which nothing has arrived yet."""
    waiting = ChannelView("WARMING", "subscribed, no data yet", 0, 0, None)
    nothing = LadderView(False, 1, (), None, None, 0, 0, None, None)
    series = SeriesView(NS, 0, (), (), (), (), (), (), (), (), ())
    view = MarketView(instrument, 0, 0, None, waiting, waiting, nothing, (), series, {}, (), 0, 0, 0)
    return replace(view, **changes)


def summary(view: MarketView, **changes: Any) -> MarketSummary:
    """The strip's cell of a market."""
    made = MarketSummary(
        market=view.instrument.market,
        simulated=view.instrument.simulated,
        book=view.book,
        trades=view.trades,
        last=view.instrument.price(view.tape[0].px) if view.tape else None,
        digits=view.instrument.price_digits,
        delta=12.5,
        vpin=0.31,
        firing=sum(rule.state in ("firing", "clearing") for rule in view.rules),
    )
    return replace(made, **changes)


def alert(view: MarketView, kind: str = "fired", ago: int = 5, **changes: Any) -> AlertEvent:
    """An alert `ago` seconds before the market's clock."""
    t = view.t - ago * NS
    made = AlertEvent(
        kind, "toxic", view.instrument.market, "vpin(adv/500,50) >= 0.45", t, t, t - 2 * NS, 0.51, 0.45,
        "warning", True, "",
    )  # fmt: skip
    return replace(made, **changes)


def make_overview(*views: MarketView, **changes: Any) -> EngineView:
    """What is common to the markets of `views`."""
    made = EngineView(
        markets=tuple(summary(view) for view in views),
        alerts=tuple(alert(view, ago=5 + 7 * i) for i, view in enumerate(views) if view.t),
        unseen=0,
        notices=(Notice(T0, "sim", "the simulated market is no exchange"),),
        events_per_s=123.4,
        lag_ms=1.2,
    )
    return replace(made, **changes)
