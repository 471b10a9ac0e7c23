"""Changes that the program makes to the user's file, on the user's word: alerts and layouts.

The file is the user's: everything that is not concerned stays byte for byte, comments and blank lines included.
Alerts written as `[[alerts]]` tables are edited as lines of text; an inline list is edited by tomlkit. In both
cases the result is parsed and compared with what was meant before anything is written.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
import tomlkit.items

from tui.arrangement import PANEL_IDS, columns_problem
from tui.config.positions import key_lines
from tui.config.problems import ConfigError, unknown_name
from tui.config.shape import alert_problems, convert
from tui.config.values import Name

_NEW_FILE = "# Configuration of flowtape. `flowtape config show` lists every key with its value.\n"
_ENABLED = re.compile(r"^(\s*enabled\s*=\s*)(?:true|false)\b")


def add_alert(path: Path, table: Mapping[str, object]) -> None:
    """Append an alert, given by its TOML keys (`name`, `when`, `for`, …); makes the file when there is none.

    Raises ConfigError when the table is not an alert, its name is taken, or the file cannot be edited.
    """
    alert = {key: value for key, value in table.items() if value is not None}
    if wrong := alert_problems(alert):
        raise ConfigError(f"not an alert: {wrong[0]}")
    file = _File.read(path)
    if any(_name(other) == alert["name"] for other in file.alerts):
        raise ConfigError(f'{path}: an alert named "{alert["name"]}" is there already')
    expected = file.data | {"alerts": [*file.alerts, alert]}
    file.write(expected, _inline_append(file.text, alert) if file.inline else _append(file, alert))


def remove_alert(path: Path, name: str) -> None:
    """Take an alert out. Comments between it and the next table stay. Raises ConfigError (also: no such alert)."""
    file = _File.read(path)
    index = file.index_of(name)
    rest = [alert for i, alert in enumerate(file.alerts) if i != index]
    expected = {key: value for key, value in file.data.items() if key != "alerts"}
    if rest or file.inline:
        expected["alerts"] = rest
    if file.inline:
        file.write(expected, _inline_edit(file.text, lambda alerts: alerts.pop(index)))
        return
    start, end = _span(file.text, index)
    lines = _lines(file.text)
    file.write(expected, "".join(lines[:start] + lines[end:]))


def set_alert_enabled(path: Path, name: str, enabled: bool) -> None:
    """Switch an alert on or off. Raises ConfigError (also: no such alert)."""
    file = _File.read(path)
    index = file.index_of(name)
    expected = file.data | {
        "alerts": [alert | {"enabled": enabled} if i == index else alert for i, alert in enumerate(file.alerts)]
    }
    file.write(expected, _switched(file, index, enabled))


def replace_alert(path: Path, name: str, table: Mapping[str, object]) -> None:
    """Write an alert anew: keys that are None go, others are set; comments in and around its table stay.

    Raises ConfigError (also: no such alert, a name that is taken, a table that is no alert).
    """
    file = _File.read(path)
    index = file.index_of(name)
    before = file.alerts[index]
    # A number that is meant as it stands stays one.
    given = {key: before[key] if _same(before.get(key), value) else value for key, value in table.items()}
    wanted = {key: value for key, value in (before | given).items() if value is not None}
    if wrong := alert_problems(wanted):
        raise ConfigError(f"not an alert: {wrong[0]}")
    if wanted["name"] != name and any(_name(other) == wanted["name"] for other in file.alerts):
        raise ConfigError(f'{path}: an alert named "{wanted["name"]}" is there already')

    def change(document: Any) -> None:
        alert = document["alerts"][index]
        for key in [key for key in alert if key not in wanted]:
            del alert[key]
        for key, value in wanted.items():
            if key not in alert or before.get(key) != value:
                alert[key] = value

    alerts = [wanted if i == index else alert for i, alert in enumerate(file.alerts)]
    file.write(file.data | {"alerts": alerts}, _edit(file.text, change))


def _same(before: object, value: object) -> bool:
    """Whether a text says the number that stands there."""
    if not isinstance(before, int | float) or isinstance(before, bool) or not isinstance(value, str):
        return False
    return format(Decimal(repr(before)), "f") == value


def set_presets(path: Path, names: Sequence[str]) -> None:
    """Switch these presets on and all others off; makes the file when there is none. Raises ConfigError."""
    file = _File.read(path)
    expected = file.data | {"presets": list(names)}
    if "presets" in file.data:
        file.write(expected, _edit(file.text, lambda document: document.__setitem__("presets", list(names))))
        return
    # Above the first table: below it the key would belong to that.
    lines = file.text.split("\n")
    tables = [line - 1 for line in key_lines(file.text).values() if lines[line - 1].lstrip().startswith("[")]
    at = min(tables, default=len(lines))
    while at and at < len(lines) and lines[at - 1].lstrip().startswith("#"):
        at -= 1  # what is written above a table is about it
    lines[at:at] = [f"presets = {tomlkit.item(list(names)).as_string()}", *([""] if at < len(lines) else [])]
    file.write(expected, "\n".join(lines))


def set_layout(path: Path, name: str, columns: Sequence[Sequence[str]]) -> None:
    """Put a layout in, or replace its columns, and make it the one that opens; makes the file when there is none.

    Raises ConfigError when it is no layout or the file cannot be edited.
    """
    try:
        convert(name, Name)
    except ValueError as error:
        raise ConfigError(f"not a name of a layout: {error}") from error
    stranger = next((panel for column in columns for panel in column if panel not in PANEL_IDS), None)
    wrong = unknown_name(stranger, PANEL_IDS, "panel") if stranger is not None else columns_problem(columns)
    if wrong is not None:
        raise ConfigError(f"not a layout: {wrong}")
    file = _File.read(path)
    layout, own = file.table("layout"), file.table("layouts")
    before = own.get(name, {})
    if not isinstance(before, dict):
        raise ConfigError(f"{path}: not edited, for its `layouts.{name}` is not a table")
    rows = [list(column) for column in columns]
    text = _with_value(file.text, ("layouts", name), "columns", rows)
    expected = file.data | {
        "layouts": own | {name: before | {"columns": rows}},
        "layout": layout | {"name": name},
    }
    file.write(expected, _with_value(text, ("layout",), "name", name))


def write_atomically(path: Path, text: str, unless_changed_since: os.stat_result | None = None) -> None:
    """Replace or make a file so that a crash leaves the old or the new one, never a part. Raises ConfigError.

    A symbolic link stays one: the file it leads to is replaced. The mode is kept; a new file is the user's alone.
    """
    target = path.resolve()
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        before = target.stat() if target.exists() else None
        if unless_changed_since is not None and (before is None or _stamp(before) != _stamp(unless_changed_since)):
            raise ConfigError(f"{path}: changed by something else meanwhile, nothing was written; try again")
        if before is not None:
            os.chmod(temporary, before.st_mode & 0o7777)
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _File:
    """The file as it is now."""

    path: Path
    text: str  # line ends as "\n"
    crlf: bool
    bom: bool
    data: dict[str, Any]
    stat: os.stat_result | None  # None: there is no file yet

    @classmethod
    def read(cls, path: Path) -> _File:
        try:
            content = path.read_bytes()
            stat: os.stat_result | None = path.stat()
        except FileNotFoundError:
            content, stat = _NEW_FILE.encode(), None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
        try:
            text = content.decode("utf-8-sig")
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not edited, for it has errors: {error}") from error
        alerts = data.get("alerts", [])
        if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
            raise ConfigError(f"{path}: not edited, for its `alerts` is not a list of tables")
        return cls(path, text.replace("\r\n", "\n"), "\r\n" in text, content[:3] == b"\xef\xbb\xbf", data, stat)

    def table(self, name: str) -> dict[str, Any]:
        """A table of the top level, empty when there is none."""
        table = self.data.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{self.path}: not edited, for its `{name}` is not a table")
        return table

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return list(self.data.get("alerts", []))

    @property
    def inline(self) -> bool:
        """Alerts stand in a list (`alerts = [{…}]`) instead of tables of their own."""
        line = key_lines(self.text).get(("alerts",))
        return line is not None and not self.text.split("\n")[line - 1].lstrip().startswith("[")

    def index_of(self, name: str) -> int:
        names = [_name(alert) for alert in self.alerts]
        if name not in names:
            raise ConfigError(f"{self.path}: " + unknown_name(name, [known for known in names if known], "alert"))
        return names.index(name)

    def write(self, expected: Mapping[str, Any], text: str) -> None:
        """Write `text` if it means `expected`."""
        try:
            # By their text: NaN differs from itself.
            same = repr(_ordered(tomllib.loads(text))) == repr(_ordered(expected))
        except ValueError:
            same = False
        if not same:
            raise ConfigError(f"{self.path}: cannot be edited safely as it is written; please edit it by hand")
        ends = text.replace("\n", "\r\n") if self.crlf else text
        write_atomically(self.path, ("\ufeff" if self.bom else "") + ends, self.stat)


def _append(file: _File, alert: Mapping[str, object]) -> str:
    table = tomlkit.table()
    for key, value in alert.items():
        table.add(key, value)
    block = "[[alerts]]\n" + table.as_string().rstrip("\n") + "\n"
    lines = _lines(file.text)
    at = _span(file.text, len(file.alerts) - 1)[1] if file.alerts else len(lines)
    if all(_is_remark(line) for line in lines[at:]):
        at = len(lines)
    before, after = "".join(lines[:at]), "".join(lines[at:])
    if before and not before.endswith("\n"):
        before += "\n"
    gap = "\n" if before.strip() and not before.endswith("\n\n") else ""
    return before + gap + block + ("\n" if after.strip() and not after.startswith("\n") else "") + after


def _with_value(text: str, table: tuple[str, ...], key: str, value: object) -> str:
    """The text with `key` of a table set; where it is new it stands right below the table's header."""
    positions = key_lines(text)
    lines = text.split("\n")
    pair = f"{key} = {tomlkit.item(value).as_string()}"
    header = re.compile(r"\s*\[\s*" + r"\s*\.\s*".join(_key_pattern(part) for part in table) + r"\s*\]\s*(?:#.*)?")
    at = positions.get(table)
    if at is not None and (*table, key) not in positions and header.fullmatch(lines[at - 1]):
        lines.insert(at, pair)
        return "\n".join(lines)
    outer = positions.get(table[:1])
    if at is None and (outer is None or lines[outer - 1].lstrip().startswith("[")):
        name = ".".join(tomlkit.key(part).as_string() for part in table)
        end = "" if not text or text.endswith("\n") else "\n"
        gap = "\n" if text.strip() and not text.endswith("\n\n") else ""
        return f"{text}{end}{gap}[{name}]\n{pair}\n"

    def put(document: Any) -> None:
        for part in table[:-1]:
            document = document[part]
        if table[-1] not in document:
            document[table[-1]] = tomlkit.inline_table()
        document[table[-1]][key] = value

    return _edit(text, put)


def _key_pattern(part: str) -> str:
    return rf"""(?:{re.escape(part)}|"{re.escape(part)}"|'{re.escape(part)}')"""


def _switched(file: _File, index: int, enabled: bool) -> str:
    word = "true" if enabled else "false"

    def switch(alerts: Any) -> None:
        alerts[index]["enabled"] = enabled

    if file.inline:
        return _inline_edit(file.text, switch)
    positions = key_lines(file.text)
    lines = file.text.split("\n")
    line = positions.get(("alerts", index, "enabled"))
    if line is None:
        lines.insert(positions["alerts", index], f"enabled = {word}")
        return "\n".join(lines)
    lines[line - 1], changed = _ENABLED.subn(rf"\g<1>{word}", lines[line - 1])
    return "\n".join(lines) if changed else _inline_edit(file.text, switch)


def _span(text: str, index: int) -> tuple[int, int]:
    """Lines [start, end) of the table of an alert, without the comments that lead over to the next table."""
    positions = key_lines(text)
    lines = _lines(text)
    start = positions["alerts", index] - 1
    mine = max(line for path, line in positions.items() if path[:2] == ("alerts", index))
    following = [line - 1 for path, line in positions.items() if line > mine and path[:2] != ("alerts", index)]
    end = min(following, default=len(lines))
    while end > mine and _is_remark(lines[end - 1]):
        end -= 1
    # One blank line before the comments goes with the table.
    return start, end + 1 if end < len(lines) and not lines[end].strip() else end


def _lines(text: str) -> list[str]:
    """Lines with their ends, cut at "\n" only: other line separators may stand in a string or a comment."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _inline_append(text: str, alert: Mapping[str, object]) -> str:
    def append(alerts: Any) -> None:
        table = tomlkit.inline_table()
        table.update(alert)
        alerts.append(table)

    return _inline_edit(text, append)


def _inline_edit(text: str, edit: Callable[[Any], object]) -> str:
    return _edit(text, lambda document: edit(document["alerts"]))


def _edit(text: str, edit: Callable[[Any], object]) -> str:
    try:
        document = tomlkit.parse(text)
        edit(document)
        return tomlkit.dumps(document)
    except (tomlkit.exceptions.TOMLKitError, ValueError, TypeError, LookupError) as error:
        raise ConfigError(f"cannot be edited safely, please edit it by hand: {error}") from error


def _name(alert: Mapping[str, Any]) -> str:
    name = alert.get("name")
    return name if isinstance(name, str) else ""


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _sync_folder(folder: Path) -> None:
    # Without this the new name may be lost with the power. Not every platform lets a folder be opened.
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
