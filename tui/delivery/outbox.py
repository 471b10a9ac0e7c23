"""What has been promised to the sinks and not been delivered yet, on disk; and what has been, for a while.

One SQLite file in the state folder serves every process of the user. A letter is unique by sink and key, so an
episode that is found again after a restart, or by another process that watches the same market, is not sent again.
Whoever sends a letter holds a lease on it; when its process dies, another may send it once the lease is over. All
calls block and belong in the courier's thread. A file that can't be used is replaced by memory, and that is said.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from tui.delivery.notification import Notification
from tui.delivery.sink import Letter

#: Waiting letters of one sink; what is more is lost, and told as lost.
MOST_WAITING = 1000
#: How long a delivered key is remembered, and one that was given up, s.
REMEMBER_S = 14 * 86400.0
_BUSY_S = 5.0
_VERSION = 1
_TABLE = """
CREATE TABLE letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,            -- waiting, sent, failed
    added REAL NOT NULL,            -- seconds since the Unix epoch, as all times
    tries INTEGER NOT NULL DEFAULT 0,
    lease REAL NOT NULL DEFAULT 0,  -- somebody is sending it until then
    settled REAL,
    reason TEXT,
    UNIQUE (sink, key)
);
CREATE INDEX waiting ON letters (sink, number) WHERE state = 'waiting';
"""


Outcome = Literal["added", "known", "full"]


class Outbox:
    """Letters by sink. `path` None: in memory only. `problem`: why the file could not be used, else None."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.problem: str | None = None
        self._path = path
        self._db = self._open(path)

    def _open(self, path: Path | None) -> sqlite3.Connection:
        if path is None:
            return _ready(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            try:
                return _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise  # busy, no room, not writable: the file itself may be sound
                aside = path.with_name(f"{path.name}.unused")
                path.replace(aside)
                for more in ("-wal", "-shm"):
                    path.with_name(path.name + more).unlink(missing_ok=True)
                self.problem = f"{path}: not usable ({error}), kept as {aside.name}; a new one was begun"
                path.touch(mode=0o600)
                return _connect(path)
        except (OSError, sqlite3.Error) as error:
            self.problem = f"{path}: {error}; alerts wait in memory only, and would be lost at the end"
            return self._open(None)

    def add(self, promises: Sequence[tuple[str, Notification, bytes]]) -> list[Outcome]:
        """Promise notifications to sinks: (sink, notification, payload as JSON). "known": that had been promised
        before, whatever became of it; "full": too many wait for the sink.

        When this returns, they are on the disk, whatever happens to the power. Raises sqlite3.Error, OSError, and
        then none of them is.
        """
        outcomes: list[Outcome] = []
        with self._transaction(durable=True):
            for sink, note, body in promises:
                outcomes.append(self._add(sink, note, body))
        return outcomes

    def _add(self, sink: str, note: Notification, body: bytes) -> Outcome:
        if self._db.execute("SELECT 1 FROM letters WHERE sink = ? AND key = ?", (sink, note.key)).fetchone():
            return "known"
        if self.waiting(sink)[0] >= MOST_WAITING:
            return "full"
        self._db.execute(
            "INSERT INTO letters (sink, key, body, title, text, severity, state, added)"
            " VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?)",
            (sink, note.key, body, note.title, note.text, note.severity, self._clock()),
        )
        return "added"

    def claim(self, sink: str, lease: float) -> Letter | None:
        """The oldest waiting letter that nobody is sending, for `lease` seconds; None: there is none. One that has
        failed often stands behind those that have not: it may itself be what the receiver can't digest."""
        now = self._clock()
        with self._transaction():
            row = self._db.execute(
                "SELECT number, key, body, title, text, severity, tries, added FROM letters"
                # A lease that ends further away than any is given for is from before the clock was set back.
                " WHERE sink = ? AND state = 'waiting' AND (lease <= ? OR lease > ?)"
                " ORDER BY max(tries, 3), number LIMIT 1",
                (sink, now, now + 2 * lease),
            ).fetchone()
            if row is None:
                return None
            self._db.execute("UPDATE letters SET lease = ? WHERE number = ?", (now + lease, row[0]))
        key, body, title, text, severity, tries, added = row[1:]
        return Letter(sink, key, letter_id(sink, key), bytes(body), title, text, severity, tries, added)

    def sent(self, letter: Letter) -> None:
        """The receiver has it. Only its key is kept."""
        self._settle(letter, "sent", "")

    def failed(self, letter: Letter, reason: str) -> None:
        """It is no longer tried."""
        self._settle(letter, "failed", reason)

    def _settle(self, letter: Letter, state: str, reason: str) -> None:
        self._db.execute(
            "UPDATE letters SET state = ?, settled = ?, reason = ?, tries = tries + 1, lease = 0, body = x''"
            " WHERE sink = ? AND key = ? AND state != 'sent'",
            (state, self._clock(), reason[:300], letter.sink, letter.key),
        )

    def again(self, letter: Letter) -> None:
        """It could not be delivered, and waits on."""
        self._db.execute(
            "UPDATE letters SET lease = 0, tries = tries + 1 WHERE sink = ? AND key = ?", (letter.sink, letter.key)
        )

    def release(self, letter: Letter) -> None:
        """It was not tried to the end: anybody may."""
        self._db.execute("UPDATE letters SET lease = 0 WHERE sink = ? AND key = ?", (letter.sink, letter.key))

    def waiting(self, sink: str) -> tuple[int, float | None]:
        """How many letters of a sink wait, and when the oldest was promised."""
        count, oldest = self._db.execute(
            "SELECT count(*), min(added) FROM letters WHERE sink = ? AND state = 'waiting'", (sink,)
        ).fetchone()
        return int(count), oldest

    def sinks(self) -> dict[str, int]:
        """Waiting letters by sink, also of sinks that are no longer configured."""
        rows = self._db.execute("SELECT sink, count(*) FROM letters WHERE state = 'waiting' GROUP BY sink")
        return dict(rows.fetchall())

    def drop(self, sink: str) -> int:
        """Give up all that waits for a sink; how many that were."""
        done = self._db.execute(
            "UPDATE letters SET state = 'failed', settled = ?, reason = 'dropped by the user', body = x''"
            " WHERE sink = ? AND state = 'waiting'",
            (self._clock(), sink),
        )
        return done.rowcount

    def prune(self) -> int:
        """Forget what was settled long ago, and give up what has waited as long; how many of the latter."""
        before = self._clock() - REMEMBER_S
        with self._transaction():
            self._db.execute("DELETE FROM letters WHERE state != 'waiting' AND settled < ?", (before,))
            done = self._db.execute("DELETE FROM letters WHERE state = 'waiting' AND added < ?", (before,))
        return done.rowcount

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        """Without `durable` the loss of power may undo it, the end of the process not: a lease, or the note that a
        letter has arrived, is not worth waiting for the disk."""
        if durable:
            self._db.execute("PRAGMA synchronous = FULL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        finally:
            if durable:
                self._db.execute("PRAGMA synchronous = NORMAL")


def letter_id(sink: str, key: str) -> str:
    """The idempotency key as it is sent: a receiver behind two sinks gets both."""
    return hashlib.sha256(f"{sink}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return _ready(db)
    except BaseException:
        db.close()
        raise


def _ready(db: sqlite3.Connection) -> sqlite3.Connection:
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _TABLE.split(";\n"):
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")
    if version > _VERSION:
        raise sqlite3.OperationalError("written by a newer flowtape")
    return db
