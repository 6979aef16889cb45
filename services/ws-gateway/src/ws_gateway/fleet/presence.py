"""What all workers know of each other: each tells its counts in the bucket `gateways`, and hears the others'.

Told once a second where something changed, and before the entry expires where nothing did. Heard as it is
told, and read again now and then, since that an entry has expired is told nowhere. Without the bus a worker
soon speaks for itself alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from baleen_bus import Bucket, Bus, Entry
from baleen_bus.buckets import GATEWAYS, GATEWAYS_TTL
from baleen_bus.errors import BusError
from ws_gateway.fleet.counts import Counts, Totals, read, tell, together

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
"""Seconds between two looks at what is to be told."""
RENEW_AFTER: Final = GATEWAYS_TTL / 3
READ_EVERY: Final = 2.0
MAX_LABELS_SEEN: Final = 1_000

_WITHIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a worker told. `at`: when that was last known to stand, in monotonic seconds."""

    counts: Counts
    at: float


class Presence:
    """The counts of all workers."""

    def __init__(
        self, worker: str, own: Callable[[], Counts], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Know nobody yet.

        Args:
            worker: the name of this worker.
            own: what it counts now.
            clock: seconds that never run backwards.
        """
        self._worker = worker
        self._own = own
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._told = b""
        self._told_at = -GATEWAYS_TTL
        self._complaint = self._strange = ""
        self.labels_seen: dict[str, None] = {}
        """Labels that other workers have told, oldest first; the oldest give way."""

    def others(self) -> list[Counts]:
        """Return what the other workers told, as long as it is to be believed."""
        oldest = self._clock() - GATEWAYS_TTL
        return [heard.counts for heard in self._heard.values() if heard.at >= oldest]

    def totals(self) -> Totals:
        """Return what all workers count, this one exactly and the others as they told."""
        return together((self._own(), *self.others()))

    def elsewhere(self, holder: str) -> int:
        """Return how many connections *holder* has with the other workers, as far as they told."""
        return sum(counts.held.get(holder, 0) for counts in self.others())

    async def run(self, bus: Bus) -> None:
        """Tell and hear until cancelled; at the end take back what was told."""
        bucket = Bucket(bus, GATEWAYS, within=_WITHIN)
        forget = await bucket.on_change(self._hear)
        read_at = -READ_EVERY
        try:
            while True:
                try:
                    await self._tell(bucket)
                    if self._clock() - read_at >= READ_EVERY:
                        await self._read(bucket)
                        read_at = self._clock()
                    self._complaint = ""
                except BusError as error:
                    self._complain(error)
                await asyncio.sleep(EVERY)
        finally:
            forget()
            with contextlib.suppress(BusError):
                await bucket.delete(self._worker)

    async def _tell(self, bucket: Bucket) -> None:
        value, now = tell(self._own()), self._clock()
        if value == self._told and now - self._told_at < RENEW_AFTER:
            return
        await bucket.put(self._worker, value)
        self._told, self._told_at = value, now

    async def _read(self, bucket: Bucket) -> None:
        asked_at = self._clock()
        standing = {entry.key: entry for entry in await bucket.read_all()}
        for worker in [worker for worker, heard in self._heard.items() if heard.at < asked_at]:
            del self._heard[worker]
        for worker, entry in standing.items():
            if worker not in self._heard:  # else it told something newer meanwhile
                self._note(entry, asked_at)

    def _hear(self, entry: Entry) -> None:
        self._note(entry, self._clock())

    def _note(self, entry: Entry, at: float) -> None:
        if entry.deleted:
            self._heard.pop(entry.key, None)
            return
        try:
            counts = read(entry.value)
        except ValueError as error:
            if entry.key != self._strange:
                self._strange = entry.key
                log.warning("counts cannot be read", worker=entry.key, reason=str(error))
            return
        if counts.worker != entry.key or counts.worker == self._worker:
            return
        self._heard[counts.worker] = _Heard(counts, at)
        self.labels_seen |= dict.fromkeys(counts.by_label)
        while len(self.labels_seen) > MAX_LABELS_SEEN:
            del self.labels_seen[next(iter(self.labels_seen))]

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong, not every second."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("the other workers are not heard", reason=self._complaint)
