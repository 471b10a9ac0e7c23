"""From the plain tables of a TOML file to the typed model, piece by piece, so that one error does not hide the next."""

from __future__ import annotations

import contextlib
import datetime
import types
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from tui.arrangement import columns_problem
from tui.config.checks import Validators
from tui.config.fees import fee_schedule, fees_name_problem
from tui.config.model import Alert, CompositeMarket, Config, Fees, OwnLayout, Venue
from tui.config.positions import line_of
from tui.config.problems import Problem, nearest, unknown_name
from tui.config.sinks import Sink, sink_problem
from tui.config.values import NUMBERS_TOO

KeyPath = tuple[str | int, ...]

_PLAIN = {str: "a text in quotes", bool: "true or false", int: "a whole number", float: "a number"}
_CHECK_OF = {  # which validator looks at a value, by its path with the free parts left out
    ("markets", "*"): "market",
    ("theme",): "theme",
    ("layout", "beside"): "panel",
    ("layouts", "*", "columns", "*", "*"): "column_panel",
    ("windows", "flow"): "window",
    ("windows", "ofi"): "window",
    ("presets", "*"): "preset",
    ("quiet_hours", "zone"): "zone",
    ("venues", "*", "channels", "*"): "channel",
    ("composites", "*", "markets", "*"): "market",
    ("simulator", "markets", "*"): "symbol",
}
# Where half of a table would do something else than was meant, all of it is left out.
_WHOLE = {"alerts": "this alert is left out", "venues": "this venue is not used", "fees": "these fees are not used"} | {
    "layouts": "this layout is left out",
    "composites": "this composite is left out",
    "sinks": "this sink is left out",
}


class UnusableError(Exception):
    """Nothing usable here; the problem is noted already."""


class Reader:
    """Converts tables and collects problems, origins (dotted key -> file and line) and refused venues."""

    def __init__(self, file: Path, lines: dict[KeyPath, int], validators: Validators) -> None:
        self.problems: list[Problem] = []
        self.origins: dict[str, str] = {}
        self.refused_venues: set[str] = set()
        self._file = file
        self._lines = lines
        self._checks: dict[str, Any] = dict(validators)
        self._labels: dict[KeyPath, str] = {}  # ("alerts", 1) -> the alert's name

    def struct(self, kind: type[msgspec.Struct], table: dict[str, object], path: KeyPath) -> dict[str, Any]:
        """The arguments for `kind(**…)` that the table gives and that are right.

        Raises UnusableError when one is missing that has no default, or wrong.
        """
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in fields:
                self._note((*path, key), self._unknown(key, fields, path), "ignored")
                continue
            field = fields[key]
            default = None if field.required else field.default
            try:
                values[field.name] = self._value(field.type, value, (*path, key), default)
            except UnusableError:
                if field.required:
                    raise
        for key, field in fields.items():
            if field.required and key not in table:
                self._note(path, f'the key "{key}" is missing')
                raise UnusableError
        return values

    def complaint(self, key: str, value: object) -> str | None:
        """What the callers' checks say against the value of a top-level key."""
        if isinstance(value, tuple):
            found = (self._complaint((key, i), item) for i, item in enumerate(value))
            return next((text for text in found if text is not None), None)
        return self._complaint((key,), value)

    def _value(self, kind: Any, value: object, path: KeyPath, default: object) -> object:
        bare, annotations = _unwrap(kind)
        result: object
        if len(variants := _variants(kind)) > 1:
            bare = self._variant(variants, value, path)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            result = self._table(bare, value, path)
        elif get_origin(bare) is dict:
            result = self._names(get_args(bare)[1], value, path)
        elif get_origin(bare) is tuple:
            result = self._list(get_args(bare)[0], value, path)
            if not annotations or not isinstance(value, list):
                return result
            result = self._converted(kind, result, path, default)
        else:
            result = self._converted(kind, value, path, default)
        return result

    def _converted(self, kind: Any, value: object, path: KeyPath, default: object) -> object:
        try:
            result = convert(value, kind)
        except ValueError as error:
            self._note(path, str(error), _effect(default))
            raise UnusableError from None
        if (complaint := self._complaint(path, result)) is not None:
            self._note(path, complaint, _effect(default))
            raise UnusableError
        if not isinstance(result, tuple):
            self.origins[self._key(path)] = self._origin(path)
        return result

    def _table(self, kind: type[msgspec.Struct], value: object, path: KeyPath) -> msgspec.Struct:
        if not isinstance(value, dict):
            self._note(path, f"expected a table, got {_shown(value)}", "ignored")
            raise UnusableError
        before = len(self.problems)
        if (kind is Alert or issubclass(kind, Sink)) and isinstance(value.get("name"), str):
            self._labels[path] = value["name"]
        try:
            result = kind(**self.struct(kind, value, path))
            if kind in (Venue, CompositeMarket, Fees, OwnLayout) and len(self.problems) > before:
                raise UnusableError
        finally:
            if kind is Venue and len(self.problems) > before:
                self.refused_venues.add(str(path[1]))
        if isinstance(result, Alert):
            self._alert(result, path, before)
        if isinstance(result, Sink):
            self._sink(result, path, before)
        if isinstance(result, OwnLayout) and (complaint := columns_problem(result.columns)) is not None:
            self._note((*path, "columns"), complaint)
            raise UnusableError
        if isinstance(result, Fees):
            try:
                fee_schedule(result)
            except ValueError as error:
                self._note((*path, "tiers"), str(error))
                raise UnusableError from None
        return result

    def _alert(self, alert: Alert, path: KeyPath, before: int) -> None:
        """An alert counts only when all of it is right: half a rule would fire at the wrong time, or never."""
        self._unique(alert.name, path, "alert")
        if "alert" in self._checks and len(self.problems) == before:
            for key, complaint in self._checks["alert"](alert):
                self._note((*path, key), complaint)
        if len(self.problems) > before:
            raise UnusableError

    def _sink(self, sink: Any, path: KeyPath, before: int) -> None:
        """Half a sink would send the wrong alerts, or to the wrong place."""
        self._unique(sink.name, path, "sink")
        if len(self.problems) == before and (found := sink_problem(sink)) is not None:
            self._note((*path, found[0]), found[1])
        if len(self.problems) > before:
            raise UnusableError

    def _unique(self, name: str, path: KeyPath, what: str) -> None:
        earlier = (other for other in self._labels if other[0] == path[0] and other < path)
        if any(self._labels[other] == name for other in earlier):
            self._note((*path, "name"), f"another {what} has this name already")

    def _variant(self, variants: dict[str, type[msgspec.Struct]], value: object, path: KeyPath) -> Any:
        """The struct that the table's `kind` names."""
        if not isinstance(value, dict):
            self._note(path, f"expected a table, got {_shown(value)}", "ignored")
            raise UnusableError
        if isinstance(value.get("name"), str):
            self._labels[path] = value["name"]
        listed = ", ".join(f'"{name}"' for name in variants)
        if "kind" not in value:
            self._note(path, f'the key "kind" is missing: one of {listed}')
            raise UnusableError
        named = value["kind"]
        if not isinstance(named, str) or named not in variants:
            close = nearest(named, variants) if isinstance(named, str) else None
            hint = f', did you mean "{close}"?' if close else ""
            self._note((*path, "kind"), f"expected one of {listed}, got {_shown(named)}{hint}")
            raise UnusableError
        return variants[named]

    def _names(self, kind: Any, value: object, path: KeyPath) -> dict[str, object]:
        if not isinstance(value, dict):
            self._note(path, f"expected a table, got {_shown(value)}", "ignored")
            raise UnusableError
        check = fees_name_problem if path == ("fees",) else self._checks.get("venue") if path == ("venues",) else None
        result: dict[str, object] = {}
        for name, item in value.items():
            complaint = check(name) if check else None
            if complaint is not None:
                self._note((*path, name), complaint, "ignored")
                continue
            try:
                result[name] = self._value(kind, item, (*path, name), None)
            except UnusableError:
                continue
        if path == ("keys",) and "keys" in self._checks:
            for name, complaint in self._checks["keys"](result):
                # A complaint can be about an action the user did not mention: its key was taken by one they did.
                self._note((*path, name), complaint, "ignored" if name in result else "")
                result.pop(name, None)
        return result

    def _list(self, kind: Any, value: object, path: KeyPath) -> tuple[object, ...]:
        if not isinstance(value, list):
            self._note(path, f"expected a list in square brackets, got {_shown(value)}", "ignored")
            raise UnusableError
        result: list[object] = []
        for i, item in enumerate(value):
            try:
                result.append(self._value(kind, item, (*path, i), None))
            except UnusableError:
                continue
        self.origins[self._key(path)] = self._origin(path)
        return tuple(result)

    def _complaint(self, path: KeyPath, value: object) -> str | None:
        check = self._checks.get(_CHECK_OF.get(_pattern(path), ""))
        return check(value) if check and isinstance(value, str) else None

    def _unknown(self, key: str, fields: dict[str, Any], path: KeyPath) -> str:
        top = {field.encode_name for field in msgspec.structs.fields(Config)}
        if path and key in top and nearest(key, fields) is None:
            return f'"{key}" does not belong to [{self._key(path)}]: put it above the first [table]'
        return unknown_name(key, fields, "key")

    def _note(self, path: KeyPath, message: str, effect: str = "left out") -> None:
        if len(path) > 1 and path[0] in _WHOLE:
            effect = _WHOLE[str(path[0])]
        line = line_of(self._lines, path)
        self.problems.append(Problem(self._file, line, None, self._key(path), message, effect))

    def _origin(self, path: KeyPath) -> str:
        line = line_of(self._lines, path)
        return f"{self._file}:{line}" if line is not None else str(self._file)

    def _key(self, path: KeyPath) -> str:
        """`alerts[toxic].when`, `markets[#2]`, `venues.binance.rest`."""
        text = ""
        for i, part in enumerate(path):
            if isinstance(part, int):
                text += f"[{self._labels.get(path[: i + 1], f'#{part + 1}')}]"
            else:
                text += f".{part}" if text else part
        return text


def alert_problems(table: dict[str, object]) -> list[str]:
    """What is wrong with the table of one alert; empty: nothing."""
    reader = Reader(Path(), {}, {})
    with contextlib.suppress(UnusableError):
        reader.struct(Alert, table, ())
    return [f"{problem.key}: {problem.message}" if problem.key else problem.message for problem in reader.problems]


def convert(value: object, kind: Any, *, strict: bool = True) -> object:
    """`value` as `kind`; a ValueError says what was expected and what came."""
    bare, annotations = _unwrap(kind)
    if type(value) in (int, float) and any(note.extra == NUMBERS_TOO for note in annotations):
        value = format(Decimal(repr(value)), "f")
    try:
        return msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, OverflowError):
        pass
    if get_origin(bare) is Literal:
        choices = [str(choice) for choice in get_args(bare)]
        expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)
        close = nearest(value, choices) if isinstance(value, str) else None
        hint = f', did you mean "{close}"?' if close else ""
    else:
        described = (note.description for note in annotations if isinstance(note, msgspec.Meta) and note.description)
        expected, hint = next(described, _PLAIN.get(bare, "another kind of value")), ""
        if strict and isinstance(value, str) and bare in (int, float, bool):
            hint = " (write it without quotes)"
    raise ValueError(f"expected {expected}, got {_shown(value)}{hint}")


def _unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without `| None` and annotations, and the annotations."""
    annotations: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            annotations += get_args(kind)[1:]
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            kind = next(part for part in get_args(kind) if part is not type(None))
        else:
            return kind, annotations


def _variants(kind: Any) -> dict[str, type[msgspec.Struct]]:
    """Of a union of structs, each by the value of its `kind`; else nothing."""
    if get_origin(kind) not in (Union, types.UnionType):
        return {}
    structs = [part for part in get_args(kind) if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    found: dict[str, type[msgspec.Struct]] = {}
    for struct in structs if len(structs) > 1 else []:
        field = next(field for field in msgspec.structs.fields(struct) if field.name == "kind")
        found[get_args(field.type)[0]] = struct
    return found


def _pattern(path: KeyPath) -> tuple[str, ...]:
    free = {1} if path[0] in ("keys", "venues", "layouts", "composites") else set()
    return tuple("*" if isinstance(part, int) or i in free else part for i, part in enumerate(path))


def _effect(default: object) -> str:
    if isinstance(default, str | int | float):
        return f"using {_shown(default)}"
    return "left out" if default is None else "using the default"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:60]}…"' if len(value) > 60 else f'"{value}"'
    if isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else (str(value) if abs(value) < 1 << 64 else "a huge number")
    if isinstance(value, datetime.date | datetime.time):
        return "a date or time"
    return "a table" if isinstance(value, dict) else "an empty list" if not value else "a list"
