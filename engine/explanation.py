"""Where a number comes from: its meaning, its window, how much of that the tape holds, and how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.detail_view import Explanation
from engine.instant import instant_text
from engine.metrics.names import MetricError, duration_text, parse_metric, usage
from engine.metrics.windows import DAY, Anchor
from engine.tape import Channel

if TYPE_CHECKING:
    from engine.market import Market
    from engine.metrics.names import Metric
    from engine.view import ChannelView


def explain(market: Market, text: str) -> Explanation | None:
    """The provenance of a metric as typed, as the market stands now; None for what is no metric."""
    try:
        metric = parse_metric(text)
    except MetricError:
        return None
    bound = market.ensure(metric)
    value = market.value(metric)
    start, window = _window(market, metric)
    since = market.counted_since(metric)
    holes: tuple[tuple[int, int], ...] = ()
    covered: float | None = None
    if bound.probe is None and start is not None and market.t:
        holes = _inside(market, start) if _needs(metric, "trades") else ()
        if start < market.t:
            first = market.t if since is None else max(start, since)
            missing = sum(min(end, market.t) - max(begin, first) for begin, end in holes if end > first)
            covered = max(0.0, (market.t - first - missing) / (market.t - start))
    return Explanation(
        metric=text,
        usage=usage(metric.spec),
        unit=metric.spec.unit,
        meaning=metric.spec.meaning,
        warmup=metric.spec.warmup,
        value=value,
        window=window,
        start=None if bound.probe is not None else start,
        since=since,
        covered=covered,
        holes=holes,
        inputs=_inputs(market, metric),
        warmed=market.warmed(metric) or "",
    )


def counting_since(market: Market, metric: Metric) -> int | None:
    """Since when a metric that was asked for under way is counted, while its window reaches further back."""
    since = market.counted_since(metric)
    if since is None or since == market.began:
        return None
    start, _ = _window(market, metric)
    return since if start is not None and start < since else None


def _window(market: Market, metric: Metric) -> tuple[int | None, str]:
    """(where the longest window of a metric begins, ns; how it is written): (None, "") for one without."""
    longest, text = 0, ""
    named = dict(zip((param.name for param in metric.spec.params), metric.args, strict=True))
    for param, value in zip(metric.spec.params, metric.args, strict=True):
        if param.kind == "metric":
            inner, inner_text = _window(market, value)
            if inner is not None and market.t - inner > longest:
                longest, text = market.t - inner, inner_text
        elif value == "session":
            return market.t // DAY * DAY, "session (UTC day)"
        elif isinstance(value, Anchor):
            return value.t, f"since {instant_text(value.t)}"
        elif value == "start":
            return market.began, "since the start"
        elif param.kind in ("window", "anchored") and isinstance(value, int):
            length, shown = value, duration_text(value)
            if param.name == "bar" and isinstance(named.get("K"), int):
                length, shown = value * named["K"], f"{named['K']} bars of {duration_text(value)}"
            if length > longest:
                longest, text = length, shown
    return (market.t - longest, text) if longest else (None, "")


def _inside(market: Market, start: int) -> tuple[tuple[int, int], ...]:
    """Stretches after `start` in which trades are known to be missing."""
    holes = market.series.holes() if market.series is not None else []
    return tuple((max(begin, start), end) for begin, end in holes if end > start)


def _needs(metric: Metric, channel: str) -> bool:
    inner = [value for param, value in zip(metric.spec.params, metric.args, strict=True) if param.kind == "metric"]
    bound = metric.spec.bind(*metric.args)
    return bool(getattr(bound, f"needs_{channel}")) or any(_needs(each, channel) for each in inner)


def _inputs(market: Market, metric: Metric) -> tuple[tuple[str, ChannelView], ...]:
    """The channels a metric stands on."""
    return tuple(
        (name, market.trust.view(channel))
        for name, channel in (("book", Channel.BOOK), ("trades", Channel.TRADES))
        if _needs(metric, name)
    )
