"""Ready rules by name, so that nobody must write a condition to be called.

Levels are starting points after METRICS section 5.3: what is extreme differs from market to market.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from engine.alerts.rule import Rule, compile_rule
from engine.metrics.vpin import PRESETS as VPIN_PRESETS


def _toxic(speed: str, size: str, buckets: int) -> Rule:
    return compile_rule(
        f"toxic-flow {speed}",
        f"vpin_pct({size},{buckets}) >= 0.99",
        rearm="0.90",
        cooldown="30m",
        severity="high",
        message=f"VPIN ({speed}) is as high as almost never in its own history: flow is one-sided",
    )


def _expensive(side: str) -> Rule:
    return compile_rule(
        f"expensive-book {side}",
        f"slip({side},100k) > 10bps",
        hold="5s",
        rearm="7bps",
        cooldown="5m",
        message=f"a market order to {side} for 100k of quote currency would cost more than 10 bps",
    )


def _thin(side: str) -> Rule:
    return compile_rule(
        f"thin-book {side}",
        f"depth({side},10bps) < 30% * median(depth({side},10bps),1d)",
        hold="5s",
        rearm=f"50% * median(depth({side},10bps),1d)",
        cooldown="10m",
        message=f"within 10 bps of the mid the {side} side holds {{value}}, less than 30 % of what it usually does",
    )


@dataclass(frozen=True)
class Preset:
    """Rules that go together."""

    line: str  # what it tells, for lists
    rules: tuple[Rule, ...]


def _one(line: str, name: str, when: str, **more: str) -> Preset:
    return Preset(line, (compile_rule(name, when, **more),))


#: The presets by name.
CATALOGUE: Mapping[str, Preset] = MappingProxyType(
    {
        "toxic-flow": Preset(
            "VPIN at one of its three speeds is as high as almost never in its own history",
            tuple(_toxic(*preset) for preset in VPIN_PRESETS),
        ),
        "one-sided-flow": _one(
            "takers of the last 30 s are on one side, far beyond chance",
            "one-sided-flow",
            "abs(ti_z(30s)) >= 4 and trades(30s) >= 30",
            rearm="2",
            cooldown="5m",
            message="takers of the last 30 s are on one side (+ buys, - sells), far beyond chance",
        ),
        "order-flow-pressure": _one(
            "order-flow imbalance at the best prices is extreme against the last hour",
            "order-flow-pressure",
            "abs(z(ofi(10s),1h)) >= 4",
            hold="1s",
            rearm="2",
            cooldown="5m",
            message="order-flow imbalance is {value} standard deviations from its mean of an hour (+ up, - down)",
        ),
        "lopsided-book": _one(
            "the best 5 levels lean to one side for seconds",
            "lopsided-book",
            "abs(imbalance_tw(5,3s)) >= 0.7",
            rearm="0.5",
            cooldown="5m",
            severity="info",
            message="the best 5 levels lean to one side (+ bids, - asks)",
        ),
        "expensive-book": Preset(
            "a market order for 100k of quote currency would cost more than 10 bps",
            (_expensive("buy"), _expensive("sell")),
        ),
        "thin-book": Preset(
            "the book within 10 bps holds less than 30 % of what it usually does", (_thin("bid"), _thin("ask"))
        ),
        "wide-spread": _one(
            "the spread is three times its median of a day",
            "wide-spread",
            "spread_bps > 3 * median(spread_bps,1d)",
            hold="2s",
            rearm="2 * median(spread_bps,1d)",
            cooldown="5m",
            message="the spread is {value} bps, more than three times its median of a day",
        ),
        "unusual-volume": _one(
            "much more is traded than at this time of other days",
            "unusual-volume",
            "volume_z >= 4",
            rearm="2",
            cooldown="30m",
            message="volume is {value} robust deviations above this time of other days",
        ),
        "volatility-burst": _one(
            "volatility of the last minute is three times that of the last hour",
            "volatility-burst",
            "rv(1m) / rv(1h) >= 3",
            rearm="2",
            cooldown="15m",
            message="volatility of the last minute is {value} times that of the last hour",
        ),
        "drawdown": _one(
            "the price is 3 % below its high of the last hour",
            "drawdown",
            "drawdown(1h) >= 3%",
            rearm="2%",
            cooldown="30m",
            severity="high",
            message="the price is 3 % or more below its high of the last hour",
        ),
        "big-sweep": _one(
            "one taker took more at once than almost any in a day",
            "big-sweep",
            "pct(sweep(5s),1d) >= 99.9%",
            rearm="99%",
            cooldown="1m",
            severity="info",
            message="one taker took more at once than 99.9 % of the largest of any 5 s of a day",
        ),
        "stretched-price": _one(
            "the price is 3 standard deviations away from the session's VWAP",
            "stretched-price",
            "abs(vwap_dev(session)) >= 3",
            hold="5s",
            rearm="2",
            cooldown="30m",
            severity="info",
            message="the price is 3 standard deviations away from the session's VWAP",
        ),
        "silent-feed": _one(
            "neither trades nor book have been heard of for 5 s",
            "silent-feed",
            "feed absent for 5s",
            cooldown="1m",
            severity="high",
            message="neither trades nor book have been heard of for 5 s (trades {trades}, book {book})",
        ),
    }
)
#: The rules of each preset.
PRESETS: Mapping[str, tuple[Rule, ...]] = MappingProxyType({name: each.rules for name, each in CATALOGUE.items()})
#: Names that rules of users cannot have.
RESERVED: Mapping[str, str] = MappingProxyType(
    {rule.name: preset for preset, rules in PRESETS.items() for rule in rules}
)


def preset_rules(names: Sequence[str]) -> list[Rule]:
    """The rules of these presets, each once. Raises KeyError for a name that is not in PRESETS."""
    return [rule for name in dict.fromkeys(names) for rule in PRESETS[name]]


def reserved(name: str) -> str | None:
    """What is wrong with `name` for a rule of the user's: a preset has it, whether or not it is on."""
    preset = RESERVED.get(name)
    return None if preset is None else f"{name!r} is a rule of the preset {preset!r}; choose another name"
