"""The registry of actions: whole, free of clashes, and strict with the user's own keys."""

from __future__ import annotations

import pytest

from tui.actions import (
    ACTIONS,
    APP,
    BY_ID,
    MAIN,
    bindings,
    check_keys,
    grouped,
    key_text,
    keys_of,
    readme_table,
    usable_keys,
)
from tui.app import FlowtapeApp
from tui.screens.main import MainScreen


def test_ids_are_unique_and_no_key_does_two_things() -> None:
    assert len(BY_ID) == len(ACTIONS)
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(set(keys)) == len(keys)
    assert check_keys({}) == []


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_carried_out_somewhere(action) -> None:  # type: ignore[no-untyped-def]
    owner = FlowtapeApp if action.scope == APP else MainScreen
    assert callable(getattr(owner, "action_" + action.action.partition("(")[0]))
    assert action.title
    assert action.tooltip
    assert action.group


def test_bindings_carry_the_ids_that_users_remap() -> None:
    ids = {binding.id for scope in (APP, MAIN) for binding in bindings(scope)}
    assert ids == set(BY_ID)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"puase": "p"}, "did you mean 'pause'?"),
        ({"qqqqqq": "p"}, "keys.qqqqqq: no such action"),
        ({"pause": "foo"}, "'foo' is no key"),
        ({"pause": ""}, "no key given"),
        ({"pause": "ctrl+"}, "is no key"),
        ({"zoom": "t"}, "already does 'theme'"),
        ({"pause": "f5", "zoom": "f5"}, "already does 'pause'"),
    ],
)
def test_wrong_keys_are_named(mapping: dict[str, str], expected: str) -> None:
    problems = check_keys(mapping)
    assert len(problems) == 1
    assert expected in problems[0]


def test_good_keys_pass_in_every_way_of_writing_them() -> None:
    mapping = {"pause": "space, f5", "zoom": "comma", "seek_back": "ctrl+b", "help": "?", "theme": "Ö"}
    assert check_keys(mapping) == []
    assert usable_keys(mapping)["help"] == "question_mark"
    assert keys_of(BY_ID["pause"], mapping) == ("space", "f5")


def test_two_actions_may_swap_keys() -> None:
    assert check_keys({"theme": "z", "zoom": "t"}) == []


def test_only_usable_keys_are_used() -> None:
    assert usable_keys({"nonsense": "x", "pause": "foo", "zoom": "f6"}) == {"zoom": "f6"}


def test_the_readme_table_holds_every_action() -> None:
    lines = readme_table().splitlines()
    assert len(lines) == 2 + len(ACTIONS)
    assert all(line.count("|") == 5 for line in lines)
    assert "| `?` `F1` | Help | `help` |" in readme_table()


def test_replay_actions_are_listed_only_while_replaying() -> None:
    assert "Replay" in grouped(replay=True)
    assert "Replay" not in grouped(replay=False)


def test_keys_are_written_as_people_do() -> None:
    assert [key_text(key) for key in ("question_mark", "ctrl+p", "f1", "A", "space", "full_stop")] == [
        "?", "Ctrl+P", "F1", "A", "Space", ".",
    ]  # fmt: skip
