"""Real market data that is not part of the repository: tests that use it skip without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_dir() -> Path:
    """Where the data should be (`FLOWTAPE_DATA`, else a folder `shared/data` beside the checkout)."""
    return Path(os.environ.get("FLOWTAPE_DATA") or _DEFAULT)


def data_file(name: str) -> Path:
    """The file, or a skip that says what is missing."""
    path = data_dir() / name
    if not path.exists():
        pytest.skip(f"real market data not here: {path} (set FLOWTAPE_DATA to its folder)")
    return path
