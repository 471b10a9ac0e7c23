"""Doctor names what is wrong and what to do about it, and prints nothing but text."""

from __future__ import annotations

import argparse
import importlib.metadata
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui.commands import doctor
from tui.commands.doctor import Finding, answers, configuration, notifications, python_and_packages, report, terminal
from tui.commands.failure import UsageError
from tui.config.model import Config, Layout, Terminal
from tui.driver.answers import Answers

UTF8 = {"LANG": "en_US.UTF-8"}


def _by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.about: finding for finding in findings}


def _tmux(passthrough: str | None = "off", features: str | None = "256,RGB,title", version: str | None = "tmux 3.4"):
    answers = {"-V": version, "show-options": passthrough, "display-message": features}
    return lambda command: answers[command[1]]


def test_this_installation_is_sound() -> None:
    findings = list(python_and_packages())
    assert {finding.level for finding in findings} == {"ok"}
    assert _by_name(findings)["textual"].text == "8.2.8"


def test_versions_that_do_not_fit() -> None:
    versions = {"textual": "8.3.0", "numpy": "1.26.4", "msgspec": "0.19"}

    def installed(name: str) -> str:
        try:
            return versions[name]
        except KeyError:
            raise importlib.metadata.PackageNotFoundError(name) from None

    needed = ["textual==8.2.8", "numpy>=2.0", "lark>=1.2", "msgspec>=0.19.0", 'pytest>=8; extra == "dev"']
    found = _by_name(list(python_and_packages((3, 10, 1), lambda: needed, installed)))
    assert {name: finding.level for name, finding in found.items()} == {
        "Python": "fail",
        "textual": "warn",
        "numpy": "fail",
        "lark": "fail",
        "msgspec": "ok",
    }
    assert "made for exactly 8.2.8" in found["textual"].text
    assert "needed is 2.0 or newer" in found["numpy"].text
    assert all(finding.advice for finding in found.values() if finding.level != "ok")


def test_a_checkout_that_is_not_installed() -> None:
    def missing() -> list[str]:
        raise importlib.metadata.PackageNotFoundError("flowtape")

    assert _by_name(list(python_and_packages(requirements=missing)))["packages"].level == "warn"


def test_a_good_terminal_needs_nothing() -> None:
    findings = list(
        terminal({"TERM": "xterm-kitty", **UTF8}, interactive=True, size=(120, 40), platform="linux", run=_tmux())
    )
    assert [(finding.about, finding.level, finding.advice) for finding in findings] == [
        ("terminal", "ok", ""),
        ("size", "ok", ""),
        ("colours", "ok", ""),
        ("characters", "ok", ""),
        ("mouse", "ok", ""),
        ("driver", "ok", ""),
    ]


def test_a_poor_terminal_gets_advice() -> None:
    environ = {"TERM": "dumb", "LANG": "C", "SSH_CONNECTION": "1 2 3 4"}
    found = _by_name(list(terminal(environ, interactive=False, size=(59, 20), platform="linux")))
    assert {name: finding.level for name, finding in found.items()} == {
        "terminal": "warn",
        "size": "fail",
        "colours": "warn",
        "characters": "warn",
        "mouse": "ok",
        "driver": "ok",
        "SSH": "ok",
    }
    assert "60 by 16" in found["size"].advice
    assert found["mouse"].text == "off (over SSH)"
    assert "TERM=dumb" in found["driver"].text
    assert all(finding.advice for name, finding in found.items() if name != "mouse")


def test_what_the_configuration_overrides_is_called_asked_for() -> None:
    config = Config(terminal=Terminal(color="16", mouse="off", driver="stock"), layout=Layout(glyphs="block"))
    environ = {"TERM": "xterm-kitty", **UTF8}
    found = _by_name(list(terminal(environ, interactive=True, size=None, platform="linux", config=config)))
    assert found["colours"].text.startswith("16 colours (asked for)")
    assert found["characters"].text == "block (asked for)"
    assert found["mouse"].text == "off (asked for)"
    assert found["driver"].text.startswith("stock")
    assert found["driver"].text.endswith("(asked for)")


@pytest.mark.parametrize(
    ("said", "level", "text", "whole"),
    [
        (Answers(0.0424, True), "ok", "42 ms", "at once"),
        (Answers(0.2, None), "ok", "200 ms", "half done"),
        (Answers(None, None), "warn", "does not answer", "half done"),
    ],
)
def test_what_the_terminal_says_itself(said: Answers, level: str, text: str, whole: str) -> None:
    found = _by_name(list(answers({}, lambda mode: said)))
    assert found["round trip"].level == level
    assert text in found["round trip"].text
    assert whole in found["whole pictures"].text


def test_a_terminal_that_cannot_be_asked() -> None:
    def ask(mode: bool) -> Answers:
        assert not mode
        raise OSError(25, "Inappropriate ioctl for device")

    (finding,) = answers({"TERM_PROGRAM": "Apple_Terminal"}, ask)
    assert (finding.level, "cannot be asked" in finding.text) == ("warn", True)


def test_colours_that_the_user_declined_are_no_defect() -> None:
    found = _by_name(list(terminal({"TERM": "xterm", "NO_COLOR": "1", **UTF8}, interactive=True, size=None)))
    assert found["colours"].level == "ok"
    assert "NO_COLOR" in found["colours"].text


@pytest.mark.parametrize(
    ("run", "levels"),
    [
        (_tmux(), ["ok", "ok"]),
        (_tmux("on"), ["ok", "ok"]),
        (_tmux("on", "256,title"), ["ok", "warn"]),
        (_tmux("on", ""), ["ok", "ok"]),
        (_tmux(None, None, "tmux 3.2a"), ["ok", "ok"]),
        (_tmux(None, None, None), ["warn"]),
    ],
)
def test_tmux(run: doctor.Run, levels: list[str]) -> None:
    environ = {"TERM": "tmux-256color", "TMUX": "x", "COLORTERM": "truecolor", **UTF8}
    findings = list(terminal(environ, interactive=True, size=None, run=run))
    assert [finding.level for finding in findings if finding.about.startswith("tmux")] == levels


def test_the_configuration_and_its_problems(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    (nothing,) = configuration(None, environ)
    assert nothing.level == "ok"
    assert "config init" in nothing.advice
    file = tmp_path / "c.toml"
    file.write_text("\nthme = 'x'\n")
    findings = list(configuration(file, environ))
    assert [finding.level for finding in findings] == ["ok", "fail"]
    assert findings[1].text == f'{file}:2: thme: unknown key "thme", did you mean "theme"?; ignored'


@pytest.mark.parametrize(
    ("environ", "passthrough", "level", "text"),
    [
        ({"TERM": "foot"}, None, "ok", "OSC 777 (the terminal is foot"),
        ({"TERM": "xterm-256color"}, None, "ok", "the bell only (the terminal is not known)"),
        ({"TERM": "tmux-256color", "TMUX": "x"}, "on", "ok", "OSC 99 inside tmux (the terminal is kitty"),
        ({"TERM": "tmux-256color", "TMUX": "x"}, "off", "warn", "OSC 99 inside tmux, which tmux holds back"),
    ],
)
def test_the_path_of_notifications(
    tmp_path: Path, environ: dict[str, str], passthrough: str | None, level: str, text: str
) -> None:
    def run(command: Sequence[str]) -> str | None:
        return "tmux 3.4" if command[1] == "-V" else passthrough if command[1] == "show-options" else "xterm-kitty"

    (found,) = notifications(None, {"XDG_CONFIG_HOME": str(tmp_path), **environ, **UTF8}, run)
    assert (found.about, found.level) == ("notifications", level)
    assert found.text.startswith(text)
    assert ("allow-passthrough on" in found.advice) == (level == "warn")


def test_alerts_that_wait_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tui.delivery.notes import note
    from tui.commands import notify
    from tui.delivery.building import outbox_path
    from tui.delivery.outbox import Outbox

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    environ = {"TERM": "foot", "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **UTF8}
    assert "outbox" not in _by_name(list(notifications(None, environ)))
    outbox = Outbox(outbox_path(environ))
    outbox.add([("ops", note(0), b"{}"), ("ops", note(1), b"{}"), ("old", note(0), b"{}")])
    outbox.close()
    found = _by_name(list(notifications(None, environ)))["outbox"]
    assert found.text == "alerts wait to be delivered: 1 for old, 2 for ops"

    file = tmp_path / "c.toml"
    file.write_text('[[sinks]]\nname="ops"\nkind="file"\npath="x"\n[[sinks]]\nname="calm"\nkind="file"\npath="y"\n')
    parser = argparse.ArgumentParser()
    notify.add_parser(parser.add_subparsers())
    args = parser.parse_args(["notify", "status", "--config", str(file)])
    assert args.run(args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"outbox  {outbox_path(environ)}"
    assert [line.split()[:3] for line in lines[1:]] == [
        ["ops", "2", "waiting,"],
        ["calm", "0", "waiting"],
        ["old", "1", "waiting,"],
    ]
    assert "no longer configured" in lines[3]
    assert not (tmp_path / "y").exists()

    for name, text in (("old", "old: 1 alerts are no longer delivered"), ("calm", "calm: 0 alerts are")):
        args = parser.parse_args(["notify", "drop", name, "--config", str(file)])
        assert args.run(args) == 0
        assert capsys.readouterr().out.startswith(text)
    with pytest.raises(UsageError, match='did you mean "ops"'):
        notify.run_drop(parser.parse_args(["notify", "drop", "opps", "--config", str(file)]))
    assert _by_name(list(notifications(None, environ)))["outbox"].text.endswith(": 2 for ops")


def test_sinks_that_can_not_be_used(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[[sinks]]\nname="a"\nkind="webhook"\nurl_env="NOT_SET"\n[[sinks]]\nname="b"\nkind="file"\npath="x"\n'
    )
    found = _by_name(list(notifications(file, {"TERM": "foot", **UTF8})))
    assert (found["sink a"].level, found["sink b"].level) == ("fail", "ok")
    assert found["sink a"].text == "the environment variable NOT_SET is not set"


def test_a_broken_theme_of_the_user_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "flowtape" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("name = ")
    (_, theme) = configuration(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert (theme.about, theme.level) == ("themes", "warn")
    assert "mine.toml" in theme.text


def test_the_report_is_plain_text(tmp_path: Path) -> None:
    lines = list(report([Finding("ok", "a", "x\x1b[2J\n\u202ey"), Finding("warn", "long name", "z", "do \x07 this")]))
    assert lines[0].startswith("ok    a          x")
    assert lines[2].lstrip().startswith("-> do ")
    assert lines[-1] == "1 ok, 1 to look at, 0 failed"
    assert not any(unicodedata.category(char) in ("Cc", "Cf") for line in lines for char in line)


def test_the_exit_code_says_whether_something_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    file = tmp_path / "c.toml"
    file.write_text("fps = 'x'\n")
    args = parser.parse_args(["doctor", "--config", str(file)])
    assert args.run(args) == 1
    assert f"{file}:1: fps: expected a number" in capsys.readouterr().out
    file.write_text("fps = 5\n")
    assert args.run(args) == 0
    assert "\x1b" not in capsys.readouterr().out
