"""One exchange of ccxt without all the others: `import ccxt` loads every one of them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from connectors.nearest import did_you_mean
from engine.feed import SourceError


def exchange(name: str) -> Any:
    """An unconfigured synchronous ccxt exchange; it asks nobody anything by itself. SourceError for an unknown one."""
    known = _names()
    if name not in known:
        raise SourceError(f"ccxt has no exchange {name[:40]!r}{did_you_mean(name, known)}")
    with _without_the_others():
        module = importlib.import_module(f"ccxt.{name}")
    return getattr(module, name)()


def version() -> str:
    """The installed version of ccxt."""
    return importlib.metadata.version("ccxt")


def _root() -> Path:
    found = importlib.util.find_spec("ccxt")
    if found is None or not found.submodule_search_locations:
        raise SourceError("the package ccxt is not installed: reinstall flowtape with its dependencies")
    return Path(next(iter(found.submodule_search_locations)))


def _names() -> list[str]:
    """Exchanges have a module of their methods each in ccxt/abstract."""
    return sorted(path.stem for path in (_root() / "abstract").glob("*.py") if not path.stem.startswith("_"))


@contextmanager
def _without_the_others() -> Iterator[None]:
    """Inside, submodules of ccxt are found without running the package's own __init__, which imports all exchanges.

    Afterwards `import ccxt` works as ever, on the submodules that are loaded by then.
    """
    if "ccxt" in sys.modules:
        yield
        return
    package = ModuleType("ccxt")
    package.__path__ = [str(_root())]
    sys.modules["ccxt"] = package
    try:
        yield
    finally:
        del sys.modules["ccxt"]
