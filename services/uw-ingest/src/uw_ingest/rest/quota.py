"""The REST budget as all replicas share it: one key on the bus, written before and after every call.

Whoever takes the budget over writes the key first. From then on its predecessor's writes fail, and with them
its calls, whatever that process believes about the time. Without the bus nobody asks upstream anything.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from baleen_bus.errors import BusError, Conflict
from baleen_bus.kv import Bucket, Entry
from baleen_runtime.clock import Clock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited
from uw_ingest.rest.limiter import CALL_ENDS_WITHIN, Budget, Call
from uw_ingest.rest.limits_told import Limit
from uw_ingest.rest.quota_record import Record, read_record

log: Any = structlog.get_logger("uw_ingest.rest.quota")

KEY = "rest"
LONGEST_WAIT = 60.0  # seconds; a budget that needs longer is a limit, not a queue
_CLAIMS = 8  # tries; each one means that a predecessor was still writing
_LOOK_AGAIN = 0.5  # seconds; longer waits may have become shorter meanwhile


def steady() -> float:
    """Return seconds that neither run backwards nor stop while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Quota:
    """The budget of whoever holds the lease to ask."""

    def __init__(
        self,
        bucket: Bucket | None,
        *,
        owner: str,
        clock: Clock,
        at: Callable[[], float] = steady,
        **settings: Any,
    ) -> None:
        """Keep the budget in this bucket under our name; without one nothing is shared and nothing survives.

        ``settings`` are those of :class:`Budget`.
        """
        self._bucket, self._owner, self._clock, self._at, self._settings = bucket, owner, clock, at, settings
        self.budget = Budget(**settings)
        self.malformed = 0  # records that nobody can read
        self._revision = 0
        self._attempt = b""  # what was sent last, while it is not known whether it was stored
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Take the budget over from whoever had it.

        Raises:
            QuotaTaken: somebody else keeps writing.
            BusError: the bucket cannot be read or written now.
        """
        if self._bucket is None:
            return
        for _ in range(_CLAIMS):
            entry = await self._bucket.read(KEY)
            record = self._understood(entry)
            budget = Budget.restored(record, self._clock.now(), self._at(), **self._settings)
            try:
                self._revision = await self._bucket.update(
                    KEY, budget.record().to_json(self._owner), last=entry.revision if entry else 0
                )
            except Conflict:
                continue
            self.budget, self._attempt = budget, b""
            return
        raise QuotaTaken("somebody else keeps spending")

    async def reserve(self, *, urgent: bool = False) -> Call:
        """Return a call that is granted and written down; to be sent at once or given back.

        Raises:
            RestLimited: the budget is used up for longer than is worth waiting.
            RestFailed: the bus does not take the reservation.
            QuotaTaken: somebody else took the budget over.
        """
        while True:
            await self._free(urgent=urgent)
            async with self._writing:
                if self.wait(urgent=urgent) > 0:
                    continue
                call = self.budget.take(self._clock.now(), self._at())
                try:
                    await self._store()
                except BaseException as error:
                    self.budget.not_sent(call)
                    if isinstance(error, Conflict):
                        raise QuotaTaken("somebody else spends now") from None
                    if isinstance(error, BusError):
                        words = f"the bus does not take the reservation ({type(error).__name__})"
                        raise RestFailed(words) from None
                    raise
                return call

    def age(self, call: Call) -> float:
        """Return how many seconds ago a call was granted."""
        return self._at() - (call.must_end - CALL_ENDS_WITHIN)

    def wait(self, *, urgent: bool = False) -> float:
        """Return the seconds until a call may go out."""
        return self.budget.wait(self._clock.now(), self._at(), urgent=urgent)

    def minute_left(self) -> int:
        """Return how many calls may go out in the next sixty seconds."""
        return self.budget.minute_left(self._at())

    def not_sent(self, call: Call) -> None:
        """Give a call back that surely never left."""
        self.budget.not_sent(call)

    def landed(self, call: Call, *, status: int, headers: Mapping[str, str]) -> None:
        """A call was answered in full."""
        self.budget.landed(call, self._clock.now(), self._at(), status=status, headers=headers)

    async def settle(self) -> None:
        """Write down what is over, lest a successor waits for it; if that fails, it waits in vain."""
        async with self._writing:
            with contextlib.suppress(BusError):  # the next reservation finds out
                await self._store()

    def limited(self, call: Call, *, kind: Limit, headers: Mapping[str, str], spread: float) -> float:
        """Upstream said 429: return for how many seconds."""
        return self.budget.limited(
            call, self._clock.now(), self._at(), kind=kind, headers=headers, spread=spread
        )

    async def _free(self, *, urgent: bool) -> None:
        while (wait := self.wait(urgent=urgent)) > 0:
            if wait > LONGEST_WAIT:
                raise RestLimited(str(self.budget.last_limit or Limit.DAY), wait)
            await asyncio.sleep(min(wait, _LOOK_AGAIN))

    async def _store(self) -> None:
        if self._bucket is None:
            return
        if self._attempt:
            await self._find_out(self._bucket)
        self._attempt = self.budget.record().to_json(self._owner)
        self._revision = await self._bucket.update(KEY, self._attempt, last=self._revision)
        self._attempt = b""

    async def _find_out(self, bucket: Bucket) -> None:
        """Learn whether the last write, whose answer never came, was stored."""
        entry = await bucket.read(KEY)
        if entry is not None and entry.value == self._attempt and not entry.deleted:
            self._revision = entry.revision
        self._attempt = b""

    def _understood(self, entry: Entry | None) -> Record | None:
        """Return what stands there; of a record nobody can read, only that calls may be under way."""
        if entry is None or entry.deleted:
            return None
        try:
            return read_record(entry.value)
        except ValueError as error:
            self.malformed += 1
            if self.malformed == 1:
                log.warning(
                    "the budget's record is unreadable; its calls are taken for spent", why=str(error)
                )
            return Record(
                day_used=0, day_limit=None, day_ends=None, flying=Budget(**self._settings).in_flight
            )
