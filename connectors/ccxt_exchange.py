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

_PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")


def exchange(name: str) -> Any:
    """An unconfigured synchronous ccxt exchange; it asks nobody anything by itself. SourceError for an unknown one."""
    known = names()
    if name not in known:
        raise SourceError(f"ccxt has no exchange {name[:40]!r}{did_you_mean(name, known)}")
    return _class("ccxt", name)()


def streaming_class(name: str) -> Any:
    """The class of an exchange with `watch_…` methods, to be made inside a running event loop. SourceError for one
    that ccxt does not know, or cannot stream."""
    known = streaming_names()
    if name not in known:
        raise SourceError(f"ccxt has no streams of an exchange {name[:40]!r}{did_you_mean(name, known)}")
    return _class("ccxt.pro", name)


def version() -> str:
    """The installed version of ccxt."""
    return importlib.metadata.version("ccxt")


def names() -> list[str]:
    """Every exchange that ccxt knows: they have a module of their methods each in ccxt/abstract."""
    return _modules(_root() / "abstract")


def streaming_names() -> list[str]:
    """Every exchange that ccxt can stream."""
    return _modules(_root() / "pro")


def _modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _root() -> Path:
    found = importlib.util.find_spec("ccxt")
    if found is None or not found.submodule_search_locations:
        raise SourceError("the package ccxt is not installed: reinstall flowtape with its dependencies")
    return Path(next(iter(found.submodule_search_locations)))


def _class(package: str, name: str) -> Any:
    with _without_the_others():
        return getattr(importlib.import_module(f"{package}.{name}"), name)


class _Package(ModuleType):
    """Stands for a package of ccxt: its submodules are found, its own __init__, which imports all, is not run."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.__path__ = [str(folder)]

    def __setattr__(self, name: str, value: object) -> None:
        # The import system puts a submodule here; ccxt's own __init__ then puts its class of that name in its place.
        if isinstance(value, ModuleType) and isinstance(getattr(value, name, None), type):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            module = importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"{self.__name__} has no {name!r}") from None
        return getattr(module, name, module)


@contextmanager
def _without_the_others() -> Iterator[None]:
    """Inside, ccxt and its packages are stand-ins, unless they are loaded already.

    Afterwards `import ccxt` works as ever, on the submodules that are loaded by then.
    """
    missing = [name for name in _PACKAGES if name not in sys.modules]
    if "ccxt" in missing:
        root = _root()
        stands = {name: _Package(name, root.joinpath(*name.split(".")[1:])) for name in missing}
        sys.modules.update(stands)
        _furnish(stands)
    try:
        yield
    finally:
        for name in missing:
            if isinstance(sys.modules.get(name), _Package):
                del sys.modules[name]


def _furnish(stands: dict[str, _Package]) -> None:
    """What ccxt's modules expect to find in its packages."""
    top, rest, pro = (stands[name] for name in _PACKAGES)
    top.async_support, top.pro = rest, pro
    errors = importlib.import_module("ccxt.base.errors")
    for name, value in vars(errors).items():
        if isinstance(value, type):
            setattr(top, name, value)
    top.Exchange = importlib.import_module("ccxt.base.exchange").Exchange
    rest.Exchange = pro.Exchange = importlib.import_module("ccxt.async_support.base.exchange").Exchange
