"""Errors name file, line, key, what was expected and the nearest name; the rest of the file still counts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands.validators import VALIDATORS
from tui.config.checks import Validators, one_of
from tui.config.loading import LoadedConfig, load
from tui.config.model import Alert, Config, Venue


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def read(file: Path, text: str, **more: object) -> LoadedConfig:
    file.write_text(text, encoding="utf-8")
    return load(file, environ={}, **more)  # type: ignore[arg-type]


def problems(file: Path, text: str, **more: object) -> list[str]:
    return [str(problem) for problem in read(file, text, **more).problems]


def test_everything_that_may_be_said(file: Path) -> None:
    loaded = read(
        file,
        """
        markets = ["binance:ETH/USDT:USDT"]
        theme = "classic"
        fps = 5
        windows = { flow = "2m", chart = "5s" }
        keys.pause = "space,p"
        tape.minimum = 1.5
        notify = { bell = false, desktop = "osc9", trouble_after = "30s" }
        [layout]
        beside = "tape"
        glyphs = "ascii"
        [venues.binance]
        rest = "http://127.0.0.1:8080/api"
        ws = "ws://localhost:9000"
        endpoints.usdm_rest = "https://mirror.example"
        channels = ["depth", "trade"]
        [simulator]
        seed = 7
        markets = ["SOL/USDT"]
        [[alerts]]
        name = "toxic"
        when = "vpin_pct(1000,50) > 0.99"
        for = "3s"
        rearm = 0.9
        cooldown = "30m"
        severity = "high"
        enabled = false
        """,
    )
    assert loaded.problems == ()
    config = loaded.config
    assert (config.markets, config.theme, config.fps) == (("binance:ETH/USDT:USDT",), "classic", 5.0)
    assert (config.windows.flow, config.windows.ofi, config.windows.chart) == ("2m", "10s", "5s")
    assert (config.keys, config.tape.minimum, config.notify.bell) == ({"pause": "space,p"}, 1.5, False)
    assert (config.layout.beside, config.layout.glyphs) == ("tape", "ascii")
    assert config.venues["binance"] == Venue(
        rest="http://127.0.0.1:8080/api",
        ws="ws://localhost:9000",
        endpoints={"usdm_rest": "https://mirror.example"},
        channels=("depth", "trade"),
    )
    assert (config.simulator.seed, config.simulator.markets) == (7, ("SOL/USDT",))
    assert config.alerts == (
        Alert(
            name="toxic",
            when="vpin_pct(1000,50) > 0.99",
            hold="3s",
            rearm="0.9",
            cooldown="30m",
            severity="high",
            enabled=False,
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('\nthme = "x"', '{file}:2: thme: unknown key "thme", did you mean "theme"?; ignored'),
        ("[windows]\nfow = '1s'", '{file}:2: windows.fow: unknown key "fow", did you mean "flow"?; ignored'),
        ("[alert]\nx=1", '{file}:1: alert: unknown key "alert", did you mean "alerts"?; ignored'),
        ("fps = 100", "{file}:1: fps: expected a number from 0.5 to 60, got 100; using 10"),
        ("fps = nan", "{file}:1: fps: expected a number from 0.5 to 60, got nan; using 10"),
        ("fps = true", "{file}:1: fps: expected a number from 0.5 to 60, got true; using 10"),
        (
            'fps = "10"',
            '{file}:1: fps: expected a number from 0.5 to 60, got "10" (write it without quotes); using 10',
        ),
        (f"fps = 1{'0' * 400}", "{file}:1: fps: expected a number from 0.5 to 60, got a huge number; using 10"),
        (
            "fps = 1979-05-27",
            "{file}:1: fps: expected a number from 0.5 to 60, got a date or time; using 10",
        ),
        ("windows = 3", "{file}:1: windows: expected a table, got 3; ignored"),
        ("keys = ['a']", "{file}:1: keys: expected a table, got a list; ignored"),
        (
            'markets = "sim:BTC/USDT"',
            '{file}:1: markets: expected a list in square brackets, got "sim:BTC/USDT"; ignored',
        ),
        (
            '[windows]\nflow = "60"',
            '{file}:2: windows.flow: expected a length of time above zero, such as "500ms", "60s" or "4h", got "60"; '
            'using "60s"',
        ),
        (
            '[windows]\nflow = "0.0s"',
            '{file}:2: windows.flow: expected a length of time above zero, such as "500ms", "60s" or "4h", got "0.0s"; '
            'using "60s"',
        ),
        (
            '[layout]\nglyphs = "asci"',
            '{file}:2: layout.glyphs: expected one of "auto", "braille", "block", "ascii", got "asci", '
            'did you mean "ascii"?; using "auto"',
        ),
        ("[keys]\n\n# why\npause = 3", "{file}:4: keys.pause: expected a text in quotes, got 3; left out"),
        (
            "[tape]\nminimum = 1\ntheme = 'mono'",
            '{file}:3: tape.theme: "theme" does not belong to [tape]: put it above the first [table]; ignored',
        ),
        (
            "simulator.markets = []",
            "{file}:1: simulator.markets: expected at least one symbol, got an empty list; using the default",
        ),
        (
            '[venues.binance]\nrest = "ftp://x"',
            "{file}:2: venues.binance.rest: expected an address that starts with https:// or http://, "
            'got "ftp://x"; this venue is not used',
        ),
        (
            '[[alerts]]\nname = "a"\nwhen = "x"\n[[alerts]]\nname = "b"',
            '{file}:4: alerts[b]: the key "when" is missing; this alert is left out',
        ),
        (
            '[[alerts]]\nname = "a"\nwhen = "x"\n[[alerts]]\nwhen = "b"',
            '{file}:4: alerts[#2]: the key "name" is missing; this alert is left out',
        ),
        (
            'alerts = [\n  { name = "a", when = "x" },\n  { name = "a", when = "y" },\n]',
            "{file}:3: alerts[a].name: another alert has this name already; this alert is left out",
        ),
        (
            '[[alerts]]\nname = "a"\nwhen = "x"\ncoldown = "1s"',
            '{file}:4: alerts[a].coldown: unknown key "coldown", did you mean "cooldown"?; this alert is left out',
        ),
    ],
)
def test_an_error_says_where_what_and_what_instead(file: Path, text: str, expected: str) -> None:
    assert problems(file, text) == [expected.format(file=file)]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'theme = "x"\nfps = = 3\n', ":2:7: not valid TOML: Invalid value"),
        (b"fps = 3\nfps = 4\n", ":2:8: not valid TOML: Cannot overwrite a value"),
        (b"fps = 3\n[windows\n", ":2:9: not valid TOML: Expected"),
        (b'theme = "x', ":1: not valid TOML: "),
        (b"fps = 3\ntheme = '\xff'\n", ":2: not UTF-8 text"),
        (b"fps = " + b"9" * 5000, ": not valid TOML: "),
        (b"a = " + b"[" * 20000, ": arrays or tables nested too deeply"),
        (b"#" * (1 << 21), ": larger than 1 MiB"),
    ],
)
def test_a_broken_file_is_named_with_its_place_and_the_defaults_serve(file: Path, content: bytes, where: str) -> None:
    file.write_bytes(content)
    loaded = load(file, environ={})
    (problem,) = loaded.problems
    assert str(problem).startswith(f"{file}{where}")
    assert str(problem).endswith("; using the defaults")
    assert loaded.config == Config()


def test_all_problems_come_at_once_and_what_is_right_stays(file: Path) -> None:
    loaded = read(
        file,
        'fps = 0\nmarkets = ["binance:BTC/USDT", 3]\n[windows]\nflow = 1\nofi = "5s"\n'
        '[[alerts]]\nname = "bad"\nwhen = 1\n[[alerts]]\nname = "good"\nwhen = "x"\n',
    )
    assert [(problem.line, problem.key) for problem in loaded.problems] == [
        (1, "fps"),
        (2, "markets[#2]"),
        (4, "windows.flow"),
        (8, "alerts[bad].when"),
    ]
    assert loaded.config.markets == ("binance:BTC/USDT",)
    assert loaded.config.windows.ofi == "5s"
    assert [alert.name for alert in loaded.config.alerts] == ["good"]


def test_a_venue_with_an_error_is_refused_rather_than_asked_at_its_real_address(file: Path) -> None:
    loaded = read(file, '[venues.a]\nrest = "https://a.example"\n[venues.b]\nrset = "https://b.example"\n')
    assert set(loaded.config.venues) == {"a"}
    assert loaded.refused_venues == {"b"}


def test_control_characters_of_the_file_do_not_reach_the_message(file: Path) -> None:
    (text,) = problems(file, '"a\\u001b[31mb" = 1')
    assert "\x1b" not in text
    assert f"{file}:1: a" in text


def test_no_file_is_no_problem_unless_it_was_named(tmp_path: Path) -> None:
    loaded = load(environ={"XDG_CONFIG_HOME": str(tmp_path)})
    assert (loaded.problems, loaded.exists, loaded.config) == ((), False, Config())
    assert loaded.path == tmp_path / "flowtape" / "config.toml"
    missing = tmp_path / "other.toml"
    for loaded in (load(missing, environ={}), load(environ={"FLOWTAPE_CONFIG": str(missing)})):
        assert [str(problem) for problem in loaded.problems] == [
            f"{missing}: no such file (`flowtape config init` writes one); using the defaults"
        ]


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, environ={}).problems
    assert str(problem).startswith(f"{tmp_path}: cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root reads everything")
def test_an_unreadable_file(file: Path) -> None:
    file.write_text("fps = 3")
    file.chmod(0)
    (problem,) = load(file, environ={}).problems
    assert "cannot be read" in str(problem)


def test_flags_before_environment_before_file_before_defaults(file: Path) -> None:
    file.write_text('fps = 4\ntheme = "from-file"\nmarkets = ["a"]\n')
    environ = {"FLOWTAPE_CONFIG": str(file), "FLOWTAPE_THEME": "from-env", "FLOWTAPE_FPS": "20"}
    loaded = load(environ=environ, overrides={"theme": "from-flag", "fps": None, "markets": ["b", "c"]})
    assert (loaded.config.theme, loaded.config.fps, loaded.config.markets) == ("from-flag", 20.0, ("b", "c"))
    assert loaded.origins["theme"] == "flag --theme"
    assert loaded.origins["fps"] == "environment FLOWTAPE_FPS"
    assert load(environ={"FLOWTAPE_CONFIG": str(file)}).origins["fps"] == f"{file}:1"
    assert "windows.flow" not in loaded.origins


def test_a_wrong_variable_is_named_and_the_file_counts(file: Path) -> None:
    file.write_text("fps = 4")
    loaded = load(file, environ={"FLOWTAPE_FPS": "fast"})
    assert loaded.config.fps == 4.0
    assert [str(problem) for problem in loaded.problems] == [
        'environment FLOWTAPE_FPS: expected a number from 0.5 to 60, got "fast"; ignored'
    ]


def test_callers_check_what_only_they_know(file: Path) -> None:
    def alert(rule: Alert) -> Iterable[tuple[str, str]]:
        if "vpn" in rule.when:
            yield "when", 'unknown metric "vpn", did you mean "vpin"?'

    def keys(mapping: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        return [(action, one_of(["pause", "quit"], "action")(action) or "") for action in mapping if action != "pause"]

    validators: Validators = {
        "theme": one_of(["okabe-dark", "classic"], "theme"),
        "market": lambda name: None if ":" in name else "expected venue:SYMBOL",
        "panel": one_of(["cvd", "tape"], "panel"),
        "venue": one_of(["binance"], "venue"),
        "keys": keys,
        "alert": alert,
    }
    text = (
        'theme = "clasic"\nmarkets = ["sim:X", "BTC"]\n[layout]\nbeside = "tap"\n[keys]\npause = "p"\nquitt = "x"\n'
        '[venues.binanc]\n[[alerts]]\nname = "a"\nwhen = "vpn(1,2) > 3"\n'
    )
    loaded = read(file, text, validators=validators)
    assert [str(problem).removeprefix(f"{file}:") for problem in loaded.problems] == [
        '1: theme: unknown theme "clasic", did you mean "classic"?; using "okabe-dark"',
        "2: markets[#2]: expected venue:SYMBOL; left out",
        '4: layout.beside: unknown panel "tap", did you mean "tape"?; using "cvd"',
        '7: keys.quitt: unknown action "quitt", did you mean "quit"?; ignored',
        '8: venues.binanc: unknown venue "binanc", did you mean "binance"?; this venue is not used',
        '11: alerts[a].when: unknown metric "vpn", did you mean "vpin"?; this alert is left out',
    ]
    assert (loaded.config.markets, loaded.config.keys, loaded.config.alerts) == (("sim:X",), {"pause": "p"}, ())
    flagged = load(file, environ={}, overrides={"theme": "mno"}, validators=validators)
    assert "flag --theme: unknown theme" in str(flagged.problems[-1])


def test_windows_line_ends_and_a_byte_order_mark(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbffps = 3\r\n[windows]\r\nflow = 1\r\n")
    loaded = load(file, environ={})
    assert loaded.config.fps == 3.0
    assert [problem.line for problem in loaded.problems] == [3]


_SCALARS = st.one_of(st.text(max_size=5), st.integers(), st.floats(), st.booleans())
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
_KEYS = st.one_of(
    st.sampled_from(["markets", "fps", "windows", "keys", "venues", "alerts", "tape"]), st.text(max_size=5)
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_whatever_the_file_holds_there_is_a_configuration(
    tmp_path_factory: pytest.TempPathFactory, data: object
) -> None:
    import tomlkit

    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(tomlkit.dumps(data).encode("utf-8", "replace").decode(), newline="")  # type: ignore[arg-type]
    config = load(file, environ={}).config
    assert 0.5 <= config.fps <= 60
    assert math.isfinite(config.tape.minimum)
    assert all(isinstance(market, str) and market for market in config.markets)


def test_layouts_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[layout]\nname = "mine"\n[layouts.mine]\ncolumns = [["ladder"], ["cost", "risk"]]\n'
        '[layouts.twice]\ncolumns = [["tape"], ["tape"]]\n'
        '[layouts.wrong]\ncolumns = [["ladder", "rsk"]]\n'
    )
    loaded = load(file, environ={}, validators=VALIDATORS)
    assert loaded.config.layout.name == "mine"
    assert {name: own.columns for name, own in loaded.config.layouts.items()} == {
        "mine": (("ladder",), ("cost", "risk")),
    }
    assert [str(problem).partition(":")[2] for problem in loaded.problems] == [
        '6: layouts.twice.columns: "tape" stands in it twice; this layout is left out',
        '8: layouts.wrong.columns[#1][#2]: unknown panel "rsk", did you mean "risk"?; this layout is left out',
    ]
    file.write_text('[layout]\nname = "scalpp"\n')
    loaded = load(file, environ={}, validators=VALIDATORS)
    assert loaded.config.layout.name == "default"
    assert [str(problem).partition(":")[2] for problem in loaded.problems] == [
        '2: layout.name: unknown layout "scalpp", did you mean "scalp"?; using "default"'
    ]
