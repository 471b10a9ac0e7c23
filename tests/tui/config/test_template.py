"""The file that `config init` writes is true: it loads, and switched on it says what the defaults are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.config.editing import add_alert
from tui.config.loading import load
from tui.config.model import Config
from tui.config.problems import ConfigError
from tui.config.template import TEMPLATE, write_template


def test_as_written_it_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "flowtape" / "config.toml"
    write_template(file)
    loaded = load(file, environ={})
    assert (loaded.config, loaded.problems) == (Config(), ())
    add_alert(file, {"name": "a", "when": "x"})
    assert load(file, environ={}).problems == ()


def test_switched_on_it_shows_the_defaults_and_every_key(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(re.sub(r"^#(?=[\w\[])", "", TEMPLATE, flags=re.MULTILINE))
    loaded = load(file, environ={})
    assert loaded.problems == ()
    config, default = loaded.config, Config()
    for name in ("theme", "fps", "windows", "layout", "tape", "simulator", "notify"):
        assert getattr(config, name) == getattr(default, name)
    missing = {
        field for field in Config.__struct_fields__ if not re.search(rf"^#?\[*{field}\b", TEMPLATE, re.MULTILINE)
    }
    assert missing == set()
    assert config.venues
    assert config.fees
    assert config.alerts
    assert config.keys


def test_it_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("fps = 3\n")
    with pytest.raises(ConfigError, match="--force"):
        write_template(file)
    assert file.read_text() == "fps = 3\n"
    write_template(file, force=True)
    assert file.read_text() == TEMPLATE
