"""Which market is shown, whether the picture is held, how fast a tape plays. No widget, no engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

#: Seconds of tape a second that `slower` and `faster` step through; 0: as fast as it goes.
SPEEDS: tuple[float, ...] = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 0)


@dataclass(slots=True)
class Display:
    """The user's choices for the whole screen; what belongs to one panel is in the panel."""

    market: str | None = None
    paused_at: float | None = None  # seconds, monotonic; None: the picture runs
    anchors: dict[str, int] = field(default_factory=dict)  # by market: where its profile begins, ns

    def choose(self, markets: Sequence[str]) -> str | None:
        """The market to show: the chosen one while it exists, else the first."""
        if self.market not in markets:
            self.market = markets[0] if markets else None
        return self.market

    def step(self, markets: Sequence[str], by: int) -> bool:
        """The next (+1) or previous (-1) market, around the end; False when there is no other."""
        if len(markets) < 2:
            return False
        chosen = self.choose(markets)
        self.market = markets[([*markets].index(chosen) + by) % len(markets)] if chosen is not None else None
        return True

    def second(self, markets: Sequence[str]) -> str | None:
        """The market a wide screen shows beside the chosen one: the next in order."""
        chosen = self.choose(markets)
        if len(markets) < 2 or chosen is None:
            return None
        return markets[([*markets].index(chosen) + 1) % len(markets)]


def next_speed(speed: float, by: int) -> float:
    """The next faster (+1) or slower (-1) speed of the scale; as fast as it goes (0) is the fastest."""
    order = [value or float("inf") for value in SPEEDS]
    now = speed or float("inf")
    if by > 0:
        faster = next((value for value in order if value > now), order[-1])
    else:
        faster = next((value for value in reversed(order) if value < now), order[0])
    return 0.0 if faster == float("inf") else faster
