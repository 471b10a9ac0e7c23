"""The files stand where people of each platform expect them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.config import paths


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_xdg_counts_on_linux_and_macos(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths.sys, "platform", platform)
    environ = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    assert paths.config_path(environ) == tmp_path / "XDG_CONFIG_HOME" / "flowtape" / "config.toml"
    assert paths.themes_dir(environ) == tmp_path / "XDG_CONFIG_HOME" / "flowtape" / "themes"
    assert paths.state_dir(environ) == tmp_path / "XDG_STATE_HOME" / "flowtape"


def test_a_relative_xdg_path_is_ignored() -> None:
    assert paths.config_dir({"XDG_CONFIG_HOME": "here"}) == paths.config_dir({})


def test_the_variable_names_a_file() -> None:
    assert paths.config_path({"FLOWTAPE_CONFIG": "~/my.toml"}) == Path.home() / "my.toml"
