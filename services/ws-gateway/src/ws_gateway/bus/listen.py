"""Hears the bus: one follower per stream, each message made an `Event` and handed to the gateway.

A stream is heard before its past is read: what arrives meanwhile is held, so that memory has neither a hole
nor a duplicate when the two are joined.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack

import structlog

from baleen_bus import (
    ApiRefused,
    Bus,
    BusError,
    Delivered,
    Follower,
    Gap,
    GapReason,
    LastPerSubject,
    Live,
    Unreachable,
    fetch_last,
    fetch_newest,
)
from baleen_bus.connection import end_task
from baleen_bus.reading import fetch_after, stream_state
from baleen_contracts.catalogue import Delivery, Entity, entity_of
from ws_gateway.bus.heard import heard_streams
from ws_gateway.errors import Dropped
from ws_gateway.event import Event
from ws_gateway.gateway import Gateway
from ws_gateway.native.conversation import Conversation
from ws_gateway.topics import cover

log = structlog.get_logger(__name__)

_MAX_SUBJECTS = 100_000
_WARM = 20_000
"""Messages of a stream's end that are read at the start."""
_TRY_AGAIN_AFTER = 1.0
_REACHED_WITHIN = 10.0
_SOURCE_EVERY = 1.0


class Listener:
    """Turns what one stream delivers into events for the gateway."""

    def __init__(self, gateway: Gateway, bus: Bus, stream: str, entities: tuple[Entity, ...]) -> None:
        self._gateway = gateway
        self._bus = bus
        self._stream = stream
        self._entities = entities
        self._names: dict[str, str | None] = {}
        self._held: list[Event] | None = []
        self._looking_back: list[asyncio.Task[None]] = []
        self._latest = [entity for entity in entities if entity.delivery is Delivery.LATEST]
        self._remembered_to = 0
        self._source_due = 0.0
        self._caught_up = asyncio.Event()
        only_last = all(entity.delivery is Delivery.LATEST for entity in entities)
        self._only_last = only_last
        self.follower = Follower(
            bus,
            stream,
            tuple(entity.pattern for entity in entities),
            LastPerSubject() if only_last else Live(),
            self._on_message,
            self._on_gap,
            self._caught_up.set,
        )
        patterns = tuple(entity.pattern for entity in entities)
        self._kept = gateway.past.follow(
            stream,
            patterns,
            newest_only=only_last,
            epoch=lambda: self.follower.epoch,
            read=self._event,
        )

    async def follow(self, closing: AsyncExitStack) -> None:
        """Begin to hear the stream, return when its past is remembered; it is heard until *closing* closes.

        Raises:
            ApiRefused, Unreachable: the bus does not answer or has no such stream yet.
        """
        await closing.enter_async_context(self.follower)
        closing.push_async_callback(self._end_looking_back)
        began = self.follower.position
        if self._only_last:
            await self._caught_up.wait()
            self._kept.tail.begin(began)
        else:
            for entity in self._entities:
                self._remember(await self._past(entity))
            await self._warm(began)
            await self._reach(self._remembered_to)
        self._release()

    async def _warm(self, until: int) -> None:
        """Keep the stream's end up to where it is heard from, for those who come back after a restart."""
        tail = self._kept.tail
        tail.begin(max(0, until - _WARM))

        def keep(delivered: Delivered) -> None:
            event = self._event(delivered) if delivered.seq <= until else None
            if event is not None:
                tail.add(event)

        await fetch_after(self._bus, self._stream, ">", tail.heard, keep)
        tail.lift((await stream_state(self._bus, self._stream)).first_seq - 1, until)

    async def _reach(self, seq: int) -> None:
        """Wait until all up to *seq*, which the stream has told when asked, was heard as well.

        Raises:
            Unreachable: it does not come.
        """
        deadline = time.monotonic() + _REACHED_WITHIN
        while self.follower.position < seq:
            if time.monotonic() > deadline:
                raise Unreachable(f"{self._stream}: number {seq} is stored and was not heard")
            await asyncio.sleep(0.005)

    async def _past(self, entity: Entity) -> list[Delivered]:
        if entity.delivery is Delivery.LATEST:
            return await fetch_last(self._bus, self._stream, entity.pattern)
        return await fetch_newest(self._bus, self._stream, entity.pattern, self._gateway.settings.newest_kept)

    def _remember(self, past: Iterable[Delivered]) -> None:
        for delivered in past:
            event = self._event(delivered)
            if event is not None:
                self._gateway.past.memory.keep(event)
                self._gateway.note_source(event)
                self._remembered_to = max(self._remembered_to, event.seq)

    def _release(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            if self._gateway.past.memory.knows(event):
                self._kept.keep(event)
            else:
                self._gateway.take(event)
        self._gateway.settle(self._stream)

    def _on_message(self, delivered: Delivered) -> None:
        event = self._event(delivered)
        if event is None:
            return
        if self._held is None:
            self._gateway.take(event)
        else:
            self._held.append(event)

    def _on_gap(self, gap: Gap) -> None:
        """Tell native clients, each once, what will not come; the seeds' dialects have no word for it.

        The topic a client is told covers all of its own that may have lost something.
        """
        reason = str(gap.reason)
        start, end = self._at(gap.from_seq), self._at(gap.to_seq)
        log.warning("gap", stream=self._stream, start=gap.from_seq, end=gap.to_seq, reason=reason)
        self._kept.lose(gap, self.follower.position)
        self._gateway.lose(gap)
        dialect = Conversation.dialect
        self._gateway.hub.announce(
            dialect,
            self._kept.patterns,
            lambda topics: dialect.gap(cover(topics), start, end, reason),
        )
        if gap.reason is GapReason.WENT_BACK:
            looking = asyncio.create_task(self._look_back(gap.from_seq - 1), name=f"look-back-{self._stream}")
            self._bus.supervise(looking)
            self._looking_back = [*(task for task in self._looking_back if not task.done()), looking]

    async def _look_back(self, until: int) -> None:
        """Remember what the stream, which lost its end, holds up to *until* of what only the last counts."""
        found: list[Delivered] | None = None
        while found is None:
            try:
                found = [item for entity in self._latest for item in await self._past(entity)]
            except BusError as error:
                log.info("cannot look back yet", stream=self._stream, reason=str(error))
                await asyncio.sleep(_TRY_AGAIN_AFTER)
        for event in (self._event(item) for item in found if item.seq <= until):
            if event is not None:
                self._gateway.past.memory.restore(event)
        self._gateway.settle(self._stream)

    async def _end_looking_back(self) -> None:
        for looking in self._looking_back:
            await end_task(looking)

    def _event(self, delivered: Delivered) -> Event | None:
        subject = delivered.subject
        name = self._names.get(subject) or self._name(subject)
        if name is None:
            self._gateway.hub.dropped[Dropped.UNKNOWN_SUBJECT] += 1
            return None
        return Event(
            subject=subject,
            entity=name,
            stream=self._stream,
            seq=delivered.seq,
            at=self._at(delivered.seq),
            time=None,
            body=delivered.body,
            source=self._source(delivered),
        )

    def _source(self, delivered: Delivered) -> str | None:
        """Return who published, asked about once a second: reading headers costs more than all else here."""
        now = time.monotonic()
        if now < self._source_due:
            return None
        self._source_due = now + _SOURCE_EVERY
        return delivered.headers.get("ce-source")

    def _at(self, seq: int) -> str:
        return f"{self._stream}.{self.follower.epoch}.{seq}"

    def _name(self, subject: str) -> str | None:
        entity = entity_of(subject)
        if len(self._names) >= _MAX_SUBJECTS:
            self._names.clear()
        name = self._names[subject] = entity.name if entity is not None else None
        return name


async def follow_all(gateway: Gateway, bus: Bus, closing: AsyncExitStack) -> tuple[Follower, ...]:
    """Hear every stream, waiting for those that are not made yet; return when their past is remembered."""
    followers = []
    for stream, entities in heard_streams().items():
        while not gateway.leaving:
            listener = Listener(gateway, bus, stream, entities)
            attempt = AsyncExitStack()
            try:
                await listener.follow(attempt)
            except (ApiRefused, Unreachable) as error:
                await attempt.aclose()
                gateway.health.report("streams", ok=False, reason=f"{stream}: {error}")
                await asyncio.sleep(_TRY_AGAIN_AFTER)
                continue
            await closing.enter_async_context(attempt)
            followers.append(listener.follower)
            break
    gateway.health.report("streams", ok=True)
    return tuple(followers)
