"""Sees to it that one replica watches, and no other beside it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from alert_bridge.rules.holder import RulesHolder
from alert_bridge.rules.model import Once, Watch
from alert_bridge.watch.around import Around
from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.ground import ground
from alert_bridge.watch.insisting import insist
from alert_bridge.watch.position import Superseded
from alert_bridge.watch.restraint import CEILING, Cooldown
from alert_bridge.watch.round import Round
from baleen_bus import Bucket, Bus, BusError, BusStopped, Grant, LeaseKeeper, Publisher, times_for
from baleen_bus.buckets import LEASES
from baleen_bus.connection import end_task
from baleen_runtime.clock import Clock

LEASE: Final = "watch"
AGAIN_AFTER: Final = 0.5
OUTBOX_MESSAGES: Final = 5_000
OUTBOX_BYTES: Final = 16 << 20

log = structlog.get_logger(__name__)


class Watcher:
    """Watches for the rules of *holder* while this replica has the lease.

    Args:
        holder: has the rules in force.
        figures: counts.
        clock: the time.
        replica: our name among the holders of leases.
        most: alerts that a watch may make of the messages of one second.
    """

    def __init__(
        self, holder: RulesHolder, *, figures: WatchFigures, clock: Clock, replica: str, most: int = CEILING
    ) -> None:
        self._holder, self._figures, self._clock = holder, figures, clock
        self._replica, self._most = replica, most
        self._leaving = False
        self._changed = asyncio.Event()
        self._keeper: LeaseKeeper | None = None
        self._task: asyncio.Task[None] | None = None
        self._round: Round | None = None
        figures.open.set_function(lambda: self._round.open if self._round is not None else 0)

    async def run(self, bus: Bus) -> None:
        """Contend for the lease and watch while it is ours, until cancelled.

        Raises:
            BusStopped: the bus will not let us.
        """
        leases = Bucket(bus, LEASES)
        times = times_for(await insist(leases.ttl, LEASE))
        self._keeper = LeaseKeeper(
            leases,
            LEASE,
            owner=self._replica,
            times=times,
            wanted=self._wanted,
            tell=dict,
            on_held=lambda grant: self._held(bus, grant),
            on_lost=self._lost,
        )
        forget = self._holder.on_change(self._changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keeper.run(), name="watch-lease")
                tasks.create_task(self._let_go_without_watches(), name="watch-rules")
        finally:
            forget()
            self._end()
            if self._task is not None:
                await end_task(self._task)

    async def leave(self) -> None:
        """Say what is left to be said, and let another replica watch at once."""
        self._leaving = True
        await self._let_go()

    def _wanted(self) -> bool:
        ended = self._task is None or self._task.done() or self._watches
        return not self._leaving and ended and bool(ground(self._holder.rules.watches))

    @property
    def _watches(self) -> bool:
        return self._keeper is not None and self._keeper.grant is not None

    async def _let_go_without_watches(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not ground(self._holder.rules.watches):
                if self._round is not None:
                    await self._round.drop_all()
                await self._let_go()

    async def _let_go(self) -> None:
        if self._round is not None:
            await self._round.finish()
        if self._task is not None:
            await end_task(self._task)
        self._figures.watching.set(0)
        if self._keeper is not None:
            await self._keeper.release()

    def _held(self, bus: Bus, _: Grant) -> None:
        log.info("this replica watches")
        self._figures.watching.set(1)
        self._task = asyncio.create_task(self._watch(bus), name="watch")
        bus.supervise(self._task)

    def _lost(self, reason: str) -> None:
        log.warning("this replica does not watch any more", why=reason)
        self._end()

    def _end(self) -> None:
        self._figures.watching.set(0)
        if self._task is not None:
            self._task.cancel()

    async def _watch(self, bus: Bus) -> None:
        while True:
            try:
                async with Publisher(
                    bus, source="alert-bridge", max_messages=OUTBOX_MESSAGES, max_bytes=OUTBOX_BYTES
                ) as publisher:
                    self._round = Round(self._holder, self._around(bus, publisher))
                    await self._round.run()
            except* BusStopped:
                raise
            except* (Superseded, BusError) as group:
                log.warning("watching begins again", problem=str(group.exceptions[0]))
            finally:
                self._round = None
            await asyncio.sleep(AGAIN_AFTER)

    def _around(self, bus: Bus, publisher: Publisher) -> Around:
        shared: dict[str, tuple[Once, Cooldown]] = {}

        def cooldown(watch: Watch) -> Cooldown | None:
            once = watch.cooldown
            if once is None:
                shared.pop(watch.name, None)
                return None
            if watch.name not in shared or shared[watch.name][0] != once:
                shared[watch.name] = (once, Cooldown(once))
            return shared[watch.name][1]

        return Around(bus, publisher, self._figures, self._clock, cooldown, self._most)
