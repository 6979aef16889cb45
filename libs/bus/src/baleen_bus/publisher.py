"""Says messages on the bus: bounded, pipelined, deduped, sent until a stream has them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, Self, TypeVar

from baleen_bus.acks import Refusal, Stored, judge, plain_ack
from baleen_bus.connection import Bus, end_task
from baleen_bus.envelope import Envelopes
from baleen_bus.errors import BusClosed, DropReason, OutboxFull, PublishRefused
from baleen_bus.lane import Entry
from baleen_bus.outbox import Outbox
from baleen_bus.publisher_stats import PublisherStats
from baleen_bus.recall import Recall
from baleen_bus.streams import remembered
from baleen_contracts.message import Publishable

log = logging.getLogger("baleen_bus")

BATCH: Final = 256
"""Messages written before other tasks get their turn."""
CHECK_EVERY: Final = 0.25
HEADROOM: Final = 256
"""Bytes of a command that are not payload, subtracted generously."""

_T = TypeVar("_T")
OnStored = Callable[[Stored], None]
OnDropped = Callable[[PublishRefused], None]


class Publisher:
    """Publishes contract messages of one source over one bus connection.

    A stream stores its messages in the order of their offers; one in trouble does not hold up the others.
    A message is sent again until its stream acked it, through any number of server restarts; the stream's
    dedupe keeps it single, and after an outage too long for that a look into the stream. Where a stream
    keeps only the newest message of a subject, the ack of a newer one settles an older one whose own ack was
    lost. Use from one event loop only, as ``async with``; leaving gives up what is not stored: ``drain``
    first.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        source: str,
        max_messages: int = 65_536,
        max_bytes: int = 64 << 20,
        in_flight: int = 4_096,
        ack_within: float = 5.0,
    ) -> None:
        self.stats = PublisherStats()
        self._bus = bus
        self._envelopes = Envelopes(source)
        self._outbox = Outbox(
            max_messages=max_messages,
            max_bytes=max_bytes,
            in_flight=in_flight,
            ack_within=ack_within,
            remembers=remembered(),
        )
        self._recall = Recall(bus, self._outbox, self._on_found)
        self._inbox = bus.nc.new_inbox() + "."
        self._plain_ack = plain_ack(self._inbox)
        self._largest = bus.nc.max_payload - HEADROOM
        self._number = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._open = False
        self._time = asyncio.get_running_loop().time
        self._leave = contextlib.AsyncExitStack()

    @property
    def backlog(self) -> int:
        """Messages taken and not yet known to be stored."""
        return self._outbox.messages

    @property
    def resent(self) -> int:
        """How often a message was sent again."""
        return self._outbox.resent

    def oldest_age(self, now: float) -> float:
        """How long (seconds) the oldest message has waited to be stored; 0 if none does.

        ``now`` is a time of the running loop.
        """
        return self._outbox.oldest_age(now)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opening:
            subscription = await self._bus.nc.listen(f"{self._inbox}*", self._on_ack, self._read_acks)
            opening.push_async_callback(self._bus.nc.unlisten, subscription)
            opening.callback(self._bus.on_disconnected(self._outbox.link_down))
            opening.callback(self._bus.on_reconnected(self._on_link))
            opening.callback(self._bus.on_denied(self._on_denied))
            self._open = True
            opening.callback(self._give_up)
            if self._bus.connected:
                self._on_link()
            for work, name in ((self._recall.run(), "publisher-recall"), (self._pump(), "publisher-pump")):
                task = asyncio.create_task(work, name=name)
                self._bus.supervise(task)
                opening.push_async_callback(end_task, task)
            self._leave = opening.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._leave.aclose()

    def offer(
        self,
        message: Publishable,
        on_stored: OnStored | None = None,
        on_dropped: OnDropped | None = None,
        *,
        traceparent: str | None = None,
    ) -> None:
        """Takes a message and returns at once; the callbacks say later what became of it.

        ``traceparent`` goes along as a header.

        Raises:
            OutboxFull: the bus is slower than the source, or away, for longer than the outbox lasts.
            PublishRefused: this message can never be stored.
            BusClosed: the publisher is closed.
        """
        if not self._open:
            raise BusClosed("the publisher is closed")
        number = self._number = self._number + 1
        subject, command, (stream, replaces) = self._envelopes.frame(
            message, f"{self._inbox}{number}", traceparent
        )
        if len(command) > self._largest:  # the server would hang up on it
            raise PublishRefused(DropReason.TOO_BIG, f"{len(command)} bytes")
        try:
            self._outbox.offer(
                Entry(number, subject, command, stream, replaces, self._time(), on_stored, on_dropped)
            )
        except OutboxFull:
            self.stats.full += 1
            raise
        self.stats.offered += 1
        self._wake.set()

    async def publish(self, message: Publishable) -> Stored:
        """Offers and waits until the message is stored; without a deadline, so give one.

        Raises:
            OutboxFull, PublishRefused, BusClosed: as ``offer``; PublishRefused also if the stream will not
            have it.
        """
        stored: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()

        def on_stored(ack: Stored) -> None:
            if not stored.done():
                stored.set_result(ack)

        def on_dropped(refusal: PublishRefused) -> None:
            if not stored.done():
                stored.set_exception(refusal)

        self.offer(message, on_stored, on_dropped)
        return await stored

    async def drain(self, within: float) -> int:
        """Waits up to ``within`` seconds until everything is stored; returns the number of messages left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._outbox.messages:
                    self._empty.clear()
                    await self._empty.wait()
        return self._outbox.messages

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            check = loop.call_later(CHECK_EVERY, self._wake.set)
            await self._wake.wait()
            check.cancel()
            self._wake.clear()
            if self._outbox.check(loop.time()):
                self.stats.retries += 1
            while commands := self._outbox.take(loop.time(), BATCH):
                await self._bus.nc.send_raw(b"".join(commands))
                await asyncio.sleep(0)
            self._recall.look(loop.time())

    def _on_link(self) -> None:
        self._largest = self._bus.nc.max_payload - HEADROOM
        self._outbox.link_up()
        self._wake.set()

    def _read_acks(self, chunk: bytes, at: int) -> int:
        newest = dict[bytes, bytes]()
        while found := self._plain_ack(chunk, at):
            number, name, seq = found.groups()
            newest[name] = seq
            for entry in self._stored(int(number)):
                if entry.on_stored is not None:
                    self._call(entry.on_stored, Stored(name.decode(), int(seq), False))
            at = found.end()
        if newest:
            self._recall.last_acked.update((name.decode(), int(seq)) for name, seq in newest.items())
            self._settled()
        return at

    def _on_ack(self, subject: bytes, body: bytes, headers: bytes | None) -> None:
        number = int(subject[len(self._inbox) :])
        answer = judge(body, headers)
        if isinstance(answer, Refusal):
            self._on_refusal(number, answer)
            return
        if not answer.duplicate:
            self._recall.last_acked[answer.stream] = answer.seq
        self._on_found(number, answer)

    def _on_found(self, number: int, answer: Stored) -> None:
        settled = self._stored(number)
        if settled and answer.duplicate:
            self.stats.duplicates += 1
        for entry in settled:
            if entry.on_stored is not None:
                known = answer.duplicate and entry.attempts == 1
                self._call(entry.on_stored, Stored(answer.stream, answer.seq, known))
        self._settled()

    def _stored(self, number: int) -> list[Entry]:
        """Settles and counts; returns what was settled, for whoever wants to be told."""
        settled = self._outbox.settle(number)
        stats = self.stats
        if not settled:
            stats.late_acks += 1
        else:
            stats.stored += 1
            if len(settled) > 1:
                stats.superseded += len(settled) - 1
        return settled

    def _on_refusal(self, number: int, refusal: Refusal) -> None:
        self.stats.last_refusal = refusal.detail
        if refusal.drop is None:
            self.stats.retries += 1
            self._outbox.retry(number, asyncio.get_running_loop().time())
            return
        self._drop(number, refusal.drop, refusal.detail)

    def _on_denied(self, words: str) -> None:
        """A denied publish has no ack and retrying cannot help: its messages are dropped, not kept."""
        for number in self._outbox.matching(lambda entry: f'"{entry.subject.lower()}"' in words):
            self._drop(number, DropReason.DENIED, words)

    def _drop(self, number: int, reason: DropReason, detail: str) -> None:
        entry = self._outbox.drop(number)
        if entry is None:
            return
        refusal = self._refused(reason, detail)
        log.error("message dropped subject=%s %s", entry.subject, refusal)
        if entry.on_dropped is not None:
            self._call(entry.on_dropped, refusal)
        self._settled()

    def _refused(self, reason: DropReason, detail: str) -> PublishRefused:
        self.stats.dropped[reason] = self.stats.dropped.get(reason, 0) + 1
        return PublishRefused(reason, detail)

    def _settled(self) -> None:
        if self._outbox.messages == 0:
            self._empty.set()
        elif not self._wake.is_set() and self._outbox.waits():
            self._wake.set()

    def _call(self, callback: Callable[[_T], None], argument: _T) -> None:
        try:
            callback(argument)
        except Exception:
            self.stats.callback_errors += 1
            log.exception("a publisher's callback failed")

    def _give_up(self) -> None:
        self._open = False
        for entry in self._outbox.give_up():
            refusal = self._refused(DropReason.CLOSED, "the publisher was closed before the stream had it")
            if entry.on_dropped is not None:
                self._call(entry.on_dropped, refusal)
