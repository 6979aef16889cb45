"""Where messages leave for the bus: one outlet for all sockets and polls of a process.

Nothing here waits. While the publisher's outbox is full, messages are held (bounded) and offered again in a
moment; the intakes see ``full`` and stop reading their buffers. Nothing that one message does stops the next.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from baleen_bus.errors import DropReason, OutboxFull, PublishRefused
from baleen_bus.publisher import Publisher
from baleen_contracts import Message
from baleen_contracts.feed import FeedGap, GapReason
from baleen_contracts.message import Publishable
from baleen_runtime.clock import Clock
from uw_ingest.feeds.gaps import Holes
from uw_ingest.pipeline.held import Held, OnDropped
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.pipeline.outlet")

HELD_AT_MOST = 1_024  # messages that each matter, while the outbox is full
RETRY_AFTER = 0.01  # seconds, while the outbox is full


class Outlet:
    """Offers messages to the publisher, and announces the holes of this process."""

    def __init__(self, publisher: Publisher, *, tally: Tally, holes: Holes, clock: Clock) -> None:
        """Offer to this publisher."""
        self._publisher, self._tally, self._holes, self._clock = publisher, tally, holes, clock
        self._held = Held(HELD_AT_MOST)
        self.full = False  # the outbox was, and messages are held
        self.wakes: list[Callable[[], None]] = []  # called when there is room again
        self._waking = False
        self._stumbled: set[str] = set()

    @property
    def backlog(self) -> int:
        """Messages held back."""
        return len(self._held)

    def say(self, message: Message) -> bool:
        """Offer a message of our own (status, gap, polled row), after what is held; tell if it was taken."""
        own = message.entity in ("feed_status", "feed_gap")
        return self.offer(message, None if own else self.dropped(message.entity, message.received_at))

    def offer(self, message: Publishable, dropped: OnDropped) -> bool:
        """Offer a message; tell if it was taken."""
        if self.full:
            return self._hold(message, dropped)
        try:
            self._publisher.offer(message, None, dropped)
        except OutboxFull:
            return self._hold(message, dropped)
        except Exception as error:  # noqa: BLE001 - no message may cost the others
            self.stumble(error)
        return True

    def dropped(self, feed: str, since: datetime) -> OnDropped:
        """Return what to call if the bus takes a message of this feed and refuses it later."""
        return partial(self._dropped, feed, since)

    def announce(self, gaps: list[FeedGap]) -> None:
        """Say that something was missed."""
        for gap in gaps:
            self._tally.gaps += 1
            log.warning("feed gap", feed=gap.feed, reason=gap.reason, lost=gap.lost)
            self.say(gap)

    def look(self) -> None:
        """Tell of refusals that are over; to be called every second or so."""
        if not self.full:
            self.announce(self._holes.quiet(self._clock.now()))

    def tell_refusals(self) -> None:
        """Tell of all refusals now; for leaving."""
        self.announce(self._holes.quiet(self._clock.now(), calm=timedelta(0)))

    def release(self) -> None:
        """Offer what is held, as far as there is room."""
        while self.full:
            message, dropped = self._held.first()
            try:
                self._publisher.offer(message, on_dropped=dropped)
            except OutboxFull:
                return
            except Exception as error:  # noqa: BLE001 - no message may cost the others
                self.stumble(error)
            self._held.done()
            self.full = len(self._held) > 0

    def stumble(self, error: Exception) -> None:
        """Count what cannot be published, and log each kind of it once."""
        too_big = isinstance(error, PublishRefused) and error.reason is DropReason.TOO_BIG
        self._tally.refused[Refusal.OVERSIZED if too_big else Refusal.UNPUBLISHABLE] += 1
        kind = type(error).__name__
        if kind not in self._stumbled:
            self._stumbled.add(kind)
            log.error("cannot be published", kind=kind)

    def _dropped(self, feed: str, since: datetime, refusal: PublishRefused) -> None:
        """The bus took a message and refused it later; when we leave, the successor tells of the hole."""
        if refusal.reason is not DropReason.CLOSED:
            self._holes.open(feed, since, GapReason.REFUSED, now=self._clock.now(), lost=1)

    def _hold(self, message: Publishable, dropped: OnDropped) -> bool:
        try:
            taken = self._held.keep((message, dropped))
        except Exception as error:  # noqa: BLE001 - as in offer
            self.stumble(error)
            return True
        self.full = True
        if not taken:
            self._tally.refused[Refusal.NO_ROOM] += 1
        self._wake_later()
        return taken

    def _wake_later(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._wake)

    def _wake(self) -> None:
        """Try again; whoever waits for room is told when there is some."""
        self._waking = False
        self.release()
        if self.full:
            self._wake_later()
            return
        for wake in self.wakes:
            wake()
