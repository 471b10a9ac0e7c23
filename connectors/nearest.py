"""Suggestions for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str], count: int = 3) -> list[str]:
    """The valid names most like `name`, best first; case and separators matter little."""

    def plain(text: str) -> str:
        return "".join(c for c in text.casefold() if c.isalnum())

    by_plain: dict[str, list[str]] = {}
    for v in valid:
        by_plain.setdefault(plain(v), []).append(v)
    wanted = plain(name[:100])
    found = difflib.get_close_matches(wanted, by_plain, n=count, cutoff=0.5)
    started = sorted((p for p in by_plain if wanted and p.startswith(wanted) and p not in found), key=len)
    return [v for p in [*found, *started] for v in sorted(by_plain[p], key=len)][:count]


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`; did you mean A or B?`, or nothing when nothing is near."""
    near = nearest(name, valid)
    return f"; did you mean {' or '.join(near)}?" if near else ""
