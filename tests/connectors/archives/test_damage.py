"""Whatever is wrong in a file: an archive gives rows that a market takes, or says why not; it never crashes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from connectors.archives import open_archive
from engine.feed import SourceError
from engine.market import Market
from tests.connectors.archives import test_tardis_book, test_trade_csv
from tests.connectors.archives.recordings import SYNCED, depth, trade

_BYTES = b'0123456789.,"-eE{}[]\n\x00\xff '
_SNIPPETS = [b"9" * 25, b"nan", b"-1", b"1e400", b"\n\n", b",,,", b'"', b"9999999999999", b"\xef\xbb\xbf", b"\x1b[31m"]


def recordings() -> dict[str, bytes]:
    deltas = [depth(4 + n, 107 + n, 107 + n, 106 + n, [(f"99.{n % 90:02d}", "1.5")], []) for n in range(60)]
    trades = [trade(70 + n, n, "100.01", "0.250", n % 2 == 0) for n in range(60)]
    levels = [test_tardis_book.level(1 + n // 3, "bid", f"99.{n % 90:02d}", "2") for n in range(90)]
    plain = [f"{test_trade_csv.T + n},83.{n % 100:02d},0.107,buy,{n}" for n in range(90)]
    return {
        "capture": "\n".join([*SYNCED, *deltas, *trades]).encode(),
        "book.csv": "\n".join([test_tardis_book.HEADER, *test_tardis_book.START, *levels]).encode(),
        "LTCUSDT_trades.csv": "\n".join(["timestamp,price,quantity,side,tradeId", *plain]).encode(),
    }


def damaged(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        at = rng.randrange(len(out))
        match rng.randrange(4):
            case 0:
                out[at] = rng.choice(_BYTES)
            case 1:
                del out[at : at + rng.randrange(1, 200)]
            case 2:
                out[at:at] = out[at : at + rng.randrange(1, 400)]
            case _:
                out[at:at] = rng.choice(_SNIPPETS)
    return bytes(out)


@pytest.mark.parametrize("name", recordings())
def test_damage_anywhere(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    whole = recordings()[name]
    path = tmp_path / name
    read, refusals = 0, []
    for _ in range(80):
        path.write_bytes(damaged(whole, rng))
        markets: dict[str, Market] = {}
        try:
            for chunk in open_archive([path]).chunks(lambda *_: None):
                market = markets.setdefault(chunk.instrument.market, Market(chunk.instrument))
                market.apply(chunk.rows)
                read += len(chunk.rows)
        except SourceError as error:
            refusals.append(str(error))
    assert all(name in text for text in refusals)
    assert len(refusals) < 40
    assert read > 1000
