"""Reading the configuration: every problem found at once, and a usable configuration whatever the file says.

Order of precedence: flags, environment, file, defaults. What is wrong falls back to its default or is left out,
and is reported; whoever must not go on like that (a headless command) treats problems as errors.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from tui.arrangement import BUILT_IN
from tui.config.checks import Validators
from tui.config.model import Config, Layout
from tui.config.paths import CONFIG_VARIABLE, config_path
from tui.config.positions import key_lines, line_of
from tui.config.problems import Problem, unknown_name
from tui.config.shape import Reader, convert

_MOST_BYTES = 1 << 20
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_VARIABLES = {"FLOWTAPE_THEME": "theme", "FLOWTAPE_FPS": "fps"}


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration in effect and how it came about."""

    config: Config
    path: Path  # the file, whether or not it exists
    exists: bool
    problems: tuple[Problem, ...]
    origins: Mapping[str, str]  # dotted key -> where its value was set; keys that are not here have their default
    refused_venues: frozenset[str]  # their tables have errors: asking the real exchange instead may not be meant


def load(
    path: Path | None = None,
    *,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    validators: Validators | None = None,
) -> LoadedConfig:
    """Read the configuration; never raises for anything that a file, a variable or a flag can hold.

    `path` is what `--config` names; without it FLOWTAPE_CONFIG, then the platform's place. A file that was named
    and is not there is a problem; no file in the platform's place is not. `overrides` are the values of flags by
    configuration key ("theme", "fps", "markets"), None meaning that the flag was not given. `validators` know what
    this package does not: metric names, themes, actions.
    """
    named = path is not None or bool(environ.get(CONFIG_VARIABLE))
    file = path if path is not None else config_path(environ)
    text, problem = _read(file, named)
    table: dict[str, object] = {}
    lines: dict[tuple[str | int, ...], int] = {}
    if text is not None:
        table, lines, problem = _parse(file, text)
    reader = Reader(file, lines, validators or {})
    if problem is not None:
        reader.problems.append(problem)
    values = reader.struct(Config, table, ())
    _check_layout(reader, file, lines, values)
    settings: list[tuple[str, object, str]] = [
        (key, environ[name], f"environment {name}") for name, key in _VARIABLES.items() if environ.get(name)
    ]
    settings += [(key, value, f"flag --{key}") for key, value in (overrides or {}).items() if value is not None]
    for key, value, source in settings:
        _override(reader, values, key, value, source)
    return LoadedConfig(
        config=Config(**values),
        path=file,
        exists=file.exists(),
        problems=tuple(reader.problems),
        origins=MappingProxyType(reader.origins),
        refused_venues=frozenset(reader.refused_venues),
    )


def _check_layout(
    reader: Reader, file: Path, lines: dict[tuple[str | int, ...], int], values: dict[str, object]
) -> None:
    """`layout.name` may name a layout of the user's own, so it is looked up when those are known."""
    layout, own = values.get("layout", Layout()), values.get("layouts", {})
    assert isinstance(layout, Layout)
    assert isinstance(own, dict)
    known = [*BUILT_IN, *own]
    if layout.name not in known:
        path = ("layout", "name")
        message = unknown_name(layout.name, known, "layout")
        reader.problems.append(Problem(file, line_of(lines, path), None, "layout.name", message, 'using "default"'))
        values["layout"] = msgspec.structs.replace(layout, name="default")


def _read(file: Path, named: bool) -> tuple[str | None, Problem | None]:
    def problem(message: str, line: int | None = None) -> Problem:
        return Problem(file, line, None, "", message, "using the defaults")

    try:
        if file.is_file() and file.stat().st_size > _MOST_BYTES:
            return None, problem("larger than 1 MiB, this is not a configuration")
        content = file.read_bytes()
    except FileNotFoundError:
        return None, problem("no such file (`flowtape config init` writes one)") if named else None
    except OSError as error:
        return None, problem(f"cannot be read: {error.strerror or error}")
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return None, problem("not UTF-8 text", content.count(b"\n", 0, error.start) + 1)


def _parse(file: Path, text: str) -> tuple[dict[str, object], dict[tuple[str | int, ...], int], Problem | None]:
    try:
        # tomllib turns \r\n into \n, and so must whoever counts lines.
        table = tomllib.loads(text)
        return table, key_lines(text.replace("\r\n", "\n")), None
    except RecursionError:
        return {}, {}, Problem(file, None, None, "", "arrays or tables nested too deeply", "using the defaults")
    except ValueError as error:  # TOMLDecodeError, and numbers of too many digits
        message = str(error)
        line, column = None, None
        if found := _AT.search(message):
            line, column = (int(found[1]), int(found[2])) if found[1] else (text.rstrip().count("\n") + 1, None)
            message = message[: found.start()]
        return {}, {}, Problem(file, line, column, "", f"not valid TOML: {message}", "using the defaults")


def _override(reader: Reader, values: dict[str, object], key: str, value: object, source: str) -> None:
    field = next(field for field in msgspec.structs.fields(Config) if field.encode_name == key)
    complaint = None
    converted: object = None
    try:
        # Variables are text: a number may stand in it.
        converted = convert(value, field.type, strict=not source.startswith("environment"))
        complaint = reader.complaint(key, converted)
    except ValueError as error:
        complaint = str(error)
    if complaint is not None:
        reader.problems.append(Problem(None, None, None, source, complaint, "ignored"))
        return
    values[field.name] = converted
    reader.origins[key] = source
