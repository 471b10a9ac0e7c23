"""One thing that is wrong with the configuration, said so that it can be put right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tui.untrusted import escape_text


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where. `str()` is one line, safe to show anywhere but in markup."""

    file: Path | None  # None: not in a file (a flag, a variable)
    line: int | None  # from 1
    column: int | None
    key: str  # dotted path as a reader would write it, "alerts[2].when"; empty: the file as a whole
    message: str
    effect: str = ""  # what happens instead: "using 10"

    def __str__(self) -> str:
        where = [str(self.file)] if self.file is not None else []
        if self.file is not None and self.line is not None:
            where.append(str(self.line))
            if self.column is not None:
                where.append(str(self.column))
        parts = [":".join(where), self.key, self.message + (f"; {self.effect}" if self.effect else "")]
        return escape_text(": ".join(part for part in parts if part), 1000)


class ConfigError(Exception):
    """The configuration cannot be used or changed; the message names file and reason."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """The sentence for a name that is not among the known ones."""
    names = list(known)
    close = nearest(name, names)
    if close is not None:
        return f'unknown {what} "{name}", did you mean "{close}"?'
    listed = ", ".join(sorted(names)[:20]) + (", …" if len(names) > 20 else "")
    return f'unknown {what} "{name}"' + (f" (known: {listed})" if names else "")
