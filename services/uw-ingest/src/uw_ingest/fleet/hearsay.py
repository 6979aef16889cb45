"""What is said of the feeds on the bus, by whichever replica speaks for each: states and gaps."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from baleen_bus.connection import Bus
from baleen_bus.errors import BusError
from baleen_bus.reading import delivered, fetch_last
from baleen_contracts import by_name
from baleen_contracts.feed import FeedGap, FeedStatus, GapReason
from uw_ingest.rest.backfill import TWINS

HEALED_WITHIN = timedelta(seconds=60)  # afterwards nobody expects it any more
SAID_WITHIN = timedelta(minutes=2)  # every status that still holds is said again sooner
MOST = 2_000  # statuses; more are no feeds but a flood
READ_EVERY = 60.0  # seconds; what is said is heard at once, unless the bus was away

_Range = tuple[str, datetime, datetime]


class Hearsay:
    """The newest status of every feed that somebody speaks of, and the gaps that may still be filled."""

    def __init__(self, bus: Bus, now: Callable[[], datetime]) -> None:
        """Listen on this bus."""
        self._bus, self._now = bus, now
        self._statuses: dict[str, FeedStatus] = {}
        self._open: dict[_Range, datetime] = {}

    async def run(self) -> None:
        """Hear, for ever."""
        await self._bus.nc.listen("feed.v1.*.>", self._on_message)
        entity = by_name("feed_status")
        assert entity.stream is not None  # noqa: S101 - the catalogue gives it one
        while True:
            with contextlib.suppress(BusError):
                for item in await fetch_last(self._bus, entity.stream, entity.pattern):
                    self._status(item.body)
            await asyncio.sleep(READ_EVERY)

    @property
    def statuses(self) -> dict[str, FeedStatus]:
        """The newest status by feed; what nobody says any more is not in it."""
        self._statuses = {feed: said for feed, said in self._statuses.items() if self._holds(said)}
        return self._statuses

    def backfilling(self, feed: str) -> bool:
        """Tell whether a gap of this feed was announced lately and may still be filled."""
        self._forget()
        return any(name == feed for name, _, _ in self._open)

    def _on_message(self, _subject: bytes, body: bytes, headers: bytes | None) -> None:
        item = delivered(body, headers)
        if item is None:
            return  # not from a stream: a forgery
        if item.subject.startswith("feed.v1.status."):
            self._status(item.body)
        elif item.subject.startswith("feed.v1.gap."):
            self._gap(item.body)

    def _status(self, body: bytes) -> None:
        with contextlib.suppress(ValidationError):
            status = FeedStatus.model_validate_json(body)
            if not self._holds(status):
                return
            if (
                len(self._statuses) >= MOST
                and status.feed not in self._statuses
                and len(self.statuses) >= MOST
            ):
                return
            self._statuses[status.feed] = status

    def _holds(self, status: FeedStatus) -> bool:
        return abs(self._now() - status.occurred_at) < SAID_WITHIN

    def _forget(self) -> None:
        now = self._now()
        self._open = {gap: said for gap, said in self._open.items() if now - said < HEALED_WITHIN}

    def _gap(self, body: bytes) -> None:
        with contextlib.suppress(ValidationError):
            gap = FeedGap.model_validate_json(body)
            if gap.feed not in TWINS:
                return
            self._forget()
            if gap.reason == GapReason.BACKFILLED:
                self._open = {
                    key: said
                    for key, said in self._open.items()
                    if key[0] != gap.feed or key[2] > gap.ended_at or key[1] < gap.started_at
                }
            else:
                self._open[gap.feed, gap.started_at, gap.ended_at] = self._now()
