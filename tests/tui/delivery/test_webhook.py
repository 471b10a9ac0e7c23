"""What a receiver gets, and what its answers mean."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.tui.delivery.notes import note
from tests.tui.delivery.receiver import Receiver
from tui.delivery.outbox import Outbox
from tui.delivery.sink import Letter, Refused, Trouble
from tui.delivery.webhook import Webhook, secret_bytes, sign

NOW = 1_750_000_000.5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def letter(n: int = 0) -> Letter:
    outbox, one = Outbox(None), note(n)
    outbox.add([("ops", one, one.body())])
    found = outbox.claim("ops", 10)
    assert found is not None
    outbox.close()
    return found


async def send(receiver: Receiver, one: Letter, secret: str | None = None, timeout: float = 10.0) -> None:
    hook = Webhook(receiver.url, secret, timeout, clock=lambda: NOW)
    try:
        await hook.send(one)
    finally:
        await hook.close()


async def test_a_signed_request(receiver: Receiver) -> None:
    await send(receiver, letter(), "whsec_" + b64encode(b"key").decode())
    await send(receiver, letter(), "plain")
    (identity, headers, body), (again, others, _) = receiver.seen
    assert identity == again
    assert len(identity) == 32
    assert headers["Idempotency-Key"] == identity
    assert headers["webhook-timestamp"] == "1750000000"
    # Reckoned here once more, as a receiver would.
    digest = hmac.new(b"key", f"{identity}.1750000000.".encode() + body, hashlib.sha256).digest()
    version, _, signature = headers["webhook-signature"].partition(",")
    assert (version, b64decode(signature)) == ("v1", digest)
    assert others["webhook-signature"] != headers["webhook-signature"]
    payload = json.loads(body)
    assert payload["rule"] == "toxic"
    assert payload["event"] == "fired"
    assert payload["key"] == f"toxic|binance:ETH/USDT|{payload['t0']}|fired"
    assert payload["value"] == 0.995
    assert payload["title"] == "flowtape binance:ETH/USDT: toxic"


async def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    await send(receiver, letter())
    assert "webhook-signature" not in receiver.seen[0][1]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_message_that_is_refused(receiver: Receiver, status: int) -> None:
    receiver.mood = status
    with pytest.raises(Refused, match=str(status)):
        await send(receiver, letter())


@pytest.mark.parametrize("status", [401, 404, 408, 429, 500, 503])
async def test_a_receiver_in_trouble(receiver: Receiver, status: int) -> None:
    receiver.mood = status
    with pytest.raises(Trouble, match=str(status)):
        await send(receiver, letter())


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.mood, receiver.headers = 307, {"Location": receiver.url + "&elsewhere"}
    with pytest.raises(Trouble, match="moved"):
        await send(receiver, letter())
    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        ("99999999", 3600.0),
        ("soon", None),
        ("-5", None),
        ("٣", None),
    ],
)
async def test_a_receiver_that_asks_for_time(receiver: Receiver, value: str, wait: float | None) -> None:
    receiver.mood, receiver.headers = 503, {"Retry-After": value}
    with pytest.raises(Trouble) as caught:
        await send(receiver, letter())
    assert caught.value.wait == (wait if wait is None else pytest.approx(wait, abs=1))


async def test_one_that_hangs_and_one_that_is_not_there(receiver: Receiver) -> None:
    receiver.mood = "hang"
    with pytest.raises(Trouble, match=r"no answer within 0\.2 s"):
        await send(receiver, letter(), timeout=0.2)
    receiver.stop_listening()
    with pytest.raises(Trouble) as caught:
        await send(receiver, letter())
    for secret in ("s3cret-path", "t0ken"):
        assert secret not in str(caught.value)
    receiver.listen_again()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of nobody that anybody trusts."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


async def test_a_connection_that_can_not_be_had_is_explained_without_the_address(
    receiver: Receiver, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        for url, reason in (
            (f"https://127.0.0.1:{port}/t0ken", "cannot connect to 127.0.0.1: its certificate is not valid: self"),
            (f"https://127.0.0.1:{receiver.port}/t0ken", "cannot connect to 127.0.0.1: TLS failed: "),
            ("http://127.0.0.1:1/t0ken", "cannot connect to 127.0.0.1: Connection refused"),
            ("http://no-such-name.invalid/t0ken", "cannot connect to no-such-name.invalid: "),
            (f"http://127.0.0.1:{port}/t0ken", ""),
        ):
            hook = Webhook(url, None, 10.0)
            with pytest.raises(Trouble) as caught:
                await hook.send(letter())
            await hook.close()
            assert str(caught.value).startswith(reason)
            assert "t0ken" not in str(caught.value)
    finally:
        server.close()


def test_secrets_as_the_specification_writes_them() -> None:
    assert secret_bytes("whsec_" + b64encode(b"abc").decode()) == b"abc"
    assert secret_bytes("abc") == b"abc"
    with pytest.raises(ValueError, match="whsec_") as caught:
        secret_bytes("whsec_!")
    assert "!" not in str(caught.value)
    # The example of the Standard Webhooks specification's own libraries.
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
