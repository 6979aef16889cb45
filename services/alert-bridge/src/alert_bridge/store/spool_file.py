"""The file that keeps alerts while the bus is away: SQLite, on the disk for good with every commit.

Used by one thread at a time. Everything that changes it happens in a transaction of its caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from alert_bridge.errors import SpoolUnusable
from alert_bridge.store.spool_opening import damaged, lock_beside, open_database

ROW_BYTES: Final = 256
"""Counted for each alert beyond its body: what the file needs for its id, its subject and its place."""

_SHRINK_FROM: Final = 256  # pages; a smaller file is not worth the work

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
        self.extent = Extent()
        self._lock = lock_beside(path)
        try:
            self._db = open_database(path, max_bytes)
            self.last_number: int = self._one("SELECT COALESCE(MAX(number), 0) FROM alerts")
            with self.transaction():  # what was refused is tried again after every start
                self._db.execute("UPDATE alerts SET refused = NULL WHERE refused IS NOT NULL")
            self.extent = Extent(
                self._one("SELECT COUNT(*) FROM alerts"),
                self._one("SELECT COALESCE(SUM(size), 0) FROM alerts"),
                self._oldest(),
            )
        except (sqlite3.Error, OSError) as error:
            self._lock.close()
            raise SpoolUnusable(damaged(path, error)) from None
        except BaseException:
            self._lock.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within is on the disk when the block ends, or none of it, and then it raises.

        Raises:
            sqlite3.Error: the disk did not take it.
        """
        before = self.extent
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
