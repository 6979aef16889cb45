"""The file that keeps alerts while the bus is away: SQLite, on the disk for good with every commit.

Used by one thread at a time. Everything that changes it happens in a transaction of its caller's.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from alert_bridge.errors import SpoolUnusable

ROW_BYTES: Final = 256
"""Counted for each alert beyond its body: what the file needs for its id, its subject and its place."""

_APPLICATION_ID: Final = 0x42414C45  # by which the file is known to be a spool
_VERSION: Final = 1
_MODE: Final = 0o600  # alerts are nobody else's business
_PAGE: Final = 4096
_SPARE_PAGES: Final = 256
_SHRINK_FROM: Final = 256  # pages; a smaller file is not worth the work

_TABLE: Final = """
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    occurred_at TEXT NOT NULL,
    kept_at REAL NOT NULL,
    size INTEGER NOT NULL,
    refused TEXT,
    body BLOB NOT NULL
)
"""
_COLUMNS: Final = "number, id, subject, occurred_at, kept_at, body"


class Row(NamedTuple):
    """One alert as it will be published. ``kept_at``: when it was taken, in seconds since the epoch."""

    number: int
    id: str
    subject: str
    occurred_at: str
    kept_at: float
    body: bytes

    @property
    def size(self) -> int:
        """The bytes that count for it."""
        return len(self.body) + ROW_BYTES


@dataclass(frozen=True, slots=True)
class Extent:
    """What the file holds: alerts, the bytes that count for them, and since when the oldest waits."""

    alerts: int = 0
    size: int = 0
    oldest_at: float | None = None


class SpoolFile:
    """The open file at *path*; no other process has it.

    The bodies in it are the caller's to bound. The file itself never grows beyond twice *max_bytes* and a
    megabyte, its log of changes aside, which is some megabytes more.

    Raises:
        SpoolUnusable: it is damaged, something else, in use or out of reach. It is left as it is.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._lock = _lock(path)
        try:
            self._db = _open(path, max_bytes)
            self.last_number: int = self._one("SELECT COALESCE(MAX(number), 0) FROM alerts")
            with self.transaction():  # what was refused is tried again after every start
                self._db.execute("UPDATE alerts SET refused = NULL WHERE refused IS NOT NULL")
            self.extent = Extent(
                self._one("SELECT COUNT(*) FROM alerts"),
                self._one("SELECT COALESCE(SUM(size), 0) FROM alerts"),
                self._oldest(),
            )
        except sqlite3.Error as error:
            self._lock.close()
            raise SpoolUnusable(_damaged(path, error)) from None
        except BaseException:
            self._lock.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within is on the disk when the block ends, or none of it, and then it raises.

        Raises:
            sqlite3.Error: the disk did not take it.
        """
        before = getattr(self, "extent", Extent())
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self.extent = before
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._db.execute("ROLLBACK")
            raise

    def add(self, row: Row) -> bool:
        """Keep *row*; returns False if its id is kept already."""
        added = self._db.execute(
            "INSERT OR IGNORE INTO alerts (number, id, subject, occurred_at, kept_at, size, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.number, row.id, row.subject, row.occurred_at, row.kept_at, row.size, row.body),
        )
        if added.rowcount:
            self._changed(1, row.size)
        return bool(added.rowcount)

    def read(self, after: int, *, most: int, most_bytes: int) -> list[Row]:
        """The alerts after a number, in order: at least one if there is one, and no more than allowed."""
        rows: list[Row] = []
        size = 0
        for values in self._db.execute(
            f"SELECT {_COLUMNS} FROM alerts WHERE number > ? AND refused IS NULL ORDER BY number LIMIT ?",  # noqa: S608 - our own constant
            (after, most),
        ):
            row = Row(*values)
            size += row.size
            if rows and size > most_bytes:
                break
            rows.append(row)
        return rows

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget these alerts."""
        for number in numbers:
            gone = self._db.execute("DELETE FROM alerts WHERE number = ? RETURNING size", (number,))
            for (size,) in gone.fetchall():
                self._changed(-1, -size)

    def numbers_of(self, ids: Sequence[str], *, upto: int) -> list[int]:
        """The numbers, up to one, of the alerts that have these ids."""
        found: list[int] = []
        for id_ in ids:
            found += (
                number
                for (number,) in self._db.execute(
                    "SELECT number FROM alerts WHERE id = ? AND number <= ?", (id_, upto)
                )
            )
        return found

    def refuse(self, number: int, reason: str) -> None:
        """Set an alert aside that the bus will not have; it stays, and is not read any more."""
        self._db.execute("UPDATE alerts SET refused = ? WHERE number = ?", (reason, number))

    def shrink(self) -> None:
        """Give the disk back what an empty file does not need."""
        if not self.extent.alerts and self._one("PRAGMA page_count") > _SHRINK_FROM:
            self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would end it after one page
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file and let others have it."""
        with suppress(sqlite3.Error):  # whatever fails now, what was committed is there
            self._db.close()
        self._lock.close()

    def _changed(self, alerts: int, size: int) -> None:
        had = self.extent
        self.extent = Extent(had.alerts + alerts, had.size + size, had.oldest_at)

    def look_at_oldest(self) -> None:
        """Find out since when the oldest alert waits."""
        self.extent = replace(self.extent, oldest_at=self._oldest())

    def _oldest(self) -> float | None:
        row = self._db.execute("SELECT kept_at FROM alerts ORDER BY number LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    def _one(self, question: str) -> int:
        return int(self._db.execute(question).fetchone()[0])


def _lock(path: Path) -> TextIO:
    """Take the lock beside the file; it ends with the process, however that ends."""
    beside = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT, _MODE), "r+", encoding="ascii")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
    except OSError as error:
        raise SpoolUnusable(
            f"ALERT_BRIDGE_SPOOL names {path}, where nothing can be written ({error.strerror}): "
            "name a file in a folder that this process may write"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read(20).strip()
        lock.close()
        raise SpoolUnusable(
            f"the spool {path} is in use by another bridge (process {owner or 'unknown'}): "
            "each needs a file of its own; name another in ALERT_BRIDGE_SPOOL"
        ) from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _open(path: Path, max_bytes: int) -> sqlite3.Connection:
    fresh = not path.stat().st_size
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        if not fresh:
            _refuse_strange(db, path)
        for setting in (
            f"page_size={_PAGE}",
            "auto_vacuum=INCREMENTAL",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"max_page_count={2 * max_bytes // _PAGE + _SPARE_PAGES}",
        ):
            db.execute(f"PRAGMA {setting}").fetchall()
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").fetchone():
            _make(db)
            _sync_folder(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def _make(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={_VERSION}")
    db.execute(_TABLE)
    db.execute("COMMIT")


def _refuse_strange(db: sqlite3.Connection, path: Path) -> None:
    """Look at a file that was there before; one without a table was left at its very making."""
    tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    known = db.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
    if tables and not known:
        raise SpoolUnusable(
            f"{path} is a database of something else: name another file in ALERT_BRIDGE_SPOOL"
        )
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if tables and version != _VERSION:
        raise SpoolUnusable(
            f"the spool {path} has form {version}, this bridge knows form {_VERSION}: "
            "let the bridge that wrote it deliver it first, or name another file in ALERT_BRIDGE_SPOOL"
        )
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise SpoolUnusable(_damaged(path, verdict))


def _damaged(path: Path, why: object) -> str:
    return (
        f"the spool {path} cannot be read ({why}) and was left as it is: move it away together with "
        f"{path.name}-wal to start without it, and save what is in it with `sqlite3 {path.name} .recover`"
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
