"""This replica among the others: what it contends for, what it holds, and how it leaves.

Three kinds of leases: ``planner`` (one replica decides which channel sits on which socket), ``rest`` (one
asks over REST), and ``socket.1`` to ``socket.N`` (whoever holds one has that socket open).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from baleen_bus.buckets import BUDGET, DEMAND, LEASES
from baleen_bus.connection import Bus
from baleen_bus.errors import ApiRefused, Unreachable
from baleen_bus.kv import Bucket
from baleen_bus.lease import LeaseTimes, times_for
from baleen_bus.leases import LeaseKeeper, LeaseView
from baleen_bus.publisher import Publisher
from baleen_contracts.command import CommandReply
from baleen_runtime.clock import Clock
from baleen_runtime.redact import Redactor
from uw_ingest.feeds.gaps import Holes
from uw_ingest.fleet.board import Board
from uw_ingest.fleet.budget_page import BudgetFacts
from uw_ingest.fleet.hearsay import Hearsay
from uw_ingest.fleet.orders import obey, order
from uw_ingest.fleet.planning import Planning
from uw_ingest.fleet.presence import Presence
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.plan.wanted import Wanted
from uw_ingest.rest.poller import Poller
from uw_ingest.settings import Settings
from uw_ingest.slots.feed import FeedSettings
from uw_ingest.slots.handover import Sight
from uw_ingest.slots.slot import Surroundings
from uw_ingest.slots.slots import Slots
from uw_ingest.slots.watch import Watch
from uw_ingest.tally import Tally
from uw_ingest.upstream.connect import socket_url
from uw_ingest.upstream.tap import Tap

log: Any = structlog.get_logger("uw_ingest.fleet.fleet")

AGAIN_AFTER = 1.0  # seconds
PLANNER, REST = "planner", "rest"

_Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that this replica shares with the others."""

    replica: str
    bus: Bus
    clock: Clock
    times: LeaseTimes
    view: LeaseView
    board: Board
    planning: Planning
    planner: LeaseKeeper
    slots: Slots
    poller: Poller
    rest: LeaseKeeper
    hearsay: Hearsay
    presence: Presence
    watch: Watch

    def jobs(self) -> dict[str, _Job]:
        """Return what is to run, by name."""
        return {
            "leases": self.view.run,
            "hearsay": self.hearsay.run,
            "presence": self.presence.run,
            "plan": self.board.run,
            "planning": self.planning.run,
            "planner": self.planner.run,
            "slots": self.slots.run,
            "rest": self.rest.run,
            "poller": self.poller.run,
            "orders": partial(obey, self.bus, lambda: [s.feed for s in self.slots.held.values()], self.clock),
        }

    async def leave(self, within: float) -> None:
        """Let others plan and poll from now on, then hand over the sockets."""
        self.slots.leaving = True
        self.poller.lost("leaving")
        await asyncio.gather(self.planner.release(), self.rest.release())
        await self.slots.leave(within if await self.presence.others() else 0.0)

    async def reconnect(self, traceparent: str | None = None) -> CommandReply:
        """Ask every holder of a socket, over the bus, to open it anew; *traceparent* is who asks."""
        return await order(self.bus, traceparent)

    def facts(self) -> BudgetFacts:
        """Return what ``/budget`` shows."""
        feeds = {name: (status.state, status.detail or "") for name, status in self.hearsay.statuses.items()}
        feeds |= {
            name: (str(one.verdict.state), one.verdict.why) for name, one in self.watch.standings.items()
        }
        return BudgetFacts(
            replica=self.replica,
            now=self.clock.monotonic(),
            most=len(self.slots.keepers),
            lease_length=self.times.length,
            leases=self.view.seen,
            ours={
                number: slot.tell() | {"epoch": slot.grant.epoch} for number, slot in self.slots.held.items()
            },
            plan=self.board.plan,
            feeds=feeds,
            rest=self.poller.describe(),
            bus=self.bus.connected,
        )


@contextlib.asynccontextmanager
async def open_fleet(
    settings: Settings,
    *,
    bus: Bus,
    publisher: Publisher,
    outlet: Outlet,
    holes: Holes,
    watch: Watch,
    tally: Tally,
    clock: Clock,
    tap: Tap,
) -> AsyncIterator[Fleet]:
    """Build this replica's share; nothing runs before its jobs do."""
    assert settings.upstream is not None  # noqa: S101 - the caller asked
    assert settings.token is not None  # noqa: S101 - without one there is no upstream
    token = settings.token.get_secret_value()
    leases, demand, budget = Bucket(bus, LEASES), Bucket(bus, DEMAND), Bucket(bus, BUDGET)
    times = times_for(await _lease_length(leases))
    view, hearsay = LeaseView(leases), Hearsay(bus, clock.now)
    began = clock.now()

    def around(others: Callable[[int], Mapping[int, Sight]]) -> Surroundings:
        return Surroundings(
            bus=bus,
            publisher=publisher,
            outlet=outlet,
            holes=holes,
            tally=tally,
            clock=clock,
            feed=FeedSettings(socket_url(str(settings.upstream), token), settings.entitlement_recheck),
            max_frames=settings.buffer_frames,
            max_bytes=settings.buffer_mib << 20,
            redact=Redactor(settings.secrets()).text,
            lively=watch.lively,
            others=others,
            tap=tap,
            began=began,
        )

    slots = Slots(
        settings.slots, leases=leases, view=view, times=times, owner=settings.replica, around=around
    )
    board = Board(budget, slots.follow)
    planning = Planning(
        board,
        demand,
        wanted=Wanted(settings.channels, settings.linger),
        most=settings.slots,
        views=slots.told,
        clock=clock,
        say=outlet.say,
    )
    bus.on_reconnected(planning.reread)
    share = partial(
        LeaseKeeper, leases, owner=settings.replica, times=times, wanted=lambda: not slots.leaving
    )
    planner: LeaseKeeper = share(
        key=PLANNER, tell=dict, on_held=lambda _grant: None, on_lost=lambda _reason: None
    )
    planning.keeper = planner
    poller = Poller(
        settings,
        token=token,
        bus=bus,
        budget=budget,
        outlet=outlet,
        tally=tally,
        clock=clock,
        allowed=lambda: rest.grant is not None,
        hours=lambda: watch.hours,
        wished=lambda: board.plan.polled if board.plan else (),
    )
    rest: LeaseKeeper = share(key=REST, tell=dict, on_held=poller.held, on_lost=poller.lost)
    watch.attach(
        slots,
        polled=poller.facts,
        plans=lambda: planner.grant is not None,
        backfilling=hearsay.backfilling,
    )
    try:
        yield Fleet(
            settings.replica,
            bus,
            clock,
            times,
            view,
            board,
            planning,
            planner,
            slots,
            poller,
            rest,
            hearsay,
            Presence(bus),
            watch,
        )
    finally:
        await poller.aclose()


async def _lease_length(leases: Bucket) -> float:
    """Return how long a lease lives, which the bucket says, so that no two replicas disagree."""
    told = False
    while True:
        try:
            return await leases.ttl()
        except (ApiRefused, Unreachable) as error:
            if not told:
                log.warning("waiting for the bucket of the leases; run baleen-bus bootstrap", why=str(error))
                told = True
            await asyncio.sleep(AGAIN_AFTER)
