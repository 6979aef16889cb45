"""Who holds which lease, and what each tells, as far as the bus knows."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from baleen_bus.errors import ApiRefused, Unreachable
from baleen_bus.kv import Bucket
from baleen_bus.kv_entry import Entry
from baleen_bus.lease_value import UNKNOWN_OWNER, StrangeValueError, value_of

log = logging.getLogger("baleen_bus")

EVERY: Final = 1.0
"""Seconds between two looks at everything: expiry is told nowhere."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One lease. ``deleted``: it was released; ``at``: when it last changed, in monotonic seconds.

    A value that no holder wrote is shown as ``{"owner": "unknown"}``.
    """

    key: str
    value: dict[str, Any]
    revision: int
    deleted: bool
    at: float


class LeaseView:
    """Keeps ``seen`` up to date while it runs; an expired lease is not in it."""

    def __init__(
        self, bucket: Bucket, *, every: float = EVERY, on_seen: Callable[[], None] | None = None
    ) -> None:
        self.seen: dict[str, Seen] = {}
        self.malformed = 0
        """Values no holder wrote, each counted once."""
        self.fresh_at: float | None = None
        """When everything was last read, in monotonic seconds."""
        self._bucket = bucket
        self._every = every
        self._on_seen = on_seen
        self._named: set[str] = set()
        self._behind: frozenset[str] = frozenset()
        """What the last reading of everything found older than it was seen before."""

    async def run(self) -> None:
        """Watches for ever; ``on_seen`` is called after each change."""
        forget = await self._bucket.on_change(self._note_told)
        try:
            while True:
                try:
                    await self.refresh()
                except (Unreachable, ApiRefused) as error:
                    log.debug("leases cannot be read: %s", error)  # the age of what is seen tells
                await asyncio.sleep(self._every)
        finally:
            forget()

    async def refresh(self) -> None:
        """Reads everything now.

        Raises:
            Unreachable, ApiRefused: it cannot be read; what was seen stays.
        """
        asked_at = time.monotonic()
        entries = {entry.key: entry for entry in await self._bucket.read_all()}
        gone = [key for key, seen in self.seen.items() if key not in entries and seen.at < asked_at]
        for key in gone:
            del self.seen[key]
        self._believe(entries.values(), asked_at)
        changed = [self._note(entry) for entry in entries.values()]
        self.fresh_at = asked_at
        if (gone or any(changed)) and self._on_seen is not None:
            self._on_seen()

    def _believe(self, entries: Iterable[Entry], asked_at: float) -> None:
        """Forgets what two readings in a row contradict: the bucket was made anew and counts from one again.

        One reading alone may come from a server that is behind.
        """
        behind = frozenset(
            entry.key
            for entry in entries
            if (known := self.seen.get(entry.key)) is not None
            and entry.revision < known.revision
            and known.at < asked_at
        )
        for key in behind & self._behind:
            del self.seen[key]
        self._behind = behind - self._behind

    def _note_told(self, entry: Entry) -> None:
        if self._note(entry) and self._on_seen is not None:
            self._on_seen()

    def _note(self, entry: Entry) -> bool:
        """Whether this was news."""
        known = self.seen.get(entry.key)
        if known is not None and known.revision >= entry.revision:
            return False
        self.seen[entry.key] = Seen(
            entry.key, self._read(entry), entry.revision, entry.deleted, time.monotonic()
        )
        return True

    def _read(self, entry: Entry) -> dict[str, Any]:
        if entry.deleted:
            return {}
        try:
            return value_of(entry)
        except StrangeValueError as error:
            self.malformed += 1
            if entry.key not in self._named:
                self._named.add(entry.key)
                log.warning("lease %s holds what no holder wrote: %s", entry.key, error)
            return {"owner": UNKNOWN_OWNER}
