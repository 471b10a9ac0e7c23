"""A table of a study: what a person reads, and what `--json` prints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """One result. Each row has one cell per column; None and NaN mean that the value is not known.

    `reading` is one line: how many observations, whether it explains or predicts, what it does not show.
    """

    key: str  # a stable name for scripts
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    reading: str

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"the rows of table {self.key!r} do not have its {len(self.columns)} columns")

    def plain(self) -> dict[str, object]:
        """For JSON: values that are not finite become None."""
        rows = [
            [None if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row] for row in self.rows
        ]
        return {"title": self.title, "columns": list(self.columns), "rows": rows, "reading": self.reading}


def minute(t: int) -> str:
    """A time (ns) to the minute, UTC."""
    return datetime.fromtimestamp(t // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def second(t: int) -> str:
    """A time (ns) to the second, UTC."""
    return datetime.fromtimestamp(t // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
