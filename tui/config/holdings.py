"""The positions a user has entered, by market, kept in the state folder between runs.

They are for reckoning only: nothing here talks to an exchange.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.config.problems import ConfigError

if TYPE_CHECKING:
    from engine.position import Position

_MOST_BYTES = 1 << 20
_FIELDS = ("size", "entry", "margin", "maintenance", "inverse")


class Holdings:
    """At most one position a market. `problem`: why what is stored could not be used, in words; else None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._tables: dict[str, dict[str, Any]] = {}
        self.problem: str | None = None
        if path is None or not path.exists():
            return
        import json  # only when there is something to read: this runs before the first frame

        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError("larger than 1 MiB")
            stored = json.loads(path.read_text("utf-8"))
            if not isinstance(stored, dict) or not all(isinstance(table, dict) for table in stored.values()):
                raise ValueError("not a table of positions")
            self._tables = stored
        except (OSError, ValueError, RecursionError) as error:
            self.problem = f"{path}: positions not read: {error}"
            self._path = None  # what can't be read is not overwritten either

    def of(self, market: str) -> Position | None:
        """The position in a market; None when there is none, or what is stored is none."""
        table = self._tables.get(market)
        if table is None:
            return None
        from engine.position import Position

        try:
            size, entry, margin, maintenance = (float(table[name]) for name in _FIELDS[:4])
            return Position(size, entry, margin, maintenance, bool(table["inverse"]))
        except (KeyError, TypeError, ValueError):
            return None

    def put(self, market: str, position: Position | None) -> None:
        """Enter a position, or take it away. Raises ConfigError when it can't be stored; it counts all the same."""
        if position is None:
            self._tables.pop(market, None)
        else:
            self._tables[market] = {name: getattr(position, name) for name in _FIELDS}
        if self._path is None:
            raise ConfigError("positions are not kept: " + (self.problem or "there is no state folder"))
        import json

        from tui.config.editing import write_atomically  # brings a parser that the first frame does without

        write_atomically(self._path, json.dumps(self._tables, indent=1) + "\n")
