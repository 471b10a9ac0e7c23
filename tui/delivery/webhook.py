"""A webhook: the payload as JSON by HTTP POST, signed.

Headers after the Standard Webhooks specification 1.0: `webhook-id` is the idempotency key, the same for every try at
one alert; `webhook-timestamp` the time of the try in seconds; `webhook-signature` is `v1,` and the base64 of
HMAC-SHA256 over `id.timestamp.body`, with the secret's bytes (a secret that begins with `whsec_` is base64).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tui.delivery.sink import Letter, Refused, Trouble

if TYPE_CHECKING:
    import aiohttp

#: What the receiver says against this very message; everything else may be put right on its side, or on ours.
_FINAL = frozenset({400, 405, 406, 413, 414, 415, 422, 431})
_MOST_WAIT = 3600.0


class Webhook:
    """POSTs letters to one address. `secret` None: not signed."""

    def __init__(self, url: str, secret: str | None, timeout: float, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._secret = None if secret is None else secret_bytes(secret)
        self._timeout = timeout
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def send(self, letter: Letter) -> None:
        """See Sink: any 2xx is the receiver's word. Redirects are not followed."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(
                self._url,
                data=letter.body,
                headers=self._headers(letter),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                allow_redirects=False,
            ) as answer:
                status = answer.status
                if 200 <= status < 300:
                    return
                again = _retry_after(answer.headers.get("Retry-After"), self._clock())
        except TimeoutError:
            raise Trouble(f"no answer within {self._timeout:g} s") from None
        except aiohttp.InvalidURL:
            raise Trouble("the address is not a URL") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise Trouble(self._unreachable(error.certificate_error)) from None
        except aiohttp.ClientConnectorError as error:
            # Its text names TLS settings too, which nobody has asked for.
            raise Trouble(self._unreachable(error.os_error)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Trouble(self._clean(error)) from None
        if status in _FINAL:
            raise Refused(f"the receiver refuses the message: HTTP {status}")
        if 300 <= status < 400:
            raise Trouble(f"HTTP {status}: the receiver has moved; set the address it has now")
        raise Trouble(f"HTTP {status}", again)

    def _headers(self, letter: Letter) -> dict[str, str]:
        stamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "flowtape",
            "Idempotency-Key": letter.id,
            "webhook-id": letter.id,
            "webhook-timestamp": stamp,
        }
        if self._secret is not None:
            headers["webhook-signature"] = sign(self._secret, letter.id, stamp, letter.body)
        return headers

    def _unreachable(self, error: Exception) -> str:
        return f"cannot connect to {urlsplit(self._url).hostname}: {_reason(error)}"

    def _clean(self, error: Exception) -> str:
        """The reason without the address: its path or query may be a token."""
        parts = urlsplit(self._url)
        text = f"{type(error).__name__}: {error}"
        for secret in (self._url, parts.path, parts.query, parts.netloc.rpartition("@")[0]):
            if len(secret) > 1:
                text = text.replace(secret, "***")
        return text[:200]

    async def close(self) -> None:
        """See Sink."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def secret_bytes(secret: str) -> bytes:
    """The key that a secret stands for. Raises ValueError for `whsec_` with something that is not base64."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret begins with whsec_ and is not base64 after it") from None


def sign(secret: bytes, identity: str, stamp: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    digest = hmac.new(secret, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + b64encode(digest).decode("ascii")


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds that the header `Retry-After` asks for, as a number or a date; None: it says nothing we can read."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return min(_MOST_WAIT, float(value.strip()[:9]))
    try:
        return min(_MOST_WAIT, max(0.0, parsedate_to_datetime(value).timestamp() - now))
    except (ValueError, OverflowError, TypeError):
        return None
