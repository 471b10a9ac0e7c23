"""The documentation says what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from engine.alerts.presets import PRESETS
from tui.cli import COMMANDS
from tui.config.model import Config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["keys", "metrics"])
def test_generated_pages_are_up_to_date(generate: ModuleType, page: str) -> None:
    written = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    assert written == getattr(generate, page)(), "run: python docs/generate.py"


def test_commands_and_links_of_the_readme_exist() -> None:
    for command in re.findall(r"flowtape (play|stream|markets|config|doctor)\b", README):
        assert command in COMMANDS
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_readmes_configuration_is_valid(tmp_path: Path) -> None:
    from tui.commands.validators import VALIDATORS
    from tui.config.loading import load

    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "config.toml"
    file.write_text(block)
    loaded = load(file, environ={}, validators=VALIDATORS)
    assert loaded.problems == ()
    assert len(loaded.config.alerts) == 1
    assert loaded.config.presets == Config().presets
    assert set(loaded.config.presets) <= set(PRESETS)


def test_the_screenshot_needs_nothing_from_elsewhere() -> None:
    svg = (ROOT / "docs" / "screenshot.svg").read_text("utf-8")
    assert "SIMULATED" in svg
    assert "url(" not in svg.replace("url(#", "")
    assert "@import" not in svg
