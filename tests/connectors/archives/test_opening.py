"""Files by content, whatever their names; damage and wrong files told in words."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest
import zstandard

from connectors.archives import open_archive
from connectors.archives.opening import blocks_of_lines, head, pieces
from engine.feed import SourceError

TEXT = b"".join(b"%d,some text of a file that compresses\n" % i for i in range(200_000))


def zipped(data: bytes, *names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("trades.csv",):
            archive.writestr(name, data)
    return out.getvalue()


PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "padded gzip": lambda data: gzip.compress(data) + b"\0" * 500,
    "zstd": lambda data: zstandard.compress(data),
    "zstd in frames": lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
    "zip": zipped,
}


def read(path: Path) -> tuple[bytes, list[str]]:
    notices: list[str] = []
    return b"".join(pieces(path, lambda _source, text: notices.append(text))), notices


@pytest.mark.parametrize("kind", PACKERS)
def test_the_content_tells_the_packing_not_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(PACKERS[kind](TEXT))
    assert read(path) == (TEXT, [])
    assert head(path, 100) == TEXT[:100]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_file_cut_off_gives_what_is_readable_and_says_so(tmp_path: Path, kind: str) -> None:
    packed = PACKERS[kind](TEXT)
    path = tmp_path / "cut"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    data, notices = read(path)
    assert len(TEXT) // 3 < len(data) < len(TEXT)
    assert TEXT.startswith(data)
    assert len(notices) == 1
    assert str(path) in notices[0]
    assert "cut off" in notices[0]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_damage_inside_ends_the_reading_with_a_notice(tmp_path: Path, kind: str) -> None:
    packed = bytearray(PACKERS[kind](TEXT))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    path = tmp_path / "damaged"
    path.write_bytes(bytes(packed))
    _, notices = read(path)
    assert len(notices) == 1
    assert "damaged" in notices[0]


def test_a_bomb_comes_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * 50_000_000))
    assert max(len(piece) for piece in pieces(path, print)) <= 1 << 20


def test_blocks_end_with_lines_and_count_them(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT + b"no end")
    blocks = list(blocks_of_lines(path, print))
    assert len(blocks) > 3
    assert b"".join(block for _, block in blocks) == TEXT + b"no end"
    for number, block in blocks[:-1]:
        assert block.startswith(b"%d," % (number - 1))
        assert block.endswith(b"\n")


def test_a_line_without_end_is_not_swallowed_whole(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"x" * (20 << 20))
    notices: list[str] = []
    assert list(blocks_of_lines(path, lambda _source, text: notices.append(text))) == []
    assert "not text" in notices[0]


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_archive([path])
    text = str(caught.value)
    assert str(path) in text, "the message names the file"
    return text


def test_what_cannot_be_read_says_what_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ETHUSDT-trades.csv").write_text("x")
    assert "did you mean" in refusal(tmp_path / "ETHUSDT-trade.csv")
    assert "directory" in refusal(tmp_path)
    files = {
        "empty": (b"", "is empty"),
        "empty.gz": (gzip.compress(b""), "holds no data"),
        "other.bz2": (b"BZh91AY&SY", "bzip2"),
        "picture": (b"\x89PNG\r\n\x1a\n\0\0\0\0", "is not text"),
        "prose.txt": (b"Dear trader,\nhow are you?\n", "Dear trader"),
        "bars.csv": (b"time,open,high,low,close,volume\n1,2,3,4,5,6\n", "format is not known"),
        "session.jsonl": (b'{"t":"header"}\n', "holds no trades and no book updates"),
        "empty_capture": (b'1737906001000000000 {"channel":"trades","data":[]}\n', "no trades and no book updates"),
        "other_venue": (b'1737906001000000000 {"feed":"trades","data":[]}\n', "of no venue whose streams are read"),
        "many.zip": (zipped(b"x", "a.csv", "b.csv"), "a.csv, b.csv"),
    }
    for name, (content, expected) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert expected in refusal(path), name


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.gz"
    path.write_bytes(gzip.compress(TEXT))
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_permission_error_is_told_whoever_runs_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.gz"
    path.write_bytes(gzip.compress(TEXT))

    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "no permission" in refusal(path)
    monkeypatch.undo()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "no regular file" in refusal(path)
