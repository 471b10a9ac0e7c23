"""Layouts by name: which panels stand in which column. Where exactly is `tui.layout`'s part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Every panel a layout may name. The last two show a second market; they appear on wide screens only.
PANEL_IDS: tuple[str, ...] = (
    "ladder", "cvd", "imbalance", "toxicity", "flow", "alerts", "tape",
    "cost", "risk", "signal", "profile", "liquidity", "members", "ladder2", "cvd2",
)  # fmt: skip
SECOND: tuple[str, ...] = ("ladder2", "cvd2")
MOST_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One layout. Columns from left to right, in each the most wanted panel first."""

    name: str
    columns: tuple[tuple[str, ...], ...]

    @property
    def first(self) -> str:
        """The panel that even the smallest screen shows."""
        return self.columns[0][0]

    @property
    def panels(self) -> tuple[str, ...]:
        """All panels of the one market that is looked at."""
        return tuple(panel for column in self.columns for panel in column if panel not in SECOND)

    @property
    def beside(self) -> str:
        """The panel that a small screen shows beside the first one; that one itself when there is no other."""
        return next(
            (panel for column in self.columns[1:] for panel in column), self.panels[min(1, len(self.panels) - 1)]
        )

    def with_beside(self, panel: str) -> Arrangement:
        """The same with `panel` as the one beside the first: it moves, or comes, to the head of the second column."""
        if panel in (self.first, self.beside):
            return self
        rest = [tuple(each for each in column if each != panel) for column in self.columns]
        second = (panel, *(rest[1] if len(rest) > 1 else ()))
        return Arrangement(self.name, tuple(column for column in (rest[0], second, *rest[2:]) if column))


DEFAULT = Arrangement(
    "default",
    (("ladder",), ("cvd", "imbalance", "flow", "cvd2"), ("toxicity", "alerts", "ladder2"), ("tape",)),
)
BUILT_IN: Mapping[str, Arrangement] = {
    each.name: each
    for each in (
        DEFAULT,
        Arrangement("scalp", (("ladder",), ("cvd", "signal"), ("liquidity", "tape"))),
        Arrangement("toxicity", (("ladder",), ("toxicity", "cvd"), ("flow", "alerts", "tape"))),
        Arrangement("cost", (("ladder",), ("cost", "liquidity"), ("profile", "tape"))),
        Arrangement("risk", (("ladder",), ("risk", "cvd"), ("cost", "alerts"))),
    )
}


def columns_problem(columns: Sequence[Sequence[str]]) -> str | None:
    """What keeps `columns` from being a layout, None when nothing does. Names must be known already."""
    if not 1 <= len(columns) <= MOST_COLUMNS:
        return f"a layout has 1 to {MOST_COLUMNS} columns, not {len(columns)}"
    if any(not column for column in columns):
        return "a column without panels"
    panels = [panel for column in columns for panel in column]
    twice = next((panel for panel in panels if panels.count(panel) > 1), None)
    if twice is not None:
        return f'"{twice}" stands in it twice'
    if columns[0][0] in SECOND:
        return f'"{columns[0][0]}" can\'t come first: small screens do not show it'
    return None


def all_layouts(own: Mapping[str, Iterable[Iterable[str]]]) -> dict[str, Arrangement]:
    """The built-in layouts and the user's, which come after them and replace those of the same name."""
    layouts = dict(BUILT_IN)
    for name, columns in own.items():
        layouts[name] = Arrangement(name, tuple(tuple(column) for column in columns))
    return layouts
