"""Recorded files as streams of bytes: plain, gzip, zstd or zip, told apart by content.

Nothing here knows what the bytes mean. Memory stays flat: a file is never held as a whole.
"""

from __future__ import annotations

import difflib
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import zstandard

from engine.feed import SourceError

#: `notice(source, text)`: where a reader tells what was skipped or is missing.
Notify = Callable[[str, str], None]

EXPECTED = (
    "a capture or recorded session of an exchange's stream, or a CSV of trades or book updates, "
    "plain or as .gz, .zst or .zip"
)
#: A line longer than this is not text (a snapshot of 5,000 levels a side has about 0.3 MB).
MAX_LINE = 16 << 20

_READ = 1 << 16
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"SQLite": "SQLite",
    b"%PDF": "PDF",
    b"PK\x05\x06": "empty zip",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def check_readable(path: Path) -> None:
    """Raises SourceError when the path is no readable, non-empty, regular file."""
    try:
        info = path.stat()
    except FileNotFoundError:
        near = _nearest(path)
        raise SourceError(f"{path}: no such file; " + (f"did you mean {near}?" if near else "check the path")) from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be reached ({error.strerror}); check the path and its permissions") from None
    if stat.S_ISDIR(info.st_mode):
        raise SourceError(f"{path}: is a directory; name the files in it, for example {path}/*.gz")
    if not stat.S_ISREG(info.st_mode):
        raise SourceError(f"{path}: is no regular file, and an archive is read more than once; save it to a file first")
    if info.st_size == 0:
        raise SourceError(f"{path}: is empty; expected {EXPECTED}")
    _open(path).close()


def pieces(path: Path, notice: Notify) -> Iterator[bytes]:
    """The decompressed content in pieces of about a megabyte at most.

    A file that is cut off or damaged gives what is readable before the damage, and a notice.
    Raises SourceError when nothing can be read.
    """
    with _open(path) as file:
        magic = file.read(8)
        file.seek(0)
        if magic.startswith(_GZIP):
            yield from _gzip(file, path, notice)
        elif magic.startswith(_ZSTD) or (magic[1:4] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F):
            yield from _zstd(file, path, notice)
        elif magic.startswith(_ZIP):
            yield from _zip(file, path, notice)
        else:
            for head, name in _FOREIGN.items():
                if magic.startswith(head):
                    raise SourceError(f"{path}: is {name}, which is not read; expected {EXPECTED}")
            while piece := file.read(_PIECE):
                yield piece


def blocks_of_lines(path: Path, notice: Notify) -> Iterator[tuple[int, bytes]]:
    """The content in pieces cut after a line end: (number of the first line from 1, bytes).

    The last line need not be ended. A "line" beyond MAX_LINE ends the reading with a notice.
    """
    rest, line = b"", 1
    for piece in pieces(path, notice):
        cut = piece.rfind(b"\n") + 1
        if not cut:
            rest += piece
            if len(rest) > MAX_LINE:
                notice(
                    path.name,
                    f"{path}:{line}: a line of more than {MAX_LINE >> 20} MB is not text; stopped reading here",
                )
                return
            continue
        block = rest + piece[:cut]
        rest = piece[cut:]
        yield line, block
        line += block.count(b"\n")
    if rest:
        yield line, rest


def head(path: Path, size: int = 1 << 18) -> bytes:
    """The first `size` decompressed bytes (fewer if the file is short). Raises SourceError if there are none."""
    check_readable(path)
    got = bytearray()
    stream = pieces(path, lambda _source, _text: None)
    for piece in stream:
        got += piece
        if len(got) >= size:
            break
    if not got:
        raise SourceError(f"{path}: holds no data once unpacked; expected {EXPECTED}")
    return bytes(got[:size])


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except PermissionError:
        raise SourceError(
            f"{path}: no permission to read it; change its mode or copy it to where you may read"
        ) from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened ({error.strerror}); check the path") from None


def _nearest(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    found = difflib.get_close_matches(path.name, names, n=1)
    return str(path.parent / found[0]) if found else None


def _cut_off(path: Path, notice: Notify, what: str, why: str) -> None:
    notice(path.name, f"{path}: the {what} data is {why}; everything readable before that is used")


def _inflate(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Bounded pieces, so a small file that unpacks to gigabytes costs no memory."""
    while data:
        out = inflater.decompress(data, _PIECE)
        if out:
            yield out
        data = inflater.unconsumed_tail
        if not out and inflater.eof:
            return


def _gzip(file: IO[bytes], path: Path, notice: Notify) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    fresh, data = True, b""
    try:
        while data := data or file.read(_READ):
            if fresh and not data.strip(b"\0"):  # zero padding after the last member
                data = b""
                continue
            fresh = False
            yield from _inflate(inflater, data)
            data = b""
            if inflater.eof:
                data, inflater, fresh = inflater.unused_data, zlib.decompressobj(wbits=31), True
    except zlib.error as error:
        _cut_off(path, notice, "gzip", f"damaged ({error})")
        return
    if not fresh:
        yield from filter(None, [inflater.flush()])
        if not inflater.eof:
            _cut_off(path, notice, "gzip", "cut off")


def _zstd(file: IO[bytes], path: Path, notice: Notify) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    frame, fresh, data = decompressor.decompressobj(), True, b""
    try:
        while data := data or file.read(_READ >> 2):
            fresh = False
            out = frame.decompress(data)
            for start in range(0, len(out), _PIECE):
                yield out[start : start + _PIECE]
            data = b""
            if frame.eof:
                data, frame, fresh = frame.unused_data, decompressor.decompressobj(), True
    except zstandard.ZstdError as error:
        _cut_off(path, notice, "zstd", f"damaged ({error})")
        return
    if not fresh:
        _cut_off(path, notice, "zstd", "cut off")


def _zip(file: IO[bytes], path: Path, notice: Notify) -> Iterator[bytes]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:  # cut off: the directory stands at the end, but each member has a header of its own
        file.seek(0)
        yield from _zip_without_directory(file, path, notice)
        return
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if not members:
            raise SourceError(f"{path}: the zip holds no file; expected {EXPECTED}")
        if len(members) > 1:
            names = ", ".join(m.filename for m in members[:4])
            raise SourceError(
                f"{path}: the zip holds {len(members)} files ({names} …); unpack it and name the ones you want"
            )
        if members[0].flag_bits & 1:
            raise SourceError(f"{path}: the zip is encrypted; unpack it first")
        try:
            with archive.open(members[0]) as member:
                while piece := member.read(_PIECE):
                    yield piece
        except NotImplementedError:
            raise SourceError(f"{path}: the zip's compression is not supported; unpack it first") from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            _cut_off(path, notice, "zip", f"damaged ({error})")


def _zip_without_directory(file: IO[bytes], path: Path, notice: Notify) -> Iterator[bytes]:
    header = file.read(30)
    if len(header) < 30:
        raise SourceError(f"{path}: the zip is cut off before its data; fetch it again")
    _, _, flags, method, _, _, _, _, _, name_length, extra_length = struct.unpack("<4s5H3I2H", header)
    if flags & 1 or method not in (0, 8):
        raise SourceError(f"{path}: the zip is cut off and its data not readable without its directory; fetch it again")
    file.seek(30 + name_length + extra_length)
    try:
        if method == 0:
            while piece := file.read(_PIECE):
                yield piece
        else:
            inflater = zlib.decompressobj(wbits=-15)
            while not inflater.eof and (data := file.read(_READ)):
                yield from _inflate(inflater, data)
    except zlib.error as error:
        _cut_off(path, notice, "zip", f"damaged ({error})")
        return
    _cut_off(path, notice, "zip", "cut off")
