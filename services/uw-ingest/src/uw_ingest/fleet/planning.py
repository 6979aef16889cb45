"""Makes the plan and spreads it: one replica plans, every replica does what the plan says.

Who holds the lease ``planner`` reads the wishes and replaces the plan on the
:mod:`board <uw_ingest.fleet.board>`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from baleen_bus.errors import BusError, Conflict, Unreachable
from baleen_bus.kv import Bucket
from baleen_bus.leases import Grant, LeaseKeeper
from baleen_bus.wishing import Wish, read_wishes
from baleen_contracts import Message
from baleen_contracts.feed import FeedState, FeedStatus
from baleen_runtime.clock import Clock
from uw_ingest.fleet.board import Board
from uw_ingest.plan.planner import NOTHING_PLANNED, plan
from uw_ingest.plan.wanted import MAX_UNSERVED, Unserved, Want, Wanted
from uw_ingest.slots.told import rates_of, slot_view

log: Any = structlog.get_logger("uw_ingest.fleet.planning")

LOOK_EVERY = 0.25  # seconds
WISHES_EVERY = 30.0  # seconds; expiry is never announced
WISHES_AGAIN = 1.0  # seconds between two readings, however much changes
WANTED_EVERY = 1.0  # seconds
LOWERED_FOR = 600.0  # seconds a ceiling stays down after upstream refused a socket
SAY_AGAIN_AFTER = timedelta(seconds=30)
LONGEST_FEED = 64  # characters of a feed's name


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
        self.refused_wishes: Counter[str] = Counter()  # by reason, as of the last reading
        self._changed = True
        self._read_at = self._updated_at = float("-inf")
        self._term: Grant | None = None  # the one for which wishes were read
        self._adopted: Grant | None = None  # the one for which the plan before us was taken over
        self._wants: tuple[list[Want], list[Unserved], frozenset[str]] = ([], [], frozenset())
        self._planned_from: object = None
        self._unserved: tuple[Unserved, ...] = ()
        self._lowered: tuple[int, str, float] | None = None
        self._said: dict[str, tuple[str, datetime]] = {}
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Plan whenever something changed, for ever."""
        await self._demand.on_change(lambda _entry: self.reread())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_hearing(), name="wishes")
            tasks.create_task(self._keep_planning(), name="plan-work")

    def reread(self) -> None:
        """Read the wishes anew; after the bus was away."""
        self._changed = True

    async def _keep_hearing(self) -> None:
        """Read the wishes while planning is ours. What fails is tried again, and the last ones count."""
        while True:
            grant = self.keeper.grant if self.keeper is not None else None
            every = WISHES_AGAIN if self._changed else WISHES_EVERY
            if grant is not None and (
                grant != self._term or self._clock.monotonic() - self._read_at >= every
            ):
                await self._hear_wishes()
                self._term = grant
            await asyncio.sleep(LOOK_EVERY)

    async def _hear_wishes(self) -> None:
        self._changed = False
        try:
            self._wishes, refused = await read_wishes(self._demand)
        except BusError as error:
            self._changed = True
            self._complain("the wishes cannot be read", error)
        else:
            self._complaints.pop("the wishes cannot be read", None)
            fresh = Counter(str(reason) for _, reason in refused)
            if fresh.keys() - self.refused_wishes.keys():
                log.warning("some wishes are refused", by_reason=dict(fresh))
            self.refused_wishes = fresh
            self._updated_at = float("-inf")
        self._read_at = self._clock.monotonic()

    async def _keep_planning(self) -> None:
        while True:
            try:
                await self._step()
                self._complaints.pop("cannot plan", None)
            except Conflict:  # somebody else planned; the lease says whether we still may
                with contextlib.suppress(BusError):
                    await self._board.read()
            except BusError as error:
                self._complain("cannot plan", error)
            await asyncio.sleep(LOOK_EVERY)

    def _complain(self, what: str, error: BusError) -> None:
        """Say what the bus refuses once; that it is away others say."""
        words = str(error)[:200]
        if isinstance(error, Unreachable):
            log.debug(what, why=words)
        elif self._complaints.get(what) != words:
            self._complaints[what] = words
            log.warning(what, why=words)

    async def _step(self) -> None:
        if self.keeper is None or self.keeper.grant is None or self.keeper.grant != self._term:
            return
        told = self._views()
        await self._want(told)
        wants, unserved, polled = self._wants
        ceiling, why = self._ceiling(told)
        views = {number: slot_view(number, value) for number, value in told.items()}
        before = self._board.plan or NOTHING_PLANNED
        inputs = (self._wants, views, before, ceiling, why)
        if inputs != self._planned_from or not self._board.stands:
            fresh = plan(wants, views, before, ceiling=ceiling, ceiling_why=why)
            fresh = replace(
                fresh,
                unserved=(*unserved, *fresh.unserved)[:MAX_UNSERVED],
                polled=tuple(sorted(polled)),
            )
            if fresh != self._board.plan or not self._board.stands:
                await self._board.write(fresh)
            self._planned_from, self._unserved = inputs, fresh.unserved
        self._tell_wishers(self._unserved)

    async def _want(self, told: Mapping[int, dict[str, Any]]) -> None:
        """Find out what is wanted: every second, and when wishes were read. Many of them take a while."""
        now = self._clock.monotonic()
        if self._adopted != self._term:
            self._adopt()
        elif now - self._updated_at < WANTED_EVERY:
            return
        self._updated_at = now
        measured = {channel: rate for value in told.values() for channel, rate in rates_of(value).items()}
        self._wants = await asyncio.to_thread(self._wanted.update, self._wishes, self._clock.now(), measured)

    def _adopt(self) -> None:
        """Let linger, at the beginning of a term, what the planner before us planned."""
        before = self._board.plan
        if before is not None:
            carriers = {placement.via for placement in before.placements}
            placed = [p.channel for p in before.placements if p.channel not in carriers]
            self._wanted.adopt((*placed, *before.polled), self._clock.now())
        self._adopted = self._term

    def _ceiling(self, told: Mapping[int, dict[str, Any]]) -> tuple[int, str]:
        """Return how many sockets may be used: fewer for a while, once upstream refused one of several."""
        now = self._clock.monotonic()
        refused = [value for value in told.values() if value.get("mute") is True]
        served = sum(  # though one of them may just be opened anew
            value.get("mute") is not True and value.get("state") != "not_entitled" for value in told.values()
        )
        if refused and served:
            words = str(refused[0].get("why", ""))[:100]
            self._lowered = (served, f"upstream serves only {served}: {words}", now + LOWERED_FOR)
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
