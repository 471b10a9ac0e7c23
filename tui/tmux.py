"""What the tmux around us lets through: notifications, 24-bit colours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Run = Callable[[Sequence[str]], str | None]  # a command -> what it printed, or None when it failed

_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Tmux:
    """None stands for what could not be found out."""

    version: tuple[int, int] | None
    passthrough: str | None  # the option allow-passthrough: "off", "on", "all"
    rgb: bool | None  # 24-bit colours reach the terminal that tmux is shown on
    client_term: str | None = None  # TERM of that terminal
    client_type: str | None = None  # what it calls itself, "iTerm2 3.5.0"


def run_command(command: Sequence[str]) -> str | None:
    """Standard output of a command that ends well within two seconds, else None."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def ask(run: Run = run_command) -> Tmux:
    """Ask the tmux server that TMUX names."""
    found = re.search(r"(\d+)\.(\d+)", run(["tmux", "-V"]) or "")
    version = (int(found[1]), int(found[2])) if found else None
    features = run(["tmux", "display-message", "-p", "#{client_termfeatures}"])
    return Tmux(
        version=version,
        # The option came with 3.3; before, everything passed.
        passthrough=run(["tmux", "show-options", "-Apv", "allow-passthrough"]) or None,
        rgb="RGB" in features.split(",") if features else None,
        client_term=run(["tmux", "display-message", "-p", "#{client_termname}"]) or None,
        client_type=run(["tmux", "display-message", "-p", "#{client_termtype}"]) or None,
    )
