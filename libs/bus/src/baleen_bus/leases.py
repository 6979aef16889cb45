"""Keeps leases over the bus: asks what the machine wants asked, and tells the holder in time."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from baleen_bus.errors import ApiRefused, Conflict, Unreachable
from baleen_bus.kv import Bucket
from baleen_bus.kv_entry import Entry
from baleen_bus.lease import Lease
from baleen_bus.lease_talk import (
    Answer,
    Delete,
    Event,
    Failed,
    Grant,
    Held,
    Hinted,
    LeaseTimes,
    Lost,
    Question,
    Quiet,
    Read,
    Refused,
    ReleaseAsked,
    Saw,
    Stopped,
    Stored,
    TimePassed,
    Touched,
    Write,
    times_for,
)
from baleen_bus.lease_value import Before, Head, Ours, release_mark, sight_of, written
from baleen_bus.lease_view import LeaseView, Seen

__all__ = ["Before", "Grant", "LeaseKeeper", "LeaseStats", "LeaseTimes", "LeaseView", "Seen", "times_for"]

log = logging.getLogger("baleen_bus")

RELEASED_WITHIN: Final = 2.0
"""Seconds a release may take; afterwards the lease expires by itself."""


# A suspended machine's monotonic clock stands still on Linux, while its lease runs on.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """A clock that never goes back and counts the time the machine sleeps, where there is one."""
    return time.clock_gettime(_CLOCK)


@dataclass(slots=True)
class LeaseStats:
    """Counters since the keeper was made; services export them."""

    taken: int = 0
    lost: int = 0
    renewed: int = 0
    conflicts: int = 0
    unanswered: int = 0
    refused: int = 0


class LeaseKeeper:
    """One contender for one lease, with at most one question out.

    ``wanted`` and ``eager`` are asked often and must be quick. ``tell`` is asked for each renewal.
    ``on_held`` is called when the lease is ours; ``on_lost`` at the deadline or when somebody else holds it,
    and what the lease allowed must have ended when it returns. Both are called on the loop, and may call
    ``touch``.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        owner: str,
        times: LeaseTimes,
        wanted: Callable[[], bool],
        tell: Callable[[], dict[str, Any]],
        on_held: Callable[[Grant], None],
        on_lost: Callable[[str], None],
        eager: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self.key = key
        self.stats = LeaseStats()
        self._bucket = Bucket(bucket.bus, bucket.name, within=times.patience)
        self._owner, self._nonce = owner, secrets.token_hex(8)
        self._wanted, self._eager, self._tell = wanted, eager, tell
        self._on_held, self._on_lost = on_held, on_lost
        self._clock = clock
        self._lease = Lease(key, times)
        self._question: Question | None = None
        self._turn = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._since = ""
        self._complaint = ""

    @property
    def grant(self) -> Grant | None:
        """What is held at this very moment, by the clock."""
        return self._lease.grant_at(self._clock())

    @property
    def usable(self) -> bool:
        """Whether it is held and not cooling down."""
        return self._lease.usable_at(self._clock())

    @property
    def seconds_left(self) -> float:
        """Until the deadline, unless renewed; 0 while not held."""
        deadline = self._lease.deadline
        return 0.0 if deadline is None else max(0.0, deadline - self._clock())

    async def run(self) -> None:
        """Contends while wanted and renews while held, for ever.

        A cancellation leaves the lease as a crash would: it ends at its deadline. Release it first.

        Raises:
            AccessRefused: this user may not; what was held is lost at once.
        """
        try:
            forget = await self._bucket.on_change(self._changed, key=self.key)
            try:
                await self._learn_quiet()
                while True:
                    await self._round()
            finally:
                forget()
        except Exception as error:
            self._hand(Stopped(f"its keeper ended: {error}", self._clock()))
            raise

    def touch(self) -> None:
        """Tells soon what ``tell`` says now."""
        self._hand(Touched(self._clock()))

    def cool(self, seconds: float) -> None:
        """Holds it on, but not ``usable`` for so long: nobody else should try either."""
        self._lease.cool(self._clock() + seconds)

    async def release(self, within: float = RELEASED_WITHIN) -> bool:
        """Lets go of it, so that others may take it at once; returns whether the bus knows.

        What the lease allowed must have ended before, and ``wanted`` must be false, else it is taken again.
        ``grant`` is None from the call on; ``on_lost`` is not called. Without an answer in time the lease
        expires by itself.
        """
        self._hand(ReleaseAsked(self._clock()))
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while self._lease.leaving and loop.time() < until:
            async with self._turn:
                self._hand(TimePassed(self._clock()))
                await self._answer()
            if self._lease.leaving:
                await asyncio.sleep(min(0.02, within))
        return not self._lease.leaving

    def abandon(self, reason: str) -> None:
        """Ends what is held without a release, as a crash would: it expires, and nobody takes it before."""
        self._hand(Stopped(reason, self._clock()))

    async def _learn_quiet(self) -> None:
        """A bucket nobody wrote to for long holds nobody's lease: that spares a wait."""
        try:
            state = await self._bucket.state()
        except (Unreachable, ApiRefused) as error:
            self._complain(error)
            return
        self._hand(Quiet(state.quiet_for, self._clock()))

    async def _round(self) -> None:
        """Asks what is to be asked, else rests until something is due."""
        self._hand(TimePassed(self._clock()))
        if self._question is not None:
            async with self._turn:
                await self._answer()
            return
        self._stirred.clear()
        # Whether it is wanted is asked, never told: hence a look now and then.
        rest = min(self._lease.wake_at() - self._clock(), self._lease.times.poll)
        try:
            async with asyncio.timeout(max(0.0, rest)):
                await self._stirred.wait()
        except TimeoutError:
            pass

    async def _answer(self) -> None:
        """Puts the question that is out to the bus, and hands the machine its answer."""
        question = self._question
        if question is None:
            return
        failed = True
        try:
            answer = await self._ask(question)
            failed = False
        finally:
            self._question = None
            if failed:
                self._hand(Failed(question.number, self._clock()))
        self._hand(answer)

    async def _ask(self, question: Question) -> Answer:
        number = question.number
        try:
            match question:
                case Read():
                    sight = sight_of(await self._bucket.read(self.key), self._nonce)
                    return Saw(number, sight, self._clock())
                case Write():
                    revision = await self._bucket.update(self.key, self._value(question), last=question.last)
                    self.stats.renewed += question.epoch != 0
                case Delete():
                    mark = release_mark(self._owner)
                    revision = await self._bucket.delete(self.key, last=question.last, value=mark)
            return Stored(number, revision, self._clock())
        except Conflict:
            self.stats.conflicts += 1
            return Refused(number, self._clock())
        except Unreachable as error:
            self.stats.unanswered += 1
            self._complain(error)
        except ApiRefused as error:
            self.stats.refused += 1
            self._complain(error)
        return Failed(number, self._clock())

    def _value(self, write: Write) -> bytes:
        if not write.epoch:
            self._since = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = Head(self._owner, self._nonce, write.number, self._since, write.before, write.epoch)
        return written(head, self._tell())

    def _hand(self, event: Event) -> None:
        """Tells the machine, and does at once what it says; a question is put by whoever's turn it is."""
        self._lease.want(self._wanted(), self._eager(), event.at)
        for command in self._lease.handle(event):
            match command:
                case Held(grant):
                    self.stats.taken += 1
                    log.info("lease %s is held, epoch %d, before: %s", self.key, grant.epoch, grant.before)
                    self._on_held(grant)
                case Lost(reason):
                    self.stats.lost += 1
                    log.warning("lease %s is lost: %s", self.key, reason)
                    self._on_lost(reason)
                case question:
                    self._question = question
        self._arm()
        self._stirred.set()

    def _arm(self) -> None:
        """Wakes at the deadline whatever else is under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._lease.deadline
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_later(
                max(0.0, deadline - self._clock()), lambda: self._hand(TimePassed(self._clock()))
            )

    def _changed(self, entry: Entry) -> None:
        if not isinstance(sight_of(entry, self._nonce), Ours):
            self._hand(Hinted(self._clock()))

    def _complain(self, error: Exception) -> None:
        """Says once why the bus does not answer."""
        if (words := str(error)) != self._complaint:
            self._complaint = words
            log.warning("lease %s: %s", self.key, words)
