"""A `Monitor` for tests of the screen: seeded markets that stand still until they are told to move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.alert_view import AlertEvent, EvidenceTrade, EvidenceView, RulePreview, Spread
from engine.detail_view import Explanation
from engine.instrument import Instrument
from engine.view import EngineView, MarketView, Notice, PlayView, ViewRequest
from tests.tui.views import BTC, ETH, ETH_COIN, NS, RULES, T0, FakeMarket, alert, make_overview
from tui.app import AppOptions, FlowtapeApp
from tui.monitor import AlertFields, Playback
from tui.session import rule_of

METRICS: tuple[tuple[str, str, str], ...] = (
    ("last", "price", "price of the last trade"),
    ("mid", "price", "middle of best bid and best ask"),
    ("spread_bps", "bps", "spread over the mid"),
    ("delta(60s)", "base", "taker buys minus taker sells within the window"),
    ("cvd", "base", "cumulative delta of the session"),
    ("imbalance(5)", "ratio", "bids minus asks over both, best five levels a side"),
    ("imbalance(10bps)", "ratio", "bids minus asks over both, within a band around the mid"),
    ("ti(30s)", "ratio", "trade imbalance of the window"),
    ("ofi(10s)", "base", "order-flow imbalance at the best prices"),
    ("vpin(adv/50,50)", "ratio", "volume-synchronised probability of informed trading"),
    ("vpin_pct(adv/50,50)", "ratio", "where VPIN stands in its own history"),
    ("slip(buy,100000)", "bps", "price paid over the mid by a market order of this size"),
)


class FakePlayback:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.state = PlayView(T0, T0 + 600 * NS, T0 + 60 * NS, 1.0, False, False)

    def pause(self) -> None:
        self.state = replace(self.state, paused=True)

    def resume(self) -> None:
        self.state = replace(self.state, paused=False)

    def set_speed(self, speed: float) -> None:
        self.state = replace(self.state, speed=speed)

    def seek(self, t_ns: int) -> None:
        self.state = replace(self.state, t=t_ns)


class FakeMonitor:
    """Answers as the engine does. `step` moves all markets."""

    playback: Playback | None

    def __init__(self, instruments: Sequence[Instrument] = (ETH, BTC, ETH_COIN), steps: int = 300) -> None:
        self.feeds = {i.market: FakeMarket(seed, i).run(steps) for seed, i in enumerate(instruments, 1)}
        self.rules = {rule.rule: rule for rule in RULES}
        self.added: list[AlertFields] = []
        self.presets_on: tuple[str, ...] = ()
        self.refuses: str | None = None
        self.snoozed: list[tuple[str, str, float]] = []
        self.muted = False
        self.acknowledged = 0
        self.unseen = 2
        self.listeners: list[Callable[[AlertEvent], None]] = []
        self.requests: list[tuple[str, ViewRequest]] = []
        self.notices: tuple[Notice, ...] = ()
        self.playback = None
        self.fails: Exception | None = None

    def step(self, steps: int = 1) -> None:
        for market in self.feeds.values():
            market.run(steps)

    def fire(self, **changes: object) -> AlertEvent:
        """An alert, told to those who listen."""
        event = alert(next(iter(self.feeds.values())).view(), **changes)  # type: ignore[arg-type]
        for listener in self.listeners:
            listener(event)
        return event

    # ---- Monitor

    def markets(self) -> Sequence[str]:
        return tuple(self.feeds)

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        if self.fails is not None:
            raise self.fails
        self.requests.append((market, request))
        return self.feeds[market].view(request)

    def overview(self) -> EngineView:
        playing = self.playback.state if isinstance(self.playback, FakePlayback) else None
        views = [feed.view(ViewRequest(1, tape_rows=1, series_columns=1)) for feed in self.feeds.values()]
        return make_overview(*views, unseen=self.unseen, notices=self.notices, playing=playing, muted=self.muted)

    def acknowledge(self) -> None:
        self.acknowledged += 1
        self.unseen = 0

    def watch_rules(self, presets: Sequence[str], own: Sequence[AlertFields]) -> None:
        for fields in own:
            rule_of(fields)
        if self.refuses is not None:
            raise ValueError(self.refuses)
        self.presets_on, self.added = tuple(presets), list(own)

    def presets(self) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
        return (
            ("toxic-flow", "VPIN is as high as almost never", (("toxic", "vpin(adv/500,50) >= 0.45"),)),
            ("drawdown", "the price is 3 % below its high of the last hour", (("drawdown", "drawdown(1h) >= 3%"),)),
        )

    def preview(self, market: str, measured: str, rule: AlertFields | None) -> RulePreview:
        spread = None
        if measured:
            quantiles = ((0.01, -0.9), (0.5, 0.125), (0.99, 0.9))
            spread = Spread("ratio", 2700 * NS, quantiles, -1.0, 1.0, (1, 3, 9, 20, 31, 20, 9, 3, 1))
        if rule is None:
            return RulePreview(self.metric_value(market, measured), spread)
        try:
            rule_of(rule)
        except ValueError as error:
            return RulePreview(None, problem=str(error))
        return RulePreview(None, None, 2700 * NS, 3, 1, 12 * NS, 96.0)

    def level_at(self, market: str, measured: str, share: float) -> float | None:
        return None if not measured else 2 * share - 1

    def evidence(self, episode: str) -> EvidenceView | None:
        found = next((event for event in self.overview().alerts if event.episode == episode), None)
        if found is None:
            return None
        instrument = self.feeds[found.market].instrument
        trades = tuple(
            EvidenceTrade(found.t + i * NS, instrument.ticks("3000.00") + i, 1000 * (i % 5 + 1), 1 if i % 3 else -1)
            for i in range(-59, 61, 2)
        )
        return EvidenceView(found, (found,), instrument, trades, 7, 0, True)

    def snooze(self, rule: str, market: str, seconds: float) -> None:
        self.snoozed.append((rule, market, seconds))

    def mute(self, muted: bool) -> None:
        self.muted = muted

    def check_rule(self, when: str) -> str | None:
        name = when.partition("(")[0].split()[0]
        known = {example.partition("(")[0] for example, _, _ in METRICS}
        return None if name in known else f"unknown metric {name!r}, did you mean 'imbalance'?"

    def metric_value(self, market: str, metric: str) -> float | None:
        return self.feeds[market].metric(metric)

    def explain(self, market: str, metric: str) -> Explanation | None:
        view = self.feeds[market].view()
        meaning, warmup = f"what {metric} means", "from the first trade on"
        return Explanation(
            metric, metric, "base", meaning, warmup, 12.5, "60s", view.t - 60 * NS, view.t - 30 * NS, 0.5,
            ((view.t - 9 * NS, view.t - 8 * NS),), (("trades", view.trades),), "",
        )  # fmt: skip

    def metric_names(self) -> Sequence[tuple[str, str, str]]:
        return METRICS

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        self.listeners.append(callback)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_app(monitor: FakeMonitor | None = None, **options: object) -> FlowtapeApp:
    """An app on a fake monitor that draws no frame by itself."""
    chosen = {"fps": 0.0, "clock": Clock(), "wall": lambda: T0, "freeze": False} | options
    return FlowtapeApp(monitor or FakeMonitor(), options=AppOptions(**chosen))  # type: ignore[arg-type]
