"""Exact bytes for every terminal inside every multiplexer; hostile text stays text."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.delivery.escapes import BEL, Multiplexer, Protocol, notification, window_title, wrap


def made(protocol: Protocol, multiplexer: Multiplexer = None, title: str = "toxic", body: str = "VPIN high") -> bytes:
    text = notification(protocol, multiplexer, title, body, severity="high", key="k", ascii_only=False)
    return text.encode()


OSC99_TITLE = b"\x1b]99;i=c53e93b11806be70:d=0:e=1:u=2;dG94aWM=\a"
OSC99_BODY = b"\x1b]99;i=c53e93b11806be70:d=1:e=1:p=body;VlBJTiBoaWdo\a"


@pytest.mark.parametrize(
    ("protocol", "multiplexer", "expected"),
    [
        ("osc9", None, b"\x1b]9;toxic: VPIN high\a"),
        ("osc9", "tmux", b"\x1bPtmux;\x1b\x1b]9;toxic: VPIN high\a\x1b\\"),
        ("osc9", "screen", b"\x1bP\x1b]9;toxic: VPIN high\a\x1b\\"),
        ("osc777", None, b"\x1b]777;notify;toxic;VPIN high\a"),
        ("osc777", "tmux", b"\x1bPtmux;\x1b\x1b]777;notify;toxic;VPIN high\a\x1b\\"),
        ("osc777", "screen", b"\x1bP\x1b]777;notify;toxic;VPIN high\a\x1b\\"),
        ("osc99", None, OSC99_TITLE + OSC99_BODY),
        (
            "osc99",
            "tmux",
            b"\x1bPtmux;\x1b" + OSC99_TITLE + b"\x1b\\" + b"\x1bPtmux;\x1b" + OSC99_BODY + b"\x1b\\",
        ),
        ("osc99", "screen", b"\x1bP" + OSC99_TITLE + b"\x1b\\" + b"\x1bP" + OSC99_BODY + b"\x1b\\"),
        ("none", None, b""),
        ("none", "tmux", b""),
    ],
)
def test_bytes(protocol: Protocol, multiplexer: Multiplexer, expected: bytes) -> None:
    assert made(protocol, multiplexer) == expected


def test_a_number_at_the_start_is_no_command() -> None:
    assert made("osc9", title="4", body="1") == b"\x1b]9;flowtape: 4 1\a"
    assert made("osc9", title="", body="4;1;50") == b"\x1b]9;flowtape:  4;1;50\a"


def test_a_semicolon_does_not_end_a_field() -> None:
    assert made("osc777", title="a;b", body="c;d") == b"\x1b]777;notify;a,b;c,d\a"


def test_only_ascii_where_text_is_not_utf8() -> None:
    # The UTF-8 of this letter holds 0x9B, which is CSI to a terminal that reads bytes.
    text = notification("osc9", None, "蛛", "⅜", severity="info", key="k", ascii_only=True)
    assert text == "\x1b]9;?: ?\a"
    assert window_title("蛛!", ascii_only=True) == "\x1b]2;?!\a"


HOSTILE = st.text(
    st.one_of(st.sampled_from("\x1b\x07\x9b\x9c\x9d\x90\x00\r\n\\]P;[:\u202e\u200b"), st.characters(codec="utf-8")),
    max_size=300,
)


@given(HOSTILE, HOSTILE, st.sampled_from(["osc9", "osc777", "osc99"]), st.booleans())
def test_hostile_text_can_not_leave_the_sequence(title: str, body: str, protocol: Protocol, narrow: bool) -> None:
    """Whatever a symbol or a message holds: one OSC, closed where we close it, with nothing in it but text."""
    plain = notification(protocol, None, title, body, severity="info", key=title, ascii_only=narrow)
    found = re.findall(r"\x1b\]([^\x07\x1b]*)\x07", plain)
    assert "".join(f"\x1b]{inside}{BEL}" for inside in found) == plain
    assert len(found) == (2 if protocol == "osc99" else 1)
    for inside in found:
        assert not [c for c in inside if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
        assert not narrow or inside.isascii()
        assert len(inside.encode()) < 700
    if protocol == "osc777":
        assert found[0].count(";") == 3
    if protocol == "osc9":
        assert not found[0][2].isdigit()
    if protocol == "osc99":
        for inside in found:
            shown = b64decode(inside.rpartition(";")[2]).decode()
            assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    for multiplexer in ("tmux", "screen"):
        wrapped = notification(protocol, multiplexer, title, body, severity="info", key=title, ascii_only=narrow)
        assert unwrapped(wrapped, multiplexer) == plain


def unwrapped(text: str, multiplexer: str) -> str:
    """As a multiplexer reads it: up to `ESC \\`, in tmux with two ESC for one."""
    start = "\x1bPtmux;" if multiplexer == "tmux" else "\x1bP"
    out = ""
    while text:
        assert text.startswith(start)
        text = text[len(start) :]
        while not text.startswith("\x1b\\"):
            if multiplexer == "tmux" and text[0] == "\x1b":
                assert text[1] == "\x1b"
                text = text[1:]
            out += text[0]
            text = text[1:]
        text = text[2:]
    return out


@given(HOSTILE)
def test_nor_the_title(text: str) -> None:
    sequence = window_title(text, ascii_only=False)
    assert re.fullmatch(r"\x1b\]2;[^\x00-\x1f\x7f-\x9f]*\x07", sequence)


def test_wrapping_alone() -> None:
    assert wrap("\x1b]0;x\x07", None) == "\x1b]0;x\x07"
