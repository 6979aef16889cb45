"""Makes the plan and spreads it: one replica plans, every replica does what the plan says.

The plan stands in the bucket ``budget``; who holds the lease ``planner`` replaces it, by exact revision, so
that a planner which was frozen and wakes up late replaces nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from baleen_bus.errors import BusError, Conflict
from baleen_bus.kv import Bucket, Entry
from baleen_bus.leases import LeaseKeeper
from baleen_bus.wishing import Wish, read_wishes
from baleen_contracts import Message
from baleen_contracts.feed import FeedState, FeedStatus
from baleen_runtime.clock import Clock
from uw_ingest.planner import NOTHING_PLANNED, Plan, SlotView, plan, plan_from_json, plan_to_json
from uw_ingest.wanted import Unserved, Wanted

log: Any = structlog.get_logger("uw_ingest.planning")

KEY = "plan"
LOOK_EVERY = 0.25  # seconds
READ_EVERY = 5.0  # seconds; changes are heard at once, unless the bus was away
WISHES_EVERY = 30.0  # seconds; expiry is never announced
LOWERED_FOR = 600.0  # seconds a ceiling stays down after upstream refused a socket
SAY_AGAIN_AFTER = timedelta(seconds=30)
HEAVIEST = 1e9  # frames a second that anybody can mean
LONGEST_FEED = 64  # characters of a feed's name


class Board:
    """The plan as the bus has it."""

    def __init__(self, bucket: Bucket, on_plan: Callable[[Plan], None]) -> None:
        """Read from this bucket; ``on_plan`` is called with every new plan."""
        self.bucket, self._on_plan = bucket, on_plan
        self.plan: Plan | None = None
        self.revision = 0
        self.malformed = 0

    async def run(self) -> None:
        """Hear of new plans, for ever."""
        await self.bucket.on_change(self._take, key=KEY)
        while True:
            with contextlib.suppress(BusError):
                await self.read()
            await asyncio.sleep(READ_EVERY)

    async def read(self) -> None:
        """Read the plan now."""
        entry = await self.bucket.read(KEY)
        if entry is not None:
            self._take(entry)

    async def write(self, fresh: Plan) -> None:
        """Replace the plan that was read last.

        Raises:
            Conflict: another one stands there.
        """
        revision = await self.bucket.update(KEY, plan_to_json(fresh), last=self.revision)
        self._take(Entry(KEY, plan_to_json(fresh), revision, deleted=False))

    def _take(self, entry: Entry) -> None:
        if entry.revision <= self.revision:
            return
        self.revision = entry.revision
        try:
            fresh = plan_from_json(entry.value) if not entry.deleted else None
        except ValueError as error:
            self.malformed += 1
            log.warning("the plan on the bus is no plan; it will be replaced", why=str(error)[:200])
            return
        if fresh is not None and fresh != self.plan:
            self.plan = fresh
            self._on_plan(fresh)


class Planning:
    """Plans, while the lease ``planner`` is ours."""

    def __init__(
        self,
        board: Board,
        demand: Bucket,
        *,
        wanted: Wanted,
        most: int,
        views: Callable[[], Mapping[int, dict[str, Any]]],
        clock: Clock,
        say: Callable[[Message], object],
    ) -> None:
        """Plan for at most so many slots; ``views`` returns what the holders tell of theirs, by number."""
        self._board, self._demand, self._wanted, self._most = board, demand, wanted, most
        self._views, self._clock, self._say = views, clock, say
        self.keeper: LeaseKeeper | None = None
        self._wishes: list[Wish] = []
        self.refused_wishes: list[tuple[str, str]] = []
        self._read_wishes_at = float("-inf")
        self._lowered: tuple[int, str, float] | None = None
        self.polled: frozenset[str] = frozenset()
        self._said: dict[str, tuple[str, datetime]] = {}

    async def run(self) -> None:
        """Plan whenever something changed, for ever."""
        await self._demand.on_change(self._dirty)
        while True:
            try:
                await self._step()
            except Conflict:
                await self._board.read()  # somebody else planned; the lease says whether we still may
            except BusError as error:
                log.debug("cannot plan now", why=str(error))
            await asyncio.sleep(LOOK_EVERY)

    def reread(self) -> None:
        """Read the wishes anew; after the bus was away."""
        self._read_wishes_at = float("-inf")

    def _dirty(self, _entry: Entry) -> None:
        self.reread()

    async def _step(self) -> None:
        await self._hear_wishes()
        told = self._views()
        measured = {channel: rate for value in told.values() for channel, rate in _rates(value)}
        wants, unserved, self.polled = self._wanted.update(self._wishes, self._clock.now(), measured)
        if self.keeper is None or self.keeper.grant is None:
            return
        ceiling, why = self._ceiling(told)
        fresh = plan(
            wants,
            {number: slot_view(number, value) for number, value in told.items()},
            self._board.plan or NOTHING_PLANNED,
            ceiling=ceiling,
            ceiling_why=why,
        )
        fresh = replace(fresh, unserved=(*unserved, *fresh.unserved))
        if self._board.plan is None or fresh != self._board.plan:
            await self._board.write(fresh)
        self._tell_wishers(fresh.unserved)

    async def _hear_wishes(self) -> None:
        now = self._clock.monotonic()
        if now - self._read_wishes_at < WISHES_EVERY:
            return
        self._read_wishes_at = now
        try:
            self._wishes, self.refused_wishes = await read_wishes(self._demand)
        except BusError:
            self._read_wishes_at = float("-inf")
            raise

    def _ceiling(self, told: Mapping[int, dict[str, Any]]) -> tuple[int, str]:
        """Return how many sockets may be used: fewer for a while, once upstream refused one of several."""
        now = self._clock.monotonic()
        connected = sum(value.get("state") == "connected" for value in told.values())
        refused = [value for value in told.values() if value.get("mute") is True]
        if refused and connected:
            words = str(refused[0].get("why", ""))[:100]
            self._lowered = (connected, f"upstream serves only {connected}: {words}", now + LOWERED_FOR)
        if self._lowered is not None and now < self._lowered[2] and self._lowered[0] < self._most:
            return self._lowered[0], self._lowered[1]
        self._lowered = None
        return self._most, "as configured"

    def _tell_wishers(self, unserved: tuple[Unserved, ...]) -> None:
        """Say of each wish that cannot be served why, and of one that can be at last that it is."""
        now = self._clock.now()
        refused = {wish.topic: wish.why for wish in unserved if len(wish.topic) <= LONGEST_FEED}
        for topic, why in refused.items():
            said = self._said.get(topic)
            if said is None or said[0] != why or now - said[1] >= SAY_AGAIN_AFTER:
                self._said[topic] = (why, now)
                self._say_status(topic, FeedState.REFUSED, why, now)
        for topic in [topic for topic in self._said if topic not in refused]:
            del self._said[topic]
            self._say_status(topic, FeedState.QUIET, "served, or not wished any more", now)

    def _say_status(self, topic: str, state: FeedState, why: str, now: datetime) -> None:
        self._say(
            FeedStatus(occurred_at=now, received_at=now, feed=topic, state=str(state), detail=why[:1_000])
        )


def slot_view(number: int, value: Mapping[str, Any]) -> SlotView:
    """Return what the planner must know of a slot that somebody holds; a stranger's words mean nothing."""
    accepted = value.get("accepted")
    full_at = value.get("full_at")
    return SlotView(
        number=number,
        held=True,
        leaving=value.get("leaving") is True,
        connected=value.get("state") == "connected",
        accepted=frozenset(c for c in accepted if isinstance(c, str))
        if isinstance(accepted, list)
        else frozenset(),
        mute=value.get("mute") is True,
        full_at=full_at if isinstance(full_at, int) else None,
    )


def _rates(value: Mapping[str, Any]) -> list[tuple[str, float]]:
    rates = value.get("weights")
    if not isinstance(rates, dict):
        return []
    return [
        (channel, float(rate))
        for channel, rate in rates.items()
        if isinstance(rate, int | float) and 0 <= rate < HEAVIEST
    ]
