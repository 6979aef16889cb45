"""From the bytes of a frame to a message: buffer, decode, normalize.

:meth:`Intake.frame` only puts bytes into the buffer, so the receive loop never waits; a slice at a time the
event loop turns them into messages for the outlet. While the outlet has no room nothing leaves the buffer,
and when the buffer is full too, frames are dropped, counted, and announced as a gap of their feed. Upstream's
answers do not wait in the buffer: the conversation must go on while the bus is away. Nothing that one frame
does stops the next.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter

from baleen_contracts.feed import GapReason
from baleen_contracts.message import Publishable
from baleen_runtime.clock import Clock
from uw_ingest.channels import feed_of, split
from uw_ingest.errors import Refused
from uw_ingest.feeds.gaps import Holes
from uw_ingest.normalize import from_socket
from uw_ingest.normalize.option_frame import OPENING, option_frame
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally
from uw_ingest.upstream.decode import Answer, Complaint, Data, decode, sniff_channel
from uw_ingest.upstream.tap import Tap

SLICE = 256  # frames between two turns of the event loop, some 6 ms
ANSWER_AT_MOST = 512  # bytes of an answer to a join that is read at once
UNKNOWN_FEED = "raw"  # the feed of dropped frames of no channel that was joined

_Made = tuple[str, str, Publishable]  # channel, feed, message
_CHANNEL, _FEED = itemgetter(0), itemgetter(1)
_CHANNEL_AND_MESSAGE, _FEED_AND_MESSAGE = itemgetter(0, 2), itemgetter(1, 2)


@dataclass(frozen=True, slots=True)
class Hearers:
    """Who is told what else a frame said; nobody, until the conversation begins."""

    on_answer: Callable[[Answer], None] = lambda _answer: None
    on_complaint: Callable[[Complaint], None] = lambda _complaint: None
    on_heard: Callable[[Mapping[str, int]], None] = lambda _counts: None


class Intake:
    """The bounded road from one socket to the outlet."""

    def __init__(
        self,
        outlet: Outlet,
        *,
        tally: Tally,
        holes: Holes,
        clock: Clock,
        joined: Container[str],
        max_frames: int,
        max_bytes: int,
        tap: Tap | None = None,
    ) -> None:
        """Say it here. ``joined`` are the channels whose payloads may be carried raw; it may change."""
        self._outlet, self._tally, self._holes, self._clock = outlet, tally, holes, clock
        self._now = clock.now
        self.joined = joined
        self.hearers = Hearers()
        self._tap = tap or Tap()
        self._max_frames, self._max_bytes = max_frames, max_bytes
        self._queue: deque[tuple[datetime, bytes]] = deque()
        self._size = 0
        self._busy = False  # a turn is due
        self._came_at: datetime | None = None  # when what is being read came; until a turn
        self._retired = False
        self._rejoined: dict[str, datetime] = {}
        self._overflowed: set[str] = set()  # channels of which frames were dropped since the buffer was empty
        self._cut_at = datetime.min.replace(tzinfo=UTC)
        self._came = self._seen = 0  # frames of this socket that are data, and how many were asked about
        self.last: dict[str, Publishable] = {}  # the newest message of each channel
        outlet.wakes.append(self._wake)

    @property
    def backlog(self) -> int:
        """Frames taken and not yet read."""
        return len(self._queue)

    def oldest_age(self) -> float:
        """Return for how many seconds the oldest frame has waited to be read; 0 if none does."""
        return (self._now() - self._queue[0][0]).total_seconds() if self._queue else 0.0

    def frame(self, body: bytes) -> None:
        """Take a frame's bytes; never waits, never raises."""
        self._tally.frames += 1
        size = len(body)
        if self._tap.listeners:
            self._tap.frame(self._now(), body)
        if size <= ANSWER_AT_MOST and (b'"response"' in body or b'"error"' in body) and self._answered(body):
            return
        self._came += 1
        size += self._size
        if size > self._max_bytes or len(self._queue) >= self._max_frames:
            self._overflow(body)
            return
        self._size = size
        came_at = self._came_at
        if came_at is None:
            came_at = self._now()
        self._queue.append((came_at, body))
        if self._busy:  # what is read from the socket until the turn that is due came at one time
            self._came_at = came_at
        else:
            self._arm()

    def refuse(self, reason: Refusal) -> None:
        """Count a frame that was not worth its bytes."""
        self._tally.frames += 1
        self._tally.refused[reason] += 1

    def rejoined(self, channel: str) -> None:
        """A channel's join was accepted: what it missed can be told, after what was received before."""
        if channel in self.joined:
            self._rejoined[channel] = self._now()
            self._arm()

    def cut(self) -> None:
        """The socket is gone: what was received before says nothing about the next one."""
        self._cut_at = self._now()

    def unheard(self) -> bool:
        """Tell whether frames came since this was last asked that still wait to be read."""
        came, self._seen = self._came > self._seen, self._came
        return came and bool(self._queue)

    def flush(self) -> None:
        """Turn everything that waits into messages now; for leaving."""
        self._outlet.release()
        while self._queue and not self._outlet.full:
            self._slice()
        self._settle()

    def retire(self) -> None:
        """No more frames come: say what was received, in turns as ever, and be done."""
        self._retired = True
        self._wake()

    def _arm(self) -> None:
        """See to it that a turn comes, if there is anything to do and room; else the outlet wakes us."""
        if not self._outlet.full and (self._queue or self._rejoined):
            self._wake()

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """One slice, then let the event loop do something else."""
        self._came_at = None
        try:
            if not self._outlet.full:
                self._slice()
            self._settle()
        finally:
            self._busy = False
            if self._retired and not self._queue:
                self._outlet.wakes.remove(self._wake)
                self._retired = False
            self._arm()

    def _slice(self) -> None:
        """Read some frames, then offer what they became.

        Two loops instead of one, since each then runs from the processor's caches: that saves a sixth.
        """
        queue, made, size = self._queue, list[_Made](), 0
        for _ in range(min(SLICE, len(queue))):
            received_at, body = queue.popleft()
            size += len(body)
            try:
                found = option_frame(body, received_at) if body.startswith(OPENING) else None
                if found is not None:
                    made.append((found[0], "option_trade", found[1]))
                else:
                    self._ordinary(body, received_at, made)
            except Exception as error:  # noqa: BLE001 - no frame may cost the others
                self._outlet.stumble(error)
        self._size -= size
        if made:
            self._accept(made)

    def _ordinary(self, body: bytes, received_at: datetime, made: list[_Made]) -> None:
        said = decode(body)
        if not isinstance(said, Data):
            self._rare(said, received_at)
            return
        channel, payload = said
        try:
            message = from_socket(channel, payload, received_at, joined=channel in self.joined)
        except Refused as refused:
            self._tally.refused[refused.reason] += 1
            return
        made.append((channel, feed_of(channel) if message.entity == "raw" else message.entity, message))

    def _accept(self, made: list[_Made]) -> None:
        """Offer a slice's messages; what is counted of them is counted for the slice as a whole."""
        first_at, offer = made[0][2].received_at, self._outlet.offer
        feeds, heard = Counter(map(_FEED, made)), self._note(made)
        self._tally.accepted.update(feeds)
        if self._holes.by_channel:
            for channel, _, message in made:
                self._close_holes(self._joined_as(channel), message)
        dropped = {feed: self._outlet.dropped(feed, first_at) for feed in feeds}
        for _, feed, message in made:
            offer(message, dropped[feed])
        if first_at >= self._cut_at:  # frames of a socket that is gone prove nothing about this one
            self.hearers.on_heard(heard)

    def _note(self, made: list[_Made]) -> dict[str, int]:
        """Remember the newest of each feed and channel; return how many each joined channel brought."""
        for feed, message in dict(map(_FEED_AND_MESSAGE, made)).items():
            self._tally.last_message_at[feed] = message.received_at
        for channel, message in dict(map(_CHANNEL_AND_MESSAGE, made)).items():
            self.last[self._joined_as(channel)] = message
        heard: dict[str, int] = {}
        for channel, count in Counter(map(_CHANNEL, made)).items():
            joined_as = self._joined_as(channel)
            heard[joined_as] = heard.get(joined_as, 0) + count
        return heard

    def _close_holes(self, channel: str, message: Publishable) -> None:
        gaps = self._holes.flows(channel, message.received_at, after_id=message.message_id)
        self._outlet.announce(gaps)

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
        self._overflowed.add(channel)
        self._holes.open(channel, now, GapReason.OVERFLOW, now=now, lost=1)

    def _joined_as(self, channel: str) -> str:
        """Return the joined channel that brings this one's frames; whatever nobody joined is one channel."""
        if channel in self.joined:
            return channel
        name, _ = split(channel)
        return name if name in self.joined else UNKNOWN_FEED

    def _settle(self) -> None:
        """Close the holes that are over, now that something was read; while there is no room they wait."""
        if self._outlet.full:
            return
        queue = self._queue
        for channel, at in list(self._rejoined.items()):
            if not queue or queue[0][0] > at:
                del self._rejoined[channel]
                self._outlet.announce(self._holes.flows(channel, at))
        if not queue and self._overflowed:
            self._outlet.announce(self._holes.drained(self._now(), self._overflowed))
            self._overflowed.clear()
