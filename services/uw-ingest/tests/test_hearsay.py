"""What is said of the feeds counts for as long as somebody says it. On a real bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_contracts.feed import FeedGap, FeedState, FeedStatus, GapReason
from uw_ingest.fleet import hearsay as module
from uw_ingest.fleet.hearsay import Hearsay

Until = Callable[..., Awaitable[Any]]


class Watch:
    """Tells the time, which can be moved on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.ahead


def status(feed: str, ago: float = 0.0) -> FeedStatus:
    """What was said of a feed some seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return FeedStatus(occurred_at=at, received_at=at, feed=feed, state=str(FeedState.REFUSED), detail="no")


def gap(number: int, reason: GapReason = GapReason.RECONNECTED) -> FeedGap:
    """A gap of some minutes ago."""
    now = datetime.now(UTC)
    return FeedGap(
        occurred_at=now,
        received_at=now,
        feed="dark_pool",
        started_at=now - timedelta(seconds=600 + number),
        ended_at=now - timedelta(seconds=300 + number),
        reason=reason,
    )


@asynccontextmanager
async def hearing(bus: Bus, watch: Watch) -> AsyncIterator[Hearsay]:
    """One that hears."""
    hearsay = Hearsay(bus, watch.now)
    task = asyncio.create_task(hearsay.run(), name="hearsay")
    try:
        yield hearsay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_nobody_says_any_more_is_forgotten(bus: Bus, eventually: Until):
    """A planner that died after it refused a wish never takes that back; neither heard nor read it lasts."""
    watch = Watch()
    async with Publisher(bus, source="uw-simulator") as publisher:
        await publisher.publish(status("news"))
        await publisher.publish(status("uw.v1.old.*", ago=600))
        async with hearing(bus, watch) as hearsay:
            await eventually(lambda: "news" in hearsay.statuses, "what stands is read")
            await publisher.publish(status("uw.v1.older.*", ago=300))
            await publisher.publish(status("price"))
            await eventually(lambda: "price" in hearsay.statuses, "what is said is heard")
            assert set(hearsay.statuses) == {"news", "price"}

            watch.ahead = timedelta(minutes=3)
            assert hearsay.statuses == {}


async def test_statuses_are_bounded(bus: Bus, eventually: Until, monkeypatch: pytest.MonkeyPatch):
    """However many topics are wished for in turn."""
    monkeypatch.setattr(module, "MOST", 3)
    watch = Watch()
    async with Publisher(bus, source="uw-simulator") as publisher, hearing(bus, watch) as hearsay:
        for number in range(6):
            await publisher.publish(status(f"uw.v1.nosuch.{number}"))
        await eventually(lambda: len(hearsay.statuses) == 3, "as many as may be")
        await publisher.publish(gap(0))
        await eventually(lambda: hearsay.backfilling("dark_pool"), "all was heard")
        assert len(hearsay.statuses) == 3

        watch.ahead = module.SAID_WITHIN + timedelta(seconds=1)
        await publisher.publish(status("news", ago=-100))
        await eventually(lambda: "news" in hearsay.statuses, "there is room again")


async def test_gaps_that_nobody_asks_about_are_forgotten(bus: Bus, eventually: Until):
    """Whoever only hears of them keeps no more than a minute's."""
    watch = Watch()
    async with Publisher(bus, source="uw-simulator") as publisher, hearing(bus, watch) as hearsay:
        for number in range(5):
            await publisher.publish(gap(number))
        await eventually(lambda: len(hearsay._open) == 5, "all are heard")
        watch.ahead = module.HEALED_WITHIN + timedelta(seconds=1)
        await publisher.publish(gap(9))
        await eventually(lambda: len(hearsay._open) == 1, "the old ones are forgotten")
