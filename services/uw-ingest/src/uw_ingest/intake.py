"""From the bytes of a frame to the bus: buffer, decode, normalize, offer.

Two bounds stand between upstream and the bus. :meth:`Intake.frame` only puts bytes into the buffer, so the
receive loop never waits; a slice at a time the event loop turns them into messages and offers them to the
publisher's outbox. While the outbox is full nothing leaves the buffer, and when the buffer is full too,
frames are dropped, counted, and announced as a gap of their feed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from baleen_bus.errors import DropReason, OutboxFull, PublishRefused
from baleen_bus.publisher import Publisher
from baleen_contracts import Message
from baleen_contracts.feed import GapReason
from baleen_runtime.clock import Clock
from uw_ingest.channels import feed_of
from uw_ingest.decode import Answer, Complaint, Data, decode, sniff_channel
from uw_ingest.errors import Refused
from uw_ingest.gaps import Holes
from uw_ingest.normalize import from_socket
from uw_ingest.normalize.option_frame import OPENING, option_frame
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.intake")

SLICE = 256  # frames between two turns of the event loop, some 6 ms
RETRY_AFTER = 0.01  # seconds, while the outbox is full
UNKNOWN_FEED = "raw"  # the feed of dropped frames whose channel cannot be read

_Made = tuple[str, str, Message]  # channel, feed, message


@dataclass(frozen=True, slots=True)
class Hearers:
    """Who is told what else a frame said; nobody, until the conversation begins."""

    on_answer: Callable[[Answer], None] = lambda _answer: None
    on_complaint: Callable[[Complaint], None] = lambda _complaint: None
    on_heard: Callable[[Mapping[str, int]], None] = lambda _counts: None


class Intake:
    """The bounded road from the socket to the outbox."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        tally: Tally,
        holes: Holes,
        clock: Clock,
        joined: Container[str],
        max_frames: int,
        max_bytes: int,
    ) -> None:
        """Offer to this publisher. ``joined`` are the channels whose payloads may be carried raw."""
        self._publisher, self._tally, self._holes, self._clock = publisher, tally, holes, clock
        self._now = clock.now
        self._joined = joined
        self.hearers = Hearers()
        self._max_frames, self._max_bytes = max_frames, max_bytes
        self._queue: deque[tuple[datetime, bytes]] = deque()
        self._size = 0
        self._held: deque[Message] = deque()  # made, but the outbox was full
        self._busy = False

    @property
    def backlog(self) -> int:
        """Frames and messages taken and not yet in the outbox."""
        return len(self._queue) + len(self._held)

    def frame(self, body: bytes) -> None:
        """Take a frame's bytes; never waits, never raises."""
        self._tally.frames += 1
        size = self._size + len(body)
        if size > self._max_bytes or len(self._queue) >= self._max_frames:
            self._overflow(body)
            return
        self._size = size
        self._queue.append((self._now(), body))
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def refuse(self, reason: Refusal) -> None:
        """Count a frame that was not worth its bytes."""
        self._tally.frames += 1
        self._tally.refused[reason] += 1

    def say(self, message: Message) -> None:
        """Offer a message of our own (status, gap, polled row), after what is held already."""
        if self._held:
            self._held.append(message)
        else:
            self._offer(message)

    def rejoined(self, channel: str) -> None:
        """A channel's join was accepted: its feed flows again, and what it missed can be told."""
        self._close_hole(feed_of(channel), self._now())

    def flush(self) -> None:
        """Turn everything that waits into messages now; for leaving."""
        while self._queue and not self._held:
            self._slice()
        self._release()

    def _turn(self) -> None:
        """One slice, then let the event loop do something else."""
        self._release()
        if not self._held:
            self._slice()
        self._busy = bool(self._queue or self._held)
        if self._busy:
            loop = asyncio.get_running_loop()
            if self._held:
                loop.call_later(RETRY_AFTER, self._turn)
            else:
                loop.call_soon(self._turn)

    def _slice(self) -> None:
        """Read some frames, then offer what they became.

        Two loops instead of one, since each then runs from the processor's caches: that saves a sixth.
        """
        queue, made = self._queue, list[_Made]()
        for _ in range(min(SLICE, len(queue))):
            received_at, body = queue.popleft()
            self._size -= len(body)
            found = option_frame(body, received_at) if body.startswith(OPENING) else None
            if found is not None:
                made.append((found[0], "option_trade", found[1]))
            else:
                self._ordinary(body, received_at, made)
        if made:
            self._accept(made)

    def _ordinary(self, body: bytes, received_at: datetime, made: list[_Made]) -> None:
        said = decode(body)
        if not isinstance(said, Data):
            self._rare(said)
            return
        channel, payload = said
        try:
            message = from_socket(channel, payload, received_at, joined=channel in self._joined)
        except Refused as refused:
            self._tally.refused[refused.reason] += 1
            return
        made.append((channel, feed_of(channel) if message.entity == "raw" else message.entity, message))

    def _accept(self, made: list[_Made]) -> None:
        heard: dict[str, int] = {}
        accepted, last = self._tally.accepted, self._tally.last_message_at
        for channel, feed, message in made:
            heard[channel] = heard.get(channel, 0) + 1
            accepted[feed] += 1
            last[feed] = message.received_at
            if self._holes.by_feed:
                self._close_hole(feed, message.received_at)
            self.say(message)
        self.hearers.on_heard(heard)

    def _rare(self, said: Answer | Complaint | Refusal) -> None:
        if isinstance(said, Answer):
            self._tally.answers += 1
            self.hearers.on_answer(said)
        elif isinstance(said, Complaint):
            self._tally.complaints += 1
            self._tally.refused[Refusal.UPSTREAM_ERROR] += 1
            self.hearers.on_complaint(said)
        else:
            self._tally.refused[said] += 1

    def _overflow(self, body: bytes) -> None:
        self._tally.overflowed += 1
        channel = sniff_channel(body)
        feed = UNKNOWN_FEED if channel is None else feed_of(channel)
        self._holes.open(feed, self._now(), GapReason.OVERFLOW, lost=1)

    def _close_hole(self, feed: str, at: datetime) -> None:
        gap = self._holes.close(feed, at)
        if gap is not None:
            self._tally.gaps += 1
            log.warning("feed gap", feed=feed, reason=gap.reason, lost=gap.lost)
            self.say(gap)

    def _release(self) -> None:
        while self._held:
            message = self._held.popleft()
            try:
                self._publisher.offer(message)
            except OutboxFull:
                self._held.appendleft(message)
                return
            except PublishRefused as refusal:
                self._unpublishable(refusal)

    def _offer(self, message: Message) -> None:
        try:
            self._publisher.offer(message)
        except OutboxFull:
            self._held.append(message)
            if not self._busy:
                self._busy = True
                asyncio.get_running_loop().call_later(RETRY_AFTER, self._turn)
        except PublishRefused as refusal:
            self._unpublishable(refusal)

    def _unpublishable(self, refusal: PublishRefused) -> None:
        too_big = refusal.reason is DropReason.TOO_BIG
        self._tally.refused[Refusal.OVERSIZED if too_big else Refusal.UNPUBLISHABLE] += 1
