"""The engine's runtime as the screen sees it (`tui.monitor.Monitor`): pictures, rules, names of metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.alert_view import AlertEvent, EvidenceView, RulePreview
from engine.alerts.condition import ConditionError
from engine.alerts.language import parse_condition, parse_quantity
from engine.alerts.lookback import preview_of, value_of
from engine.alerts.presets import CATALOGUE, preset_rules, reserved
from engine.alerts.rule import Rule, compile_rule
from engine.explanation import explain
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.registry import SPECS, listing

if TYPE_CHECKING:
    from connectors.replay import Playback
    from engine.alerts.quantity import Quantity
    from engine.detail_view import Explanation
    from engine.runtime import Runtime
    from engine.view import EngineView, MarketView, ViewRequest
    from tui.monitor import AlertFields

#: Metrics are read no oftener than this: no panel of numbers looks at them more than five times a second, and
#: reading all of them takes longer than all else in a picture.
METRICS_S = 0.19
#: How a metric whose arguments have no defaults may be typed.
_EXAMPLES = {
    "metric": "spread_bps",
    "W": "30s",
    "L": "5",
    "X": "10bps",
    "side": "bid",
    "N": "100k",
    "V": "adv/50",
    "n": "50",
    "k": "2",
}


def rule_of(fields: AlertFields) -> Rule:
    """A rule as watched from a rule as written. Raises ConditionError."""
    return compile_rule(
        fields.name,
        fields.when,
        fields.on,
        fields.for_,
        fields.rearm,
        fields.cooldown,
        fields.severity,
        fields.message,
        keep_firing_for=fields.keep_firing_for,
        repeat=fields.repeat,
        stale_after=fields.stale_after,
        expires=fields.expires,
    )


class Session:
    """One run of the monitor: `run()` starts the engine on the app's event loop."""

    def __init__(
        self,
        runtime: Runtime,
        asked: Sequence[str],
        playback: Playback | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        #: market -> when its numbers were read, what was asked for, and that picture
        self._held: dict[str, tuple[float, ViewRequest, MarketView]] = {}
        self._asked = tuple(asked)
        self._player = playback
        self.playback = playback

    async def run(self) -> None:
        """Run the engine until it is cancelled; a replay stays for seeking after its end."""
        await self._runtime.run()
        await asyncio.Event().wait()  # feeds that ended leave their last picture on the screen

    def markets(self) -> Sequence[str]:
        """See Monitor."""
        known = self._runtime.markets
        return (*self._asked, *(name for name in known if name not in self._asked))

    def received(self) -> dict[str, int | None]:
        """When the newest row of each market that was asked for was received, ns; None: there is none yet."""
        opened = ((name, self._runtime.markets.get(name)) for name in self._asked)
        return {name: None if market is None else market.recv or None for name, market in opened}

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        """See Monitor. Numbers are read anew five times a second; book, tape and charts at every call."""
        now = self._clock()
        at, asked, held = self._held.get(market, (0.0, request, None))
        if held is not None and now - at < METRICS_S and _numbers(request, asked):
            view = self._runtime.view(
                market, replace(request, metrics=(), notionals=(), histogram_rows=0, anchor=None, position=None)
            )
            # An earlier time or another instrument: the tape began anew.
            if view is not None and view.t >= held.t and view.instrument is held.instrument:
                return replace(
                    view,
                    metrics={key: held.metrics[key] for key in request.metrics},
                    warmed=held.warmed,
                    warmup=held.warmup,
                    since=held.since,
                    costs=held.costs,
                    fees=held.fees,
                    histogram=held.histogram,
                    position=held.position,
                )
        view = self._runtime.view(market, request)
        if view is not None:
            self._held[market] = now, request, view
        return view

    def overview(self) -> EngineView:
        """See Monitor."""
        picture = self._runtime.overview()
        return picture if self._player is None else replace(picture, playing=self._player.view())

    def acknowledge(self) -> None:
        """See Monitor."""
        self._runtime.acknowledge()

    def watch_rules(self, presets: Sequence[str], own: Sequence[AlertFields]) -> None:
        """See Monitor."""
        rules = [rule_of(fields) for fields in own]
        names = [rule.name for rule in rules]
        for name in names:
            if (taken := reserved(name)) is not None:
                raise ConditionError(f"name: {taken}")
            if names.count(name) > 1:
                raise ConditionError(f"name: there is an alert {name!r} already")
        self._runtime.set_rules((*preset_rules(presets), *rules))

    def presets(self) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
        """See Monitor."""
        return [(n, each.line, [(rule.name, rule.when) for rule in each.rules]) for n, each in CATALOGUE.items()]

    def preview(self, market: str, measured: str, rule: AlertFields | None) -> RulePreview:
        """See Monitor."""
        found, lookback = self._runtime.markets.get(market), self._runtime.lookback(market)
        if found is None or lookback is None:
            return RulePreview(None, problem="there is no such market on the screen")
        quantity: Quantity | None = None
        value = None
        with suppress(ConditionError):
            quantity = parse_quantity(measured) if measured else None
            value = None if quantity is None else value_of(found, quantity)
        problem, compiled = "", None
        if rule is not None:
            try:
                compiled = rule_of(rule)
            except ConditionError as error:
                problem = str(error)
        return replace(preview_of(lookback, value, quantity, compiled), problem=problem)

    def level_at(self, market: str, measured: str, share: float) -> float | None:
        """See Monitor."""
        lookback = self._runtime.lookback(market)
        with suppress(ConditionError):
            return None if lookback is None else lookback.quantile(parse_quantity(measured), share)
        return None

    def evidence(self, episode: str) -> EvidenceView | None:
        """See Monitor."""
        return self._runtime.evidence(episode)

    def snooze(self, rule: str, market: str, seconds: float) -> None:
        """See Monitor."""
        self._runtime.snooze(rule, market, round(seconds * 1e9))

    def mute(self, muted: bool) -> None:
        """See Monitor."""
        self._runtime.mute(muted)

    def check_rule(self, when: str) -> str | None:
        """See Monitor."""
        try:
            parse_condition(when)
        except ConditionError as error:
            return str(error)
        return None

    def metric_value(self, market: str, metric: str) -> float | None:
        """See Monitor."""
        found = self._runtime.markets.get(market)
        try:
            return None if found is None else found.value(parse_metric(metric))
        except MetricError:
            return None

    def explain(self, market: str, metric: str) -> Explanation | None:
        """See Monitor."""
        found = self._runtime.markets.get(market)
        return None if found is None else explain(found, metric)

    def metric_names(self) -> Sequence[tuple[str, str, str]]:
        """See Monitor."""
        return [(example(name), row.unit, row.meaning) for name, row in zip(SPECS, listing(), strict=True)]

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """See Monitor."""
        self._runtime.listen(callback)


def _numbers(request: ViewRequest, asked: ViewRequest) -> bool:
    """Whether a picture that was asked for holds the numbers of another request."""
    return set(request.metrics) <= set(asked.metrics) and (
        (request.notionals, request.histogram_rows, request.anchor, request.position)
        == (asked.notionals, asked.histogram_rows, asked.anchor, asked.position)
    )


def example(name: str) -> str:
    """A metric as one would type it: its name with the defaults, or plausible arguments."""
    params = SPECS[name].params
    texts = [param.default if param.default is not None else _EXAMPLES.get(param.name, "1") for param in params]
    return f"{name}({','.join(texts)})" if texts else name
