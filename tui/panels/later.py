"""Panels that no default layout shows: loaded when one of them is looked at for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.panels.base import RowPanel

if TYPE_CHECKING:
    from engine.position import Position


def make(
    name: str, position_of: Callable[[str], Position | None], anchor_of: Callable[[str], int | None]
) -> RowPanel | None:
    """The panel of this id; None for one that is not made here. `position_of` a market: the user's own, and
    `anchor_of` one: where its profile is to begin."""
    match name:
        case "cost":
            from tui.panels.cost import Cost

            return Cost(id=name)
        case "risk":
            from tui.panels.risk import Risk

            return Risk(id=name, position_of=position_of)
        case "signal":
            from tui.panels.signal import Signal

            return Signal(id=name)
        case "profile":
            from tui.panels.profile import Profile

            return Profile(id=name, anchor_of=anchor_of)
        case "liquidity":
            from tui.panels.liquidity import Liquidity

            return Liquidity(id=name)
        case "members":
            from tui.panels.members import Members

            return Members(id=name)
    return None
