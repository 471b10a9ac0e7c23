"""apprise, through one of its services against a local server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.tui.delivery.receiver import Receiver
from tests.tui.delivery.test_webhook import letter
from tui.delivery import services
from tui.delivery.sink import Letter, Trouble

pytest.importorskip("apprise", reason="the extra `notify` is not installed")
# It imports a module of the standard library that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Open(Receiver):
    """apprise sends no webhook-id."""

    async def _answer(self, request):  # type: ignore[no-untyped-def]
        from aiohttp import web

        self.seen.append(("", dict(request.headers), await request.read()))
        return web.Response(status=int(self.mood))


@pytest.fixture
def receiver() -> Iterator[Open]:
    with Open() as receiver:
        yield receiver


async def test_a_message(receiver: Open) -> None:
    await services.Service(f"json://127.0.0.1:{receiver.port}/x?token=s3cret", 20).send(letter())
    (payload,) = receiver.payloads()
    assert payload["title"] == "flowtape binance:ETH/USDT: toxic"
    assert payload["message"] == "flow is one-sided (now 0.995)"
    assert payload["type"] == "warning"


async def test_it_is_not_taken(receiver: Open) -> None:
    receiver.mood = 500
    with pytest.raises(Trouble, match="did not take it") as caught:
        await services.Service(f"json://127.0.0.1:{receiver.port}/x?token=s3cret", 20).send(letter())
    assert "s3cret" not in str(caught.value)


async def test_a_url_that_apprise_does_not_know() -> None:
    with pytest.raises(Trouble, match="does not know") as caught:
        await services.Service("nosuch://s3cret", 20).send(letter())
    assert "s3cret" not in str(caught.value)


async def test_one_that_is_slow_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = threading.Event()

    def slow(self: services.Service, one: Letter) -> bool:
        asked.append(one.key)
        return answer.wait(30)

    monkeypatch.setattr(services.Service, "_notify", slow)
    service, one, other = services.Service("json://x", 0.1), letter(0), letter(1)
    for waiting in (one, one, other):
        with pytest.raises(Trouble, match="no answer"):
            await service.send(waiting)
    answer.set()
    service._timeout = 30
    await service.send(other)
    await service.send(one)  # it has arrived long ago
    assert asked == [one.key, other.key]
    await service.send(one)
    assert asked == [one.key, other.key, one.key]


def test_it_is_imported_only_when_used() -> None:
    code = (
        "import sys, tui.delivery.building, tui.delivery.services as s; s.installed();"
        "assert 'apprise' not in sys.modules and 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert json.dumps(services.INSTALL)
