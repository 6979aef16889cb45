"""From the bytes of a frame to the bus: buffer, decode, normalize, offer.

Two bounds stand between upstream and the bus. :meth:`Intake.frame` only puts bytes into the buffer, so the
receive loop never waits; a slice at a time the event loop turns them into messages and offers them to the
publisher's outbox. While the outbox is full nothing leaves the buffer, and when the buffer is full too,
frames are dropped, counted, and announced as a gap of their feed. Upstream's answers do not wait in the
buffer: the conversation must go on while the bus is away. Nothing that one frame or message does stops the
next.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from baleen_bus.errors import DropReason, OutboxFull, PublishRefused
from baleen_bus.publisher import Publisher
from baleen_contracts import Message
from baleen_contracts.feed import FeedGap, GapReason
from baleen_runtime.clock import Clock
from uw_ingest.channels import feed_of, split
from uw_ingest.decode import Answer, Complaint, Data, decode, sniff_channel
from uw_ingest.errors import Refused
from uw_ingest.gaps import Holes
from uw_ingest.held import Held, OnDropped
from uw_ingest.normalize import from_socket
from uw_ingest.normalize.option_frame import OPENING, option_frame
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.intake")

SLICE = 256  # frames between two turns of the event loop, some 6 ms
HELD_AT_MOST = 4 * SLICE  # messages that each matter, while the outbox is full
ANSWER_AT_MOST = 512  # bytes of an answer to a join that is read at once
RETRY_AFTER = 0.01  # seconds, while the outbox is full
UNKNOWN_FEED = "raw"  # the feed of dropped frames of no channel that was joined

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
        self._held = Held(HELD_AT_MOST)
        self._full = False  # the outbox was, and messages are held
        self._busy = False  # a turn is due
        self._rejoined: dict[str, datetime] = {}
        self._cut_at = datetime.min.replace(tzinfo=UTC)
        self._frames_seen = 0
        self._stumbled: set[str] = set()

    @property
    def backlog(self) -> int:
        """Frames and messages taken and not yet in the outbox."""
        return len(self._queue) + len(self._held)

    def frame(self, body: bytes) -> None:
        """Take a frame's bytes; never waits, never raises."""
        self._tally.frames += 1
        if (
            len(body) <= ANSWER_AT_MOST
            and (b'"response"' in body or b'"error"' in body)
            and self._answered(body)
        ):
            return
        size = self._size + len(body)
        if size > self._max_bytes or len(self._queue) >= self._max_frames:
            self._overflow(body)
            return
        self._size = size
        self._queue.append((self._now(), body))
        if not self._busy:
            self._arm()

    def refuse(self, reason: Refusal) -> None:
        """Count a frame that was not worth its bytes."""
        self._tally.frames += 1
        self._tally.refused[reason] += 1

    def say(self, message: Message) -> bool:
        """Offer a message of our own (status, gap, polled row), after what is held; tell if it was taken."""
        own = message.entity in ("feed_status", "feed_gap")
        dropped = None if own else partial(self._dropped, message.entity, message.received_at)
        return self._say(message, dropped)

    def rejoined(self, channel: str) -> None:
        """A channel's join was accepted: what it missed can be told, after what was received before."""
        if channel in self._joined:
            self._rejoined[channel] = self._now()
            self._arm()

    def cut(self) -> None:
        """The socket is gone: what was received before says nothing about the next one."""
        self._cut_at = self._now()

    def unheard(self) -> bool:
        """Tell whether frames came since this was last asked that still wait to be read."""
        frames = self._tally.frames - self._tally.answers - self._tally.complaints
        came, self._frames_seen = frames > self._frames_seen, frames
        return came and bool(self._queue)

    def look(self) -> None:
        """Tell of refusals that are over; to be called every second or so."""
        if not self._full:
            self._announce(self._holes.quiet(self._now()))

    def flush(self) -> None:
        """Turn everything that waits into messages now; for leaving."""
        self._release()
        while self._queue and not self._full:
            self._slice()
        self._settle()

    def _arm(self) -> None:
        """See to it that a turn comes, if there is anything to do."""
        if self._busy:
            return
        if self._full:
            self._busy = True
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._turn)
        elif self._queue or self._rejoined:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """One slice, then let the event loop do something else."""
        try:
            self._release()
            if not self._full:
                self._slice()
            self._settle()
        finally:
            self._busy = False
            self._arm()

    def _slice(self) -> None:
        """Read some frames, then offer what they became.

        Two loops instead of one, since each then runs from the processor's caches: that saves a sixth.
        """
        queue, made = self._queue, list[_Made]()
        for _ in range(min(SLICE, len(queue))):
            received_at, body = queue.popleft()
            self._size -= len(body)
            try:
                found = option_frame(body, received_at) if body.startswith(OPENING) else None
                if found is not None:
                    made.append((found[0], "option_trade", found[1]))
                else:
                    self._ordinary(body, received_at, made)
            except Exception as error:  # noqa: BLE001 - no frame may cost the others
                self._stumble(error)
        if made:
            self._accept(made)

    def _ordinary(self, body: bytes, received_at: datetime, made: list[_Made]) -> None:
        said = decode(body)
        if not isinstance(said, Data):
            self._rare(said, received_at)
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
        offer, first_at = self._publisher.offer, made[0][2].received_at
        droppers: dict[str, OnDropped] = {}
        for channel, feed, message in made:
            heard[channel] = heard.get(channel, 0) + 1
            accepted[feed] += 1
            last[feed] = message.received_at
            if self._holes.by_channel:
                self._announce(self._holes.flows(self._joined_as(channel), message.received_at))
            dropped = droppers.get(feed)
            if dropped is None:
                dropped = droppers[feed] = partial(self._dropped, feed, first_at)
            if self._full:
                self._hold(message, dropped)
                continue
            try:
                offer(message, None, dropped)
            except Exception as error:  # noqa: BLE001 - no message may cost the others
                self._not_taken(message, dropped, error)
        if first_at >= self._cut_at:  # frames of a socket that is gone prove nothing about this one
            self.hearers.on_heard(heard)

    def _answered(self, body: bytes) -> bool:
        """Pass on an answer or a complaint at once; tell whether the frame was one."""
        said = decode(body)
        if not isinstance(said, Answer | Complaint):
            return False
        self._rare(said, self._now())
        return True

    def _rare(self, said: Answer | Complaint | Refusal, received_at: datetime) -> None:
        if isinstance(said, Answer):
            self._tally.answers += 1
            if received_at >= self._cut_at:
                self.hearers.on_answer(said)
        elif isinstance(said, Complaint):
            self._tally.complaints += 1
            self._tally.refused[Refusal.UPSTREAM_ERROR] += 1
            self.hearers.on_complaint(said)
        else:
            self._tally.refused[said] += 1

    def _overflow(self, body: bytes) -> None:
        self._tally.overflowed += 1
        now, channel = self._now(), self._joined_as(sniff_channel(body) or "")
        self._holes.open(channel, now, GapReason.OVERFLOW, now=now, lost=1)

    def _dropped(self, feed: str, since: datetime, refusal: PublishRefused) -> None:
        """The bus took a message and refused it later; when we leave, the successor tells of the hole."""
        if refusal.reason is not DropReason.CLOSED:
            self._holes.open(feed, since, GapReason.REFUSED, now=self._now(), lost=1)

    def _joined_as(self, channel: str) -> str:
        """Return the joined channel that brings this one's frames; whatever nobody joined is one channel."""
        if channel in self._joined:
            return channel
        name, _ = split(channel)
        return name if name in self._joined else UNKNOWN_FEED

    def _settle(self) -> None:
        """Close the holes that are over, now that something was read; while the outbox is full they wait."""
        if self._full:
            return
        queue = self._queue
        for channel, at in list(self._rejoined.items()):
            if not queue or queue[0][0] > at:
                del self._rejoined[channel]
                self._announce(self._holes.flows(channel, at))
        if not queue and self._holes.by_channel:
            self._announce(self._holes.drained(self._now()))

    def _announce(self, gaps: list[FeedGap]) -> None:
        for gap in gaps:
            self._tally.gaps += 1
            log.warning("feed gap", feed=gap.feed, reason=gap.reason, lost=gap.lost)
            self.say(gap)

    def _release(self) -> None:
        while self._full:
            message, dropped = self._held.first()
            try:
                self._publisher.offer(message, on_dropped=dropped)
            except OutboxFull:
                return
            except Exception as error:  # noqa: BLE001 - no message may cost the others
                self._stumble(error)
            self._held.done()
            self._full = len(self._held) > 0

    def _say(self, message: Message, dropped: OnDropped) -> bool:
        if self._full:
            return self._hold(message, dropped)
        try:
            self._publisher.offer(message, None, dropped)
        except Exception as error:  # noqa: BLE001 - as in _accept
            return self._not_taken(message, dropped, error)
        return True

    def _not_taken(self, message: Message, dropped: OnDropped, error: Exception) -> bool:
        """Hold a message for which there was no room; one that can never be published is done with."""
        if isinstance(error, OutboxFull):
            return self._hold(message, dropped)
        self._stumble(error)
        return True

    def _hold(self, message: Message, dropped: OnDropped) -> bool:
        try:
            taken = self._held.keep((message, dropped))
        except Exception as error:  # noqa: BLE001 - as in _accept
            self._stumble(error)
            return True
        self._full = True
        if not taken:
            self._tally.refused[Refusal.NO_ROOM] += 1
        self._arm()
        return taken

    def _stumble(self, error: Exception) -> None:
        """Count what cannot be published, and log each kind of it once."""
        too_big = isinstance(error, PublishRefused) and error.reason is DropReason.TOO_BIG
        self._tally.refused[Refusal.OVERSIZED if too_big else Refusal.UNPUBLISHABLE] += 1
        kind = type(error).__name__
        if kind not in self._stumbled:
            self._stumbled.add(kind)
            log.error("cannot be published", kind=kind)
