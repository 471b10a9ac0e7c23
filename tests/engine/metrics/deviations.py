"""How far the metrics are from their references: `python -m tests.engine.metrics.deviations [test files]`.

Runs the tests of the metrics and prints a row for each file: the metrics it covers, how it compared them (exactly, or
within a tolerance), the largest deviation it met, how many tapes were folded, at how many cuts, and how many of its
tests hold golden values (worked by hand, published, or known in advance). Every figure is counted while the tests run.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
_GOLDEN = re.compile(r"golden|published|by_hand|worked|1985|known_(line|coefficients)|check_values|papers")
#: What compares more loosely tests a statistic or a property.
_TIGHT = 1e-5
_IMPORT = re.compile(r"^from engine\.metrics\.(\w+) import|^import engine\.metrics\.(\w+)", re.MULTILINE)


@dataclass
class Row:
    """What was seen while the tests of one file ran."""

    tests: int = 0
    golden: int = 0
    failed: int = 0
    exact: int = 0  # assertions of equality that held
    near: int = 0  # numbers compared within a tolerance
    absolute: float = 0.0  # largest deviation of those
    relative: float = 0.0
    folds: int = 0
    cuts: int = 0
    golden_relative: float = 0.0  # of the golden values, some of them rounded or simulated

    rough: int = 0  # numbers compared so loosely that they are statistics or properties, no reference

    def compare(self, found: Any, wanted: Any, golden: bool, tight: bool = True) -> None:
        """Numbers that were compared within a tolerance; `tight`: of 1e-5 at most."""
        if not tight and not golden:
            self.rough += int(np.size(wanted))
            return
        with np.errstate(all="ignore"):
            a, b = np.broadcast_arrays(np.asarray(found, float), np.asarray(wanted, float))
            known = np.isfinite(a) & np.isfinite(b)
            if not known.any():
                return
            gap = np.abs(a - b)[known]
            size = np.abs(b)[known]
            self.near += int(known.sum())
            large = size > 1e-9  # beside nothing at all a relative deviation says nothing
            relative = float((gap[large] / size[large]).max()) if large.any() else 0.0
            if golden:
                self.golden_relative = max(self.golden_relative, relative)
            else:
                self.absolute = max(self.absolute, float(gap.max()))
                self.relative = max(self.relative, relative)


class Recorder:
    """A plugin of pytest that fills the rows."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._now = Row()
        self._golden = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now = self.rows.setdefault(item.path.stem, Row())
        self._now.tests += 1
        self._golden = bool(_GOLDEN.search(item.name.partition("[")[0]))
        self._now.golden += self._golden
        yield

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._now.failed += report.failed

    def pytest_assertion_pass(self, item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
        del item, lineno, expl
        self._now.exact += "==" in orig and "approx" not in orig

    # ---- what the tests compare with

    def install(self) -> None:
        """Listen to the comparisons and to the folding of tapes."""
        from _pytest.python_api import ApproxScalar

        from tests.engine.metrics import cuts

        close, scalar, fold = np.testing.assert_allclose, ApproxScalar.__eq__, cuts.fold

        def assert_allclose(actual: Any, desired: Any, *args: Any, **kwargs: Any) -> None:
            close(actual, desired, *args, **kwargs)
            tight = max(kwargs.get("rtol", args[0] if args else 1e-7), kwargs.get("atol", 0)) <= _TIGHT
            self._now.compare(actual, desired, self._golden, tight)

        def equals(approx: Any, actual: Any) -> bool:
            same: bool = scalar(approx, actual)
            if same and _is_number(actual) and _is_number(approx.expected):
                tight = approx.tolerance <= _TIGHT * max(1.0, abs(float(approx.expected)))
                self._now.compare(actual, approx.expected, self._golden, tight)
            return same

        def counted(make: Callable[[], Any], events: Any, at: Any, *args: Any, **kwargs: Any) -> Any:
            self._now.folds += 1
            self._now.cuts += len(at)
            return fold(make, events, at, *args, **kwargs)

        np.testing.assert_allclose = assert_allclose
        ApproxScalar.__eq__ = equals  # type: ignore[assignment, method-assign]
        cuts.fold = counted


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def metrics_of(path: Path) -> list[str]:
    """Names of the metrics of the modules that a test file imports."""
    names: list[str] = []
    for found in _IMPORT.finditer(path.read_text()):
        module = importlib.import_module(f"engine.metrics.{found[1] or found[2]}")
        if path.stem.removeprefix("test_") in ("windows", "names"):
            continue
        names += [spec.name for spec in getattr(module, "SPECS", ()) if isinstance(getattr(module, "SPECS", ()), tuple)]
    return list(dict.fromkeys(names))


def figure(value: float) -> str:
    """A deviation."""
    return "0" if value == 0 else f"{value:.1e}"


def main(arguments: list[str]) -> int:
    """Run and print."""
    with tempfile.TemporaryDirectory() as cache:
        sys.pycache_prefix = cache  # assertions must be compiled anew to be heard
        recorder = Recorder()
        recorder.install()
        options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "enable_assertion_pass_hook=true"]
        files = arguments or [str(HERE)]
        status = int(pytest.main([*options, "--no-header", *files], plugins=[recorder]))
    print("\n| tests | metrics | passed | golden | to it | exact | near | rough | to reference | rel. | tapes | cuts |")
    print("|---" * 12 + "|")
    for name, row in sorted(recorder.rows.items()):
        path = HERE / f"{name}.py"
        covered = ", ".join(f"`{metric}`" for metric in metrics_of(path)) if path.exists() else ""
        golden = figure(row.golden_relative) if row.golden else "-"
        cells = (f"{row.tests - row.failed}/{row.tests}", row.golden, golden, row.exact, row.near, row.rough)
        deviations = (figure(row.absolute), figure(row.relative), row.folds, row.cuts)
        print(f"| {name} | {covered or '-'} | " + " | ".join(map(str, (*cells, *deviations))) + " |")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
