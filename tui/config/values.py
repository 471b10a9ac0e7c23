"""The kinds of values that settings have. A description completes the sentence "expected …" in an error."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

Duration = Annotated[
    str,
    Meta(
        pattern=r"^\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d)$", description='a length of time such as "500ms", "60s" or "4h"'
    ),
]
Window = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d)$",
        description='a length of time above zero, such as "500ms", "60s" or "4h"',
    ),
]
Column = Annotated[
    str, Meta(pattern=r"^[1-9]\d{0,4}(?:s|m|h)$", description='a length of time in whole seconds such as "1s" or "5m"')
]
Name = Annotated[
    str, Meta(pattern=r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,63})$", description="a name of 1 to 64 characters")
]
Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
HttpUrl = Annotated[
    str, Meta(pattern=r"^https?://[^\s/]+\S*$", description="an address that starts with https:// or http://")
]
WsUrl = Annotated[str, Meta(pattern=r"^wss?://[^\s/]+\S*$", description="an address that starts with wss:// or ws://")]
Url = Annotated[
    str,
    Meta(pattern=r"^(?:https?|wss?)://[^\s/]+\S*$", description="an address that starts with https:// or wss://"),
]
NUMBERS_TOO = {"numbers_too": True}  # a text that may be written as a TOML number
Level = Annotated[str, Meta(min_length=1, description='a level such as 0.9 or "10bps"', extra=NUMBERS_TOO)]
Repeat = Annotated[
    str,
    Meta(
        pattern=r"^(?:never|\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))$",
        description='"never" or a length of time such as "10m"',
    ),
]
TimeOfDay = Annotated[
    str, Meta(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$", description='a time of day such as "22:00" or "07:30"')
]
Severity = Literal["info", "warning", "high"]
