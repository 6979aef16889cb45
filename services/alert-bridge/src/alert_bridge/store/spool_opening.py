"""Opens the file of the spool, or says in words why not; a file that is not sound is left as it is."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, TextIO

from alert_bridge.errors import SpoolUnusable

_APPLICATION_ID: Final = 0x42414C45  # by which the file is known to be a spool
_VERSION: Final = 1
_MODE: Final = 0o600  # alerts are nobody else's business
_PAGE: Final = 4096
_SPARE_PAGES: Final = 256

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


def lock_beside(path: Path) -> TextIO:
    """Take the lock beside the file; it ends with the process, however that ends.

    Raises:
        SpoolUnusable: another process has it, or nothing can be written there.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT, _MODE), "r+", encoding="ascii")
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


def open_database(path: Path, max_bytes: int) -> sqlite3.Connection:
    """The database at *path*, made if it is new, found sound if not; every commit goes through to the disk.

    Raises:
        SpoolUnusable: it is damaged, or something else.
        sqlite3.Error: it cannot be opened or read.
    """
    if path.exists() and path.stat().st_size:
        # Read-only, since closing a damaged file as its last user would write its log into it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            _refuse_strange(db, path)
    else:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
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
        raise SpoolUnusable(damaged(path, verdict))


def damaged(path: Path, why: object) -> str:
    """What to say of a file that cannot be read."""
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
