"""Ready rules by name, so that nobody must write a condition to be called.

Levels are starting points after METRICS section 5.3: what is extreme differs from market to market.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


#: The rules of each preset.
PRESETS: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "toxic-flow": tuple(_toxic(*preset) for preset in VPIN_PRESETS),
        "one-sided-flow": (
            compile_rule(
                "one-sided-flow",
                "abs(ti_z(30s)) >= 4",
                rearm="2",
                cooldown="5m",
                message="takers of the last 30 s are on one side (+ buys, - sells), far beyond chance",
            ),
        ),
        "lopsided-book": (
            compile_rule(
                "lopsided-book",
                "abs(imbalance_tw(5,3s)) >= 0.7",
                rearm="0.5",
                cooldown="5m",
                severity="info",
                message="the best 5 levels lean to one side (+ bids, - asks)",
            ),
        ),
        "expensive-book": (_expensive("buy"), _expensive("sell")),
        "stretched-price": (
            compile_rule(
                "stretched-price",
                "abs(vwap_dev(session)) >= 3",
                hold="5s",
                rearm="2",
                cooldown="30m",
                severity="info",
                message="the price is 3 standard deviations away from the session's VWAP",
            ),
        ),
    }
)
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
