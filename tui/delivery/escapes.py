"""The bytes that make a terminal notify: BEL, OSC 9, OSC 777 (urxvt), OSC 99 (kitty), OSC 2 for the title.

A multiplexer swallows what it doesn't know. tmux hands on what comes as `ESC P tmux; … ESC \\` with every ESC inside
doubled, if its option allow-passthrough lets it; GNU screen hands on what comes as `ESC P … ESC \\`. Inside either the
sequences end with BEL, never with `ESC \\`, which would end the wrapping. BEL itself needs no wrapping.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2s
from typing import Literal

from tui.untrusted import escape_text

Protocol = Literal["osc9", "osc777", "osc99", "none"]
Multiplexer = Literal["tmux", "screen"] | None

BEL = "\a"
_ESC, _ST = "\x1b", "\x1b\\"
#: Cells, and bytes: GNU screen before version 5 drops a string of more than 768 bytes.
_TITLE, _BODY = (64, 200), (120, 360)
_URGENCY = {"info": 0, "warning": 1, "high": 2}
PUSH_TITLE, POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"


def notification(
    protocol: Protocol, multiplexer: Multiplexer, title: str, body: str, *, severity: str, key: str, ascii_only: bool
) -> str:
    """The sequence that shows a desktop notification, wrapped for the multiplexer; empty for "none".

    Text loses every control and hidden character, and all but ASCII with `ascii_only`: where text is not UTF-8, one
    byte of a character may be a control. `key` names it, so that the same one told again takes its own place.
    """
    title, body = _safe(title, _TITLE, ascii_only), _safe(body, _BODY, ascii_only)
    if protocol == "osc9":
        # Some take a number at the start for a command of their own.
        line = f"{title}: {body}" if title and not title[0].isdigit() else f"flowtape: {title} {body}"
        return wrap(f"{_ESC}]9;{line}{BEL}", multiplexer)
    if protocol == "osc777":
        fields = (text.replace(";", ",") for text in (title, body))
        return wrap(f"{_ESC}]777;notify;{';'.join(fields)}{BEL}", multiplexer)
    if protocol == "osc99":
        name = blake2s(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        urgency = _URGENCY.get(severity, 1)
        first = f"{_ESC}]99;i={name}:d=0:e=1:u={urgency};{_base64(title)}{BEL}"
        second = f"{_ESC}]99;i={name}:d=1:e=1:p=body;{_base64(body)}{BEL}"
        return wrap(first, multiplexer) + wrap(second, multiplexer)
    return ""


def window_title(text: str, *, ascii_only: bool) -> str:
    """Sets the terminal's title; a multiplexer takes it for its own, so it is never wrapped."""
    return f"{_ESC}]2;{_safe(text, _TITLE, ascii_only)}{BEL}"


def wrap(sequence: str, multiplexer: Multiplexer) -> str:
    """So that the terminal around the multiplexer gets the sequence."""
    if multiplexer == "tmux":
        return f"{_ESC}Ptmux;{sequence.replace(_ESC, _ESC + _ESC)}{_ST}"
    if multiplexer == "screen":
        return f"{_ESC}P{sequence}{_ST}"
    return sequence


def _safe(text: str, most: tuple[int, int], ascii_only: bool) -> str:
    cells, length = most
    text = escape_text(text, cells)
    if ascii_only:
        text = text.encode("ascii", "replace").decode("ascii")
    return text.encode("utf-8", "replace")[:length].decode("utf-8", "ignore")


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "replace")).decode("ascii")
