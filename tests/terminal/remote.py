"""Ways to a terminal that people have: a real `sshd` on loopback, a real tmux; each as the command that leads there."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terminal.pseudo import PATIENCE, ROOT

#: Variables that a login by SSH would not hand on, but the program needs: where its packages are, its home.
_HANDED = ("HOME", "PATH", "LANG", "COLORTERM", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


def _program(name: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def _shell(command: Sequence[str], env: Mapping[str, str]) -> str:
    handed = [f"{name}={env[name]}" for name in _HANDED if name in env]
    return f"cd {shlex.quote(str(ROOT))} && exec env {shlex.join([*handed, *command])}"


@contextmanager
def over_ssh(command: Sequence[str], env: Mapping[str, str], folder: Path, *options: str) -> Iterator[tuple[str, ...]]:
    """The command that runs `command` at the other end of an SSH connection to this machine."""
    sshd, ssh, keygen = _program("sshd"), _program("ssh"), _program("ssh-keygen")
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'user.pub'}\n"
        "PidFile none\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd of Debian wants it
    log = folder / "sshd.log"
    with log.open("w") as errors:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=errors)
    try:
        _listens(port, server, log)
        yield (
            ssh, "-tt", "-F", "none", "-p", str(port), "-i", str(folder / "user"), "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", *options,
            f"{getpass.getuser()}@127.0.0.1", _shell(command, env),
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(10)


def _listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.skip(f"sshd does not run here: {log.read_text().strip()[-200:]}")
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.skip("sshd does not listen")


@contextmanager
def in_tmux(command: Sequence[str], env: Mapping[str, str], folder: Path) -> Iterator[tuple[str, ...]]:
    """The command that runs `command` in a tmux of its own, which hands 24-bit colours on."""
    tmux = _program("tmux")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tmux.conf").write_text(
        'set -g default-terminal "tmux-256color"\nset -as terminal-features ",*:RGB"\nset -g status off\n'
        "set -g escape-time 0\n"
    )
    name = str(folder / "socket")
    try:
        yield (tmux, "-u", "-S", name, "-f", str(folder / "tmux.conf"), "new-session", _shell(command, env))
    finally:
        subprocess.run([tmux, "-S", name, "kill-server"], capture_output=True)
