"""Every key of a TOML document is found on its line."""

from __future__ import annotations

import tomllib
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from tui.config.positions import Path, key_lines, line_of

DOCUMENT = '''\
# a comment with [brackets] and = signs
top = "a # no comment"   # one
"quoted key" = 'C:\\'
multi = """
[not.a.table]
x = 1 \\"""
""""
a.b . "c" = [
  1, # first ]
  [2, "]"],
  { d = 3, e.f = "}" },
]
lit = \'\'\'
k = 1\'\'\'

[table]
x = 1979-05-27T07:32:00Z
empty = {}

[table.sub]
y = -inf
[[list]]
n = 1
[list.inner]
deep = true
[[list]]
  n = 2
  [[list.more]]
  z = []
'''


def test_each_line() -> None:
    assert key_lines(DOCUMENT) == {
        ("top",): 2,
        ("quoted key",): 3,
        ("multi",): 4,
        ("a",): 8,
        ("a", "b"): 8,
        ("a", "b", "c"): 8,
        ("a", "b", "c", 0): 9,
        ("a", "b", "c", 1): 10,
        ("a", "b", "c", 1, 0): 10,
        ("a", "b", "c", 1, 1): 10,
        ("a", "b", "c", 2): 11,
        ("a", "b", "c", 2, "d"): 11,
        ("a", "b", "c", 2, "e"): 11,
        ("a", "b", "c", 2, "e", "f"): 11,
        ("lit",): 13,
        ("table",): 16,
        ("table", "x"): 17,
        ("table", "empty"): 18,
        ("table", "sub"): 20,
        ("table", "sub", "y"): 21,
        ("list",): 22,
        ("list", 0): 22,
        ("list", 0, "n"): 23,
        ("list", 0, "inner"): 24,
        ("list", 0, "inner", "deep"): 25,
        ("list", 1): 26,
        ("list", 1, "n"): 27,
        ("list", 1, "more"): 28,
        ("list", 1, "more", 0): 28,
        ("list", 1, "more", 0, "z"): 29,
    }


def test_a_missing_key_has_the_line_of_its_table() -> None:
    lines = key_lines(DOCUMENT)
    assert line_of(lines, ("list", 1, "nowhere")) == 26
    assert line_of(lines, ("nowhere",)) is None


def _paths(value: Any, path: Path = ()) -> set[Path]:
    found = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found.union(*(_paths(item, (*path, key)) for key, item in items))


_VALUES = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=4))
def test_every_key_of_any_document_is_found(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    assert set(key_lines(text)) == _paths(tomllib.loads(text))
