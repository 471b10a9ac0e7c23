"""Edits keep everything else byte for byte, and never leave half a file."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.config import editing
from tui.config.editing import (
    add_alert,
    remove_alert,
    replace_alert,
    set_alert_enabled,
    set_layout,
    set_presets,
    write_atomically,
)
from tui.config.loading import load
from tui.config.problems import ConfigError
from tui.config.template import TEMPLATE

ALERT = {"name": "new", "when": "cvd > 5", "for": "3s", "severity": "high"}
FILE = """\
# mine
theme = 'mono'   # quiet

[[alerts]]  # the first
name = "one"
when = "cvd > 1"  # a level

# about the second
[[alerts]]
name = "two"
when = "cvd > 2"
enabled = true  # for now

# about the keys
[keys]
pause = "p"
# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    return path


def test_a_new_alert_goes_after_the_others_and_nothing_else_changes(file: Path) -> None:
    add_alert(file, ALERT)
    block = '\n[[alerts]]\nname = "new"\nwhen = "cvd > 5"\nfor = "3s"\nseverity = "high"\n'
    at = FILE.index("\n# about the keys")
    assert file.read_text() == FILE[:at] + block + FILE[at:]
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert [alert.name for alert in loaded.config.alerts] == ["one", "two", "new"]


def test_the_first_alert_makes_the_file_and_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "config.toml"
    add_alert(file, {**ALERT, "rearm": None})
    loaded = load(file, environ={})
    assert [alert.hold for alert in loaded.config.alerts] == ["3s"]
    assert loaded.problems == ()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_text_is_quoted_whatever_it_holds(file: Path) -> None:
    alert = {"name": 'q"uo\\te', "when": "a\n[[alerts]]\x07 = ''' \"\"\" #", "message": "\u2028 é"}
    add_alert(file, alert)
    assert tomllib.loads(file.read_text())["alerts"][-1] == alert


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"when": "x"}, 'not an alert: the key "name" is missing'),
        ({"name": "x"}, 'not an alert: the key "when" is missing'),
        ({"name": "n", "when": "x", "cooldwn": "1s"}, 'unknown key "cooldwn", did you mean "cooldown"?'),
        ({"name": "n", "when": "x", "for": "3"}, "not an alert: for: expected a length of time"),
        ({"name": "one", "when": "x"}, 'an alert named "one" is there already'),
    ],
)
def test_what_is_no_new_alert_is_refused(file: Path, table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        add_alert(file, table)
    assert message in str(caught.value)
    assert file.read_text() == FILE


def test_removing_leaves_comments_of_others(file: Path) -> None:
    remove_alert(file, "one")
    assert file.read_text() == (
        "# mine\ntheme = 'mono'   # quiet\n\n# about the second\n" + FILE[FILE.index('[[alerts]]\nname = "two"') :]
    )
    remove_alert(file, "two")
    assert file.read_text() == (
        "# mine\ntheme = 'mono'   # quiet\n\n# about the second\n# about the keys\n[keys]\npause = \"p\"\n# the end\n"
    )


def test_removing_the_last_table_keeps_the_comments_at_the_end(file: Path) -> None:
    file.write_text('[[alerts]]\nname = "a"\nwhen = """\n# x\n"""\n\n# the end\n')
    remove_alert(file, "a")
    assert file.read_text() == "# the end\n"


def test_switching_changes_one_word_or_adds_one_line(file: Path) -> None:
    set_alert_enabled(file, "two", False)
    assert file.read_text() == FILE.replace("enabled = true", "enabled = false")
    set_alert_enabled(file, "one", False)
    assert file.read_text() == FILE.replace("enabled = true", "enabled = false").replace(
        "# the first\n", "# the first\nenabled = false\n"
    )
    set_alert_enabled(file, "one", True)
    assert [alert.enabled for alert in load(file, environ={}).config.alerts] == [True, False]


def test_a_name_that_is_not_there_gets_the_nearest(file: Path) -> None:
    for change in (lambda: remove_alert(file, "tow"), lambda: set_alert_enabled(file, "tow", True)):
        with pytest.raises(ConfigError, match=r'unknown alert "tow", did you mean "two"\?'):
            change()
    assert file.read_text() == FILE


def test_alerts_in_a_list(file: Path) -> None:
    file.write_text('theme = "x" # t\nalerts = [\n  {name = "a", when = "x"}, # first\n]\n[keys]\n')
    add_alert(file, ALERT)
    set_alert_enabled(file, "a", False)
    data = tomllib.loads(file.read_text())
    assert data["alerts"] == [{"name": "a", "when": "x", "enabled": False}, ALERT]
    assert "# t\n" in file.read_text()
    assert "# first" in file.read_text()
    remove_alert(file, "a")
    remove_alert(file, "new")
    assert tomllib.loads(file.read_text()) == {"theme": "x", "alerts": [], "keys": {}}


def test_a_file_that_does_not_parse_is_not_touched(file: Path) -> None:
    file.write_text("fps = = 3\n")
    for change in (
        lambda: add_alert(file, ALERT),
        lambda: remove_alert(file, "one"),
        lambda: set_alert_enabled(file, "one", True),
    ):
        with pytest.raises(ConfigError, match="not edited, for it has errors"):
            change()
    assert file.read_text() == "fps = = 3\n"


@pytest.mark.parametrize("text", ["alerts = 3\n", "alerts = [3]\n", '[alerts]\nname = "a"\n'])
def test_alerts_that_are_no_list_of_tables_are_not_touched(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match="not a list of tables"):
        add_alert(file, ALERT)
    assert file.read_text() == text


def test_line_ends_mark_mode_and_link_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    set_alert_enabled(link, "two", False)
    assert real.read_bytes() == b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").replace("= true", "= false").encode()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert link.is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_other(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(editing.os, "replace", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        add_alert(file, ALERT)
    assert file.read_text() == FILE
    assert os.listdir(file.parent) == ["config.toml"]


def test_a_change_by_someone_else_in_between_is_not_lost(file: Path) -> None:
    seen = file.stat()
    file.write_text(FILE + "# theirs\n")
    with pytest.raises(ConfigError, match="changed by something else"):
        write_atomically(file, "ours", seen)
    assert file.read_text().endswith("# theirs\n")


COLUMNS = (("ladder",), ("cost", "risk"))
ROWS = '[["ladder"], ["cost", "risk"]]'


def test_a_layout_is_added_at_the_end_and_opens_next_time(file: Path) -> None:
    set_layout(file, "mine", COLUMNS)
    assert file.read_text() == FILE + f'\n[layouts.mine]\ncolumns = {ROWS}\n\n[layout]\nname = "mine"\n'
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert loaded.config.layout.name == "mine"
    assert loaded.config.layouts["mine"].columns == COLUMNS


def test_a_layout_comes_into_the_template_with_every_comment_kept(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(TEMPLATE)
    set_layout(file, "my desk", COLUMNS)
    changed = TEMPLATE.replace("[layout]\n", '[layout]\nname = "my desk"\n', 1)
    assert file.read_text() == changed + f'\n[layouts."my desk"]\ncolumns = {ROWS}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '[layouts.mine] # m\ncolumns = [["tape"]]  # c\n\n# l\n[layout]\nname = "risk" # n\nbeside = "cvd"\n',
            f'[layouts.mine] # m\ncolumns = {ROWS}  # c\n\n# l\n[layout]\nname = "mine" # n\nbeside = "cvd"\n',
        ),
        (
            'layouts = {old = {columns = [["tape"]]}} # m\nlayout = {beside = "cvd"} # l\n',
            f'layouts = {{old = {{columns = [["tape"]]}}, mine = {{columns = {ROWS}}}}} # m\n'
            'layout = {beside = "cvd", name = "mine"} # l\n',
        ),
        (
            'layouts.mine.columns = [["tape"]]\nlayout.name = "cost"\n',
            f'layouts.mine.columns = {ROWS}\nlayout.name = "mine"\n',
        ),
        ("[ layout ]", f'[ layout ]\nname = "mine"\n\n[layouts.mine]\ncolumns = {ROWS}\n'),
    ],
)
def test_a_layout_goes_in_however_the_file_is_written(file: Path, before: str, after: str) -> None:
    file.write_text(before)
    set_layout(file, "mine", COLUMNS)
    assert tomllib.loads(file.read_text()) == tomllib.loads(after)
    assert [line.partition("#")[2] for line in file.read_text().split("\n") if "#" in line] == [
        line.partition("#")[2] for line in before.split("\n") if "#" in line
    ]
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert loaded.config.layout.name == "mine"


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("", COLUMNS, "not a name of a layout"),
        (" x", COLUMNS, "not a name of a layout"),
        ("x", [["lader"]], 'unknown panel "lader", did you mean "ladder"?'),
        ("x", [["ladder"], ["ladder"]], "stands in it twice"),
        ("x", [], "1 to 4 columns"),
    ],
)
def test_what_is_no_layout_is_refused(file: Path, name: str, columns: list[list[str]], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_layout(file, name, columns)
    assert message in str(caught.value)
    assert file.read_text() == FILE


@pytest.mark.parametrize(
    "text", ["layouts = 3\n", "layout = 'x'\n", "[layouts]\nmine = 3\n", "fps = = 3\n", "[[layouts]]\n"]
)
def test_a_file_whose_layouts_are_none_is_not_touched(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match="not edited"):
        set_layout(file, "mine", COLUMNS)
    assert file.read_text() == text


_NAMES = st.text(alphabet="ab.# \"'[]=é", min_size=1, max_size=6).filter(lambda name: not name[0].isspace())
_REMARKS = st.sampled_from(["", "\n", "# note\n", "\n# a\n\n# b = [\n\n"])


@given(st.lists(st.tuples(_NAMES, _REMARKS), min_size=1, max_size=5, unique_by=lambda pair: pair[0]), st.data())
def test_any_sequence_of_edits_means_what_it_says(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    file = tmp_path_factory.getbasetemp() / "edited.toml"
    file.write_text("# top\nfps = 5\n\n[keys]\npause = 'p'\n")
    expected: list[dict[str, object]] = []
    remarks = 1
    for name, remark in parts:
        add_alert(file, {"name": name, "when": "x"})
        expected.append({"name": name, "when": "x"})
        with file.open("a") as stream:
            stream.write(remark)
        remarks += remark.count("#")
    chosen = data.draw(st.sampled_from(expected))
    set_alert_enabled(file, str(chosen["name"]), False)
    chosen["enabled"] = False
    gone = data.draw(st.sampled_from(expected))
    remove_alert(file, str(gone["name"]))
    expected.remove(gone)
    parsed = tomllib.loads(file.read_text())
    assert parsed.pop("alerts", []) == expected
    assert parsed == {"fps": 5, "keys": {"pause": "p"}}
    assert sum(line.startswith("#") for line in file.read_text().split("\n")) == remarks


@given(st.lists(_NAMES, min_size=1, max_size=4))
def test_layouts_of_any_names_are_read_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "layouts.toml"
    file.write_text(FILE)
    for i, name in enumerate(names):
        set_layout(file, name, [["ladder"], ["tape", "cvd"][: 1 + i % 2]])
    data = tomllib.loads(file.read_text())
    last = {name: i for i, name in enumerate(names)}
    assert data.pop("layouts") == {
        name: {"columns": [["ladder"], ["tape", "cvd"][: 1 + i % 2]]} for name, i in last.items()
    }
    assert data.pop("layout") == {"name": names[-1]}
    assert data == tomllib.loads(FILE)
    assert file.read_text().startswith(FILE)


OWN = """# mine
theme = 'mono'   # quiet

# about the first
[[alerts]]  # the first
name = "one"   # short
when = "cvd > 5"
rearm = 0.30   # a number
# before the end
for = "2s"

# about the rest
[tape]
minimum = 5
"""


def test_an_alert_is_written_anew_and_comments_stay(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(OWN)
    replace_alert(file, "one", {"name": "one", "when": "cvd > 6", "rearm": "0.3", "for": None, "cooldown": "5m"})
    expected = OWN.replace('"cvd > 5"', '"cvd > 6"').replace('for = "2s"\n', 'cooldown = "5m"\n')
    assert sorted(file.read_text().splitlines()) == sorted(expected.splitlines())
    alert = tomllib.loads(file.read_text())["alerts"][0]
    assert alert == {"name": "one", "when": "cvd > 6", "rearm": 0.3, "cooldown": "5m"}
    assert load(file, environ={}).problems == ()
    replace_alert(file, "one", {"name": "two", "when": "cvd > 6", "rearm": "0.4"})
    assert tomllib.loads(file.read_text())["alerts"][0] == alert | {"name": "two", "rearm": "0.4"}


def test_what_is_no_change_of_an_alert_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(OWN + '[[alerts]]\nname = "two"\nwhen = "cvd > 1"\n')
    before = file.read_text()
    for name, table, said in (
        ("three", {"name": "three", "when": "x"}, "unknown alert"),
        ("one", {"name": "two", "when": "x"}, 'an alert named "two" is there already'),
        ("one", {"name": "one", "when": None}, "not an alert"),
        ("one", {"name": "one", "when": "x", "for": "soon"}, "not an alert: for"),
    ):
        with pytest.raises(ConfigError, match=said):
            replace_alert(file, name, table)
    assert file.read_text() == before


@pytest.mark.parametrize(
    "text", ["", OWN, 'presets = ["a", "b"]  # mine\n' + OWN, "# only this\n", "[tape]\nminimum = 5\n"]
)
def test_presets_are_switched_where_they_belong(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    set_presets(file, ["drawdown", "wide-spread"])
    written = file.read_text()
    assert tomllib.loads(written) == tomllib.loads(text) | {"presets": ["drawdown", "wide-spread"]}
    assert all(line in written.splitlines() for line in text.splitlines() if not line.startswith("presets"))
    assert ("# mine" in written) is ("# mine" in text)
    set_presets(file, [])
    assert tomllib.loads(file.read_text())["presets"] == []


def test_presets_make_the_file(tmp_path: Path) -> None:
    set_presets(tmp_path / "new.toml", ["drawdown"])
    assert load(tmp_path / "new.toml", environ={}).config.presets == ("drawdown",)
