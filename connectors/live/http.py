"""Requests to a venue's REST interface: one attempt each, and how to go on when it fails.

`RateLimitedError` carries the seconds to wait, `UnreachableError` is worth trying again, `RefusedError` is not
without a change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import aiohttp

from engine.feed import SourceError

#: A connection that takes longer is as good as none; an answer may be 10 MB on a slow line.
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5, sock_connect=5, sock_read=15)
#: Bytes of an answer; the longest honest one, a whole listing, is some 10 MB.
LARGEST_BODY = 64 << 20
SHARE_OF_BUDGET = 0.8  # other programs at this address need some weight too
SHARE_OF_HISTORY = 0.4  # what is wanted now must not wait for what is past
_LONGEST_BAN = 3 * 86_400.0
_DEFAULT_WAIT = 10.0


class UnreachableError(Exception):
    """No answer, one that cannot be read, or a failure on the venue's side (5xx): `status` is that of HTTP, None
    where there was none; the cause is then what the network said."""

    status: int | None = None


class RateLimitedError(UnreachableError):
    """The venue asked to wait (429, 418), or would if this were sent now."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class RefusedError(SourceError):
    """The venue understood and refused: `code` is its own number for why, None if it gave none; `status` is that of
    HTTP, None where it said so in an answer that was none of HTTP's errors."""

    status: int | None = None

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.code = code


class Budget:
    """What one address may ask: `weight` in every window of `window` seconds by the wall clock, and bans."""

    def __init__(
        self,
        name: str,
        weight: float,
        window: int = 60,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._name, self._weight, self._window = name, weight, window
        self._monotonic, self._clock = monotonic, clock
        self._blocked_until = 0.0
        self._used = 0.0  # in the window numbered beside it
        self._current = -1

    def reserve(self, weight: float, share: float = SHARE_OF_BUDGET) -> None:
        """Count a request; RateLimitedError when it has to wait."""
        wait = self._blocked_until - self._monotonic()
        if wait > 0:
            raise RateLimitedError(f"{self._name} asked to wait another {wait:.0f} s", wait)
        now = self._clock() // 1_000_000_000
        if now // self._window != self._current:
            self._current, self._used = now // self._window, 0.0
        if self._used and self._used + weight > self._weight * share:
            wait = self._window + 0.5 - now % self._window
            raise RateLimitedError(f"the request budget of {self._name} is used up", wait)
        self._used += weight

    def used(self, told: str) -> None:
        """The venue's own count of this address covers other programs as well; text that is no number says nothing."""
        if told.isascii() and told.isdigit():
            self._used = max(self._used, int(told[:9]))

    def block(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._blocked_until = self._monotonic() + seconds


def _plain(_body: bytes) -> tuple[int | None, str]:
    return None, ""


class RestClient:
    """Requests below one root address.

    `refusal` reads (code, text) from the body of an answer that is an error; `used` names the header in which the
    venue tells the weight used so far.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        root: str,
        budget: Budget,
        *,
        refusal: Callable[[bytes], tuple[int | None, str]] = _plain,
        used: str = "",
    ) -> None:
        self._http, self._root, self._budget = http, root.rstrip("/"), budget
        self._refusal, self._used = refusal, used

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        weight: float = 1,
        share: float = SHARE_OF_BUDGET,
    ) -> bytes:
        """The body of the answer to a GET. Raises this module's errors."""
        return await self._ask("GET", path, weight, share, params=params or {})

    async def post(self, path: str, body: bytes, weight: float = 1, share: float = SHARE_OF_BUDGET) -> bytes:
        """The body of the answer to a POST of JSON. Raises this module's errors."""
        return await self._ask("POST", path, weight, share, data=body, headers={"Content-Type": "application/json"})

    def limited(self, path: str, said: str, seconds: float | None = None) -> RateLimitedError:
        """For venues that ask to wait inside an answer of status 200: nothing is asked until then. Raise it."""
        seconds = _DEFAULT_WAIT if seconds is None else seconds
        self._budget.block(seconds)
        return RateLimitedError(f"{self._root}{path} asked to wait {seconds:.0f} s: {said}", seconds)

    async def _ask(
        self,
        method: str,
        path: str,
        weight: float,
        share: float,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        self._budget.reserve(weight, share)
        url = self._root + path
        try:
            async with self._http.request(
                method, url, params=params, data=data, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                body = await self._body(answer, url)
                if self._used:
                    self._budget.used(answer.headers.get(self._used, ""))
                if answer.status == 200:
                    return body
                failure = self._failure(path, answer.status, body, answer.headers.get("Retry-After", ""))
                failure.status = answer.status
                raise failure
        except TimeoutError as e:
            raise UnreachableError(f"{url} did not answer in time") from e
        except (aiohttp.ClientError, OSError, ValueError) as e:
            raise UnreachableError(f"{url} cannot be reached: {_reason(e)}") from e

    async def _body(self, answer: aiohttp.ClientResponse, url: str) -> bytes:
        parts, size = [], 0
        async for part in answer.content.iter_chunked(1 << 18):
            size += len(part)
            if size > LARGEST_BODY:
                raise UnreachableError(f"{url} sends more than {LARGEST_BODY >> 20} MB")
            parts.append(part)
        return b"".join(parts)

    def _failure(self, path: str, status: int, body: bytes, retry_after: str) -> UnreachableError | RefusedError:
        code, text = self._refusal(body)
        url = self._root + path
        said = f"{text!r} (code {code})" if code is not None else f"HTTP {status}"
        if status in (418, 429):
            return self.limited(path, said, _seconds(retry_after))
        # 403: its firewall, which lets one in again later; below 200: no answer at all
        if status >= 500 or status in (403, 408) or status < 200:
            return UnreachableError(f"{url} failed: {said}")
        if status == 451:
            return RefusedError(f"{url} is not available from this place (HTTP 451): {said}", code)
        return RefusedError(f"{url} refused: {said}", code)


def _seconds(retry_after: str) -> float:
    """Of a Retry-After header; a missing or odd one still means to wait."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return _DEFAULT_WAIT
    return min(max(seconds, 0.0), _LONGEST_BAN) if seconds == seconds else _DEFAULT_WAIT


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:200]
