"""Hears a stream's messages on public subjects, in order, each once; a hole is repaired or announced."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Final, Self

from baleen_bus.connection import Bus, end_task
from baleen_bus.envelope import Headers, origin_of
from baleen_bus.errors import BusError, Unreachable
from baleen_bus.patterns import covers, without_covered
from baleen_bus.reading import (
    BATCH,
    NOT_FOUND,
    Delivered,
    StreamState,
    direct_get,
    fetch_last,
    stream_state,
)
from baleen_bus.sequence import GapReason, Sequence, Thins
from baleen_bus.starts import FollowerStats, FromSequence, Gap, LastPerSubject, Start
from baleen_bus.streams import only_newest_counts

log = logging.getLogger("baleen_bus")

IDLE: Final = 2.0
"""Seconds without a message after which the stream is asked whether one was missed."""
THOROUGH_EVERY: Final = 30
"""Every so many idle checks also ask for the stream's extent; where it thins singly, every check does."""
HOLD_LIMIT: Final = 50_000
ATTEMPTS: Final = 4
"""Readings until messages that do not join on count as lost: a replica may lag behind its leader."""


class Follower:
    """Follows ``patterns`` (public subjects) of one stream.

    ``on_message`` and ``on_gap`` are called on the loop, in stream order; they must be short and may not
    block. ``on_caught_up`` is called when everything stored before the start has been delivered. Use as
    ``async with``; entering waits until the position is known.
    """

    def __init__(  # noqa: PLR0917 - what, where from and whom to tell; read in this order
        self,
        bus: Bus,
        stream: str,
        patterns: Iterable[str],
        start: Start,
        on_message: Callable[[Delivered], None],
        on_gap: Callable[[Gap], None],
        on_caught_up: Callable[[], None] | None = None,
    ) -> None:
        self.stats = FollowerStats()
        self.stream = stream
        self._stream = stream.encode()
        self.patterns = without_covered(patterns)
        self._bus = bus
        self._start = start
        self._on_message = on_message
        self._on_gap = on_gap
        self._on_caught_up = on_caught_up
        self._epoch: str | None = None
        self._thins = Thins.NEVER
        self._sequence: Sequence[Delivered] = Sequence(whole=False, thins=self._thins, hold_limit=HOLD_LIMIT)
        self._whole = False
        self._heard = False
        self._last_heard = 0
        self._connection = 0
        self._wake = asyncio.Event()
        self._thorough = True
        self._leave = contextlib.AsyncExitStack()

    @property
    def position(self) -> int:
        """The highest sequence delivered, or known to lie before the start."""
        return self._sequence.last

    @property
    def current(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._bus.connected and not self._sequence.repairing

    @property
    def epoch(self) -> str:
        """The stream's epoch, to which positions belong."""
        return self._epoch or ""

    async def __aenter__(self) -> Self:
        """Subscribes, then learns the position.

        Raises:
            ApiRefused: there is no such stream.
            Unreachable: the server does not answer now.
        """
        async with contextlib.AsyncExitStack() as opening:
            for pattern in self.patterns:
                subscription = await self._bus.nc.listen(pattern, self._hear)
                opening.push_async_callback(self._bus.nc.unlisten, subscription)
            opening.callback(self._bus.on_disconnected(self._interrupt))
            opening.callback(self._bus.on_reconnected(self._doubt))
            # The server takes our lines in order: what is stored after it answers this one is heard.
            state = await stream_state(self._bus, self.stream)
            await self._begin(state)
            task = asyncio.create_task(self._keep_up(), name=f"follow-{self.stream}")
            self._bus.supervise(task)
            opening.push_async_callback(end_task, task)
            self._leave = opening.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._leave.aclose()

    async def _begin(self, state: StreamState) -> None:
        self._epoch = state.epoch
        self._whole = all(any(covers(ours, theirs) for ours in self.patterns) for theirs in state.patterns)
        held = self._sequence
        self._thins = Thins.EVERYWHERE if only_newest_counts(self.stream, self.patterns) else state.thins
        self._sequence = Sequence(whole=self._whole, thins=self._thins, hold_limit=HOLD_LIMIT)
        self._sequence.adopt(held)
        if isinstance(self._start, FromSequence):
            self._sequence.move_to(max(0, self._start.seq - 1))
        elif isinstance(self._start, LastPerSubject):
            snapshot = await fetch_last(self._bus, self.stream, self.patterns)
            for item in snapshot:
                self._deliver(item)
            self._sequence.move_to(max([state.last_seq, *(item.seq for item in snapshot[-1:])]))
        else:
            self._sequence.move_to(state.last_seq)
        self._last_heard = max(self._last_heard, self._sequence.last)

    def _hear(self, subject: bytes, body: bytes, headers: bytes | None) -> None:
        origin = None if headers is None else origin_of(headers)
        if origin is None or headers is None:
            self.stats.forged += 1
            return
        stream, _, seq, previous = origin
        if stream != self._stream:
            return  # another stream stores subjects that our pattern covers
        self._heard = True
        name = subject.decode()
        item = Delivered(name, self.stream, seq, Headers(headers), body)
        sequence = self._sequence
        if sequence.live(seq, name, previous, item):
            if sequence.holes:
                self._announce()
            self._deliver(item)
        elif sequence.repairing:
            self._wake.set()
        if seq <= self._last_heard:
            self.stats.duplicates += 1
            if seq < self._last_heard:  # numbers never go back, unless the stream was made anew
                self._doubt()
        self._last_heard = seq

    def _deliver(self, item: Delivered) -> None:
        self.stats.delivered += 1
        try:
            self._on_message(item)
        except Exception:
            self.stats.callback_errors += 1
            log.exception("a follower's callback failed stream=%s seq=%d", self.stream, item.seq)

    def _announce(self) -> None:
        holes, self._sequence.holes = self._sequence.holes, []
        for hole in holes:
            self.stats.gaps += 1
            log.warning("gap stream=%s %d-%d %s", self.stream, hole.first, hole.last, hole.reason)
            try:
                self._on_gap(Gap(self.stream, hole.first, hole.last, hole.reason))
            except Exception:
                self.stats.callback_errors += 1
                log.exception("a follower's gap callback failed stream=%s", self.stream)

    def _doubt(self) -> None:
        self._thorough = True
        self._sequence.doubt()
        self._wake.set()

    def _interrupt(self) -> None:
        self._connection += 1
        self._sequence.interrupt()
        self._doubt()

    async def _keep_up(self) -> None:
        """Repairs at the start, when woken, and when it has been quiet for a while; for ever."""
        quiet_checks = 0
        while True:
            self._wake.clear()
            if not self._bus.connected:
                await self._wake.wait()  # the reconnect wakes us
                continue
            due = self._thins is Thins.SINGLY or quiet_checks % THOROUGH_EVERY == 0
            thorough, self._thorough = self._thorough or due, False
            try:
                await self._repair(thorough=thorough)
            except BusError as error:
                self.stats.failed_repairs += 1
                self._thorough = True
                log.info("repair postponed stream=%s: %s", self.stream, error)
                await asyncio.sleep(0.2)
                continue
            if self._on_caught_up is not None:
                caught_up, self._on_caught_up = self._on_caught_up, None
                caught_up()
            quiet_checks += 1
            await self._woken_or_quiet()

    async def _woken_or_quiet(self) -> None:
        while True:
            self._heard = False
            try:
                async with asyncio.timeout(IDLE):
                    await self._wake.wait()
            except TimeoutError:
                if self._heard or not self._bus.connected:
                    continue
            return

    async def _repair(self, *, thorough: bool) -> None:
        sequence = self._sequence
        connection = self._connection
        self.stats.repairs += 1
        sequence.doubt()
        for attempt in range(1, ATTEMPTS + 1):
            final = attempt == ATTEMPTS
            state = await self._compare() if thorough else None
            await self._fetch()
            if connection != self._connection:
                raise Unreachable("the connection was lost during a repair")
            if state is not None and not sequence.joins(sequence.last):
                if self._whole and sequence.last < state.last_seq and not final:
                    await asyncio.sleep(0.05 * attempt)
                    continue
                sequence.checked(state.last_seq)
            for item in sequence.release(final=final):
                self._announce()
                self._deliver(item)
            self._announce()
            if not sequence.repairing:
                return
            await asyncio.sleep(0.05 * attempt)
        self._wake.set()  # too many messages came while we read: at once again

    async def _compare(self) -> StreamState:
        """Is the stream still the one we know, and does it still hold what comes next?"""
        sequence = self._sequence
        position = sequence.last  # taken before asking: live messages may move it while the answer travels
        state = await stream_state(self._bus, self.stream)
        if state.epoch != self._epoch:
            self._epoch = state.epoch
            sequence.restart(GapReason.STREAM_RECREATED, 0)
        elif state.last_seq < position:
            sequence.restart(GapReason.WENT_BACK, state.last_seq)
        sequence.kept_from(state.first_seq)
        self._announce()
        return state

    async def _fetch(self) -> None:
        """Delivers what the stream has after our position, until its end or until it meets what is held."""
        filters = (">",) if self._whole else self.patterns
        cursor = self._sequence.last
        while True:
            # Patterns are read one after the other: a later one may show what came after an earlier one's
            # end, so nothing is delivered beyond the end that the stream had before.
            end = (await stream_state(self._bus, self.stream)).last_seq if len(filters) > 1 else None
            batches = [await self._batch(pattern, cursor) for pattern in filters]
            bounds = [batch[-1].seq for batch, more in batches if more]
            limit = min(bounds if end is None else [*bounds, end], default=None)
            found = sorted((item for batch, _ in batches for item in batch), key=lambda item: item.seq)
            for item in found:
                if limit is None or item.seq <= limit:
                    self._take(item)
            if (
                limit is None
                or not found
                or (found[-1].seq <= limit and not bounds)
                or self._sequence.joins(limit)
            ):
                return
            cursor = limit

    def _take(self, item: Delivered) -> None:
        if self._sequence.fetched(item.seq, item.subject):
            if self._sequence.holes:
                self._announce()
            self.stats.repaired += 1
            self._deliver(item)

    async def _batch(self, pattern: str, cursor: int) -> tuple[list[Delivered], bool]:
        found: list[Delivered] = []
        request = {"seq": cursor + 1, "next_by_subj": pattern, "batch": BATCH}
        end = await direct_get(self._bus, self.stream, request, found.append)
        return found, bool(found) and end.status != NOT_FOUND and end.pending > 0
