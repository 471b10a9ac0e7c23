"""Shipped themes are whole, readable and told apart by every eye; foreign ones can break nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.color import Color
from textual.theme import Theme
from textual.widgets import Static

from tui.themes import COLOURLESS, DEFAULT, ROLES, FlowVariables, load_themes, parse_theme, with_flow

Vector = NDArray[np.float64]
SHIPPED = load_themes()
TRUECOLOR = sorted(name for name, theme in SHIPPED.themes.items() if not theme.ansi)

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISIONS: dict[str, Vector] = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: Color) -> Vector:
    c = np.array(color.rgb) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: Color, b: Color) -> float:
    """WCAG 2 contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    high, low = sorted((float(linear(a) @ weights), float(linear(b) @ weights)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Vector) -> Vector:
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: Vector, two: Vector) -> float:
    """Colour difference of two Lab colours (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_m, c_m = (l1 + l2) / 2, (c1 + c2) / 2
    h_m = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = 1 - 0.17 * np.cos(np.radians(h_m - 30)) + 0.24 * np.cos(np.radians(2 * h_m))
    t += 0.32 * np.cos(np.radians(3 * h_m + 6)) - 0.2 * np.cos(np.radians(4 * h_m - 63))
    s_l = 1 + 0.015 * (l_m - 50) ** 2 / np.sqrt(20 + (l_m - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_m, 1 + 0.015 * c_m * t
    rotation = -2 * np.sqrt(c_m**7 / (c_m**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((h_m - 275) / 25) ** 2))))
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    return float(np.sqrt(d_l**2 + d_c**2 + (d_h / s_h) ** 2 + rotation * d_c * (d_h / s_h)))


def color(theme: Theme, variable: str) -> Color:
    return Color.parse(with_flow({**theme.to_color_system().generate(), **theme.variables})[variable])


def test_the_colour_difference_agrees_with_published_pairs() -> None:
    # Sharma, Wu and Dalal 2005, table 1, pairs 1, 7 and 17.
    for one, two, expected in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ):
        assert ciede2000(np.array(one, float), np.array(two, float)) == pytest.approx(expected, abs=2e-4)


def test_every_shipped_theme_loads_without_a_problem() -> None:
    assert SHIPPED.problems == []
    assert {DEFAULT, COLOURLESS, "okabe-light", "classic", "inverse", "ansi", "high-contrast"} == set(SHIPPED.themes)


@pytest.mark.parametrize("name", TRUECOLOR)
@pytest.mark.parametrize("role", ["flow-bid", "flow-ask", "flow-alert", "flow-toxic", "flow-large", "foreground"])
def test_text_stands_out_from_the_background(name: str, role: str) -> None:
    theme = SHIPPED.themes[name]
    assert contrast(color(theme, role), color(theme, "background")) >= 4.5


@pytest.mark.parametrize("name", TRUECOLOR)
def test_quiet_text_can_still_be_read(name: str) -> None:
    theme = SHIPPED.themes[name]
    assert contrast(color(theme, "flow-dim"), color(theme, "background")) >= 4.5


@pytest.mark.parametrize("name", TRUECOLOR)
@pytest.mark.parametrize("flash", ["flow-flash-up", "flow-flash-down"])
def test_text_can_be_read_on_a_flash(name: str, flash: str) -> None:
    theme = SHIPPED.themes[name]
    assert contrast(color(theme, "foreground"), color(theme, flash)) >= 3


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("name", "floor"), [("okabe-dark", 45), ("okabe-light", 40), ("high-contrast", 40)])
def test_the_sides_differ_for_every_eye(name: str, floor: float, vision: str) -> None:
    theme = SHIPPED.themes[name]
    seen = [lab(VISIONS[vision] @ linear(color(theme, role))) for role in ("flow-bid", "flow-ask")]
    assert ciede2000(*seen) >= floor


def test_inverse_is_red_up() -> None:
    bid, ask = (color(SHIPPED.themes["inverse"], role) for role in ("flow-bid", "flow-ask"))
    assert bid.r > bid.g
    assert ask.g > ask.r


def test_mono_has_no_hue() -> None:
    theme = SHIPPED.themes["mono"]
    assert all(len(set(color(theme, f"flow-{role}").rgb)) == 1 for role in ROLES)


def test_ansi_uses_only_the_palette_of_the_terminal() -> None:
    theme = SHIPPED.themes["ansi"]
    assert theme.ansi
    assert all(color(theme, f"flow-{role}").ansi is not None for role in ROLES)


def test_left_out_roles_are_derived_from_the_palette() -> None:
    theme, problems = parse_theme(
        '[colors]\nprimary = "#336699"\nbackground = "#000000"\nsuccess = "#00ff00"', "t", "t"
    )
    assert theme is not None
    assert not problems
    assert color(theme, "flow-bid") == color(theme, "flow-buy") == Color.parse("#00ff00")
    bar = color(theme, "flow-bid-bar")
    assert 0 < bar.g < 255
    assert bar.r == bar.b == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not toml", "mine.toml: "),
        ('colors = "blue"', "colors must be a table"),
        ('[colors]\nprimary = "#12"', "colors.primary = '#12' is not a colour"),
        ("[colors]\nprimary = 3", "colors.primary = '3' is not a colour"),
        ('[colours]\nprimary = "red"', "did you mean 'colors'?"),
        ('[colors]\nprimary = "red"\n[flow]\nbif = "red"', "did you mean 'bid'?"),
        ('[colors]\nprimary = "red"\n[flow]\nbid = "$success"', "flow.bid = '$success' is not a colour"),
        ('[colors]\nprimary = "red"\n[textual]\nbutton-focus-text-style = "loud"', "is not a text style"),
        ('name = "\\u001b[2J"\n[colors]\nprimary = "red"', "use lower-case letters"),
        ("[colors]", "colors.primary is needed"),
    ],
)
def test_a_wrong_file_is_reported_with_its_name_and_key(text: str, expected: str) -> None:
    _, problems = parse_theme(text, "mine.toml", "mine")
    assert any(expected in problem and problem.startswith("mine.toml: ") for problem in problems), problems
    assert "\x1b" not in "".join(problems)


def test_good_keys_survive_bad_ones() -> None:
    theme, problems = parse_theme('[colors]\nprimary = "#336699"\nerror = "oops"\n[flow]\nbid = "#010203"', "t", "t")
    assert theme is not None
    assert len(problems) == 1
    assert color(theme, "flow-bid") == Color.parse("#010203")


def test_the_users_folder_adds_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[colors]\nprimary = "#336699"', "utf-8")
    (tmp_path / "classic.toml").write_text('[colors]\nprimary = "#111111"', "utf-8")
    (tmp_path / "broken.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "huge.toml").write_text("#" * 70_000, "utf-8")
    (tmp_path / "notes.txt").write_text("no theme", "utf-8")
    found = load_themes(tmp_path)
    assert found.themes["mine"].primary == "#336699"
    assert found.themes["classic"].primary == "#111111"
    assert [problem.rpartition("/")[2].partition(":")[0] for problem in found.problems] == ["broken.toml", "huge.toml"]


def test_a_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert load_themes(tmp_path / "none").problems == []


def test_an_unknown_theme_falls_back_and_says_so() -> None:
    assert SHIPPED.choose("classic") == ("classic", None)
    name, problem = SHIPPED.choose("clasic")
    assert name == DEFAULT
    assert problem is not None
    assert "did you mean 'classic'?" in problem


class Swatches(FlowVariables):
    """Uses every role in a style sheet."""

    CSS = "\n".join(f"#{role} {{ color: $flow-{role}; background: $background; }}" for role in ROLES)

    def compose(self) -> ComposeResult:
        yield from (Static(role, id=role) for role in ROLES)


@pytest.mark.parametrize("name", [*SHIPPED.themes, "textual-dark"])
async def test_every_role_is_a_variable_under_every_theme(name: str) -> None:
    app = Swatches()
    if name not in app.available_themes:
        for theme in SHIPPED.themes.values():
            app.register_theme(theme)
    async with app.run_test() as pilot:
        app.theme = name
        await pilot.pause()
        assert app.query_one("#bid").styles.color == Color.parse(app.theme_variables["flow-bid"])
