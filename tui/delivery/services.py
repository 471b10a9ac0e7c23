"""Telegram, Discord, Slack, ntfy, Pushover, e-mail and everything else that the library apprise can send to."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

from tui.delivery.aside import Once
from tui.delivery.sink import Letter, Trouble

INSTALL = "install it: pipx inject flowtape apprise, or pip install 'flowtape[notify]'"


def installed() -> bool:
    """Whether apprise is there; it is not imported for that."""
    return importlib.util.find_spec("apprise") is not None


class Service:
    """Sends letters to one apprise URL, which holds its password or token."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._client: Any = None
        self._beside = Once("flowtape-apprise")

    async def send(self, letter: Letter) -> None:
        """See Sink. apprise tells yes or no, not why. Most services know no keys: a message on its way is waited for
        rather than sent again."""
        try:
            sent = await self._beside.run(letter.id, lambda: self._notify(letter), self._timeout)
        except TimeoutError:
            raise Trouble(f"no answer within {self._timeout:g} s") from None
        except ImportError:
            raise Trouble(f"apprise is not there; {INSTALL}") from None
        except Trouble:
            raise
        except Exception as error:
            # Its message may hold the URL.
            raise Trouble(f"apprise failed: {type(error).__name__}") from None
        if not sent:
            raise Trouble("the service did not take it (address, token or network)")

    def _notify(self, letter: Letter) -> bool:
        import apprise

        if self._client is None:
            # Its log names addresses with their tokens.
            logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
            client = apprise.Apprise()
            if not client.add(self._url):
                raise Trouble("apprise does not know this kind of URL, or it is not complete")
            self._client = client
        kinds = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}
        kind = kinds.get(letter.severity, apprise.NotifyType.FAILURE)
        return bool(
            self._client.notify(
                body=letter.text, title=letter.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        )

    async def close(self) -> None:
        """See Sink."""
