"""The engine's runtime as the screen sees it (`tui.monitor.Monitor`): pictures, rules, names of metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from connectors.replay import Playback
from engine.alerts.condition import ConditionError
from engine.alerts.language import parse_condition
from engine.alerts.presets import reserved
from engine.alerts.rule import Rule, compile_rule
from engine.explanation import explain
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.registry import SPECS, listing
from engine.runtime import Runtime
from engine.view import AlertEvent, EngineView, Explanation, MarketView, ViewRequest
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


def rule_of(fields: AlertFields, message: str | None = None) -> Rule:
    """A rule as watched from a rule as written. Raises ConditionError."""
    return compile_rule(
        fields.name, fields.when, fields.on, fields.for_, fields.rearm, fields.cooldown, fields.severity, message
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

    def add_rule(self, rule: AlertFields) -> None:
        """See Monitor."""
        compiled = rule_of(rule)
        if (taken := reserved(compiled.name)) is not None:
            raise ConditionError(f"name: {taken}")
        if any(other.name == compiled.name for other in self._runtime.rules):
            raise ConditionError(f"name: there is already a rule {compiled.name!r}")
        self._runtime.set_rules((*self._runtime.rules, compiled))

    def remove_rule(self, name: str) -> None:
        """See Monitor."""
        self._runtime.set_rules([rule for rule in self._runtime.rules if rule.name != name])

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
