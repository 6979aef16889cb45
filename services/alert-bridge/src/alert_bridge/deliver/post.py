"""One destination on this replica: contends for its lease, and has a courier while it holds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.courier import Courier
from alert_bridge.deliver.opening import enrol
from alert_bridge.destinations.spec import Spec
from baleen_bus import ApiRefused, Bucket, Grant, LeaseKeeper, LeaseTimes, Unreachable
from baleen_bus.connection import end_task

_AGAIN_AFTER: Final = 0.5
_SHARE: Final = 0.25
"""Seconds a replica waits longer before it takes one more, for each destination that it has."""
_MOST_SHARE: Final = 3.0

log = structlog.get_logger(__name__)


class Post:
    """A destination of the rules.

    Args:
        name: the destination.
        spec: what the rules say of it.
        around: what every courier works with.
        leases: the bucket of the leases.
        times: theirs.
        held: how many destinations this replica has.
        on_enrolled: called once alerts wait for it.
        on_broken: called with what ended a courier for good.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        around: Around,
        *,
        leases: Bucket,
        times: LeaseTimes,
        held: Callable[[], int],
        on_enrolled: Callable[[], None],
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self.name, self.spec = name, spec
        self.enrolled = asyncio.Event()
        self.courier: Courier | None = None
        self._around, self._on_enrolled, self._on_broken = around, on_enrolled, on_broken
        self._leaving = False
        self._task: asyncio.Task[None] | None = None
        self._keeper = LeaseKeeper(
            leases,
            names.lease_of(name),
            owner=around.replica,
            times=times,
            wanted=lambda: not self._leaving and not self._ending,
            tell=dict,
            on_held=self._held,
            on_lost=self._lost,
            eager=lambda: min(_MOST_SHARE, _SHARE * held()),
        )

    @property
    def holds(self) -> bool:
        """Whether this replica has the lease."""
        return self._keeper.grant is not None

    @property
    def _ending(self) -> bool:
        """Whether the courier of an earlier lease has not quite ended: no second one begins beside it."""
        return self.courier is None and self._task is not None and not self._task.done()

    async def run(self) -> None:
        """Sees to it that alerts wait for the destination, and contends for it, for ever.

        Raises:
            BusStopped: the bus will not let us.
        """
        told = False
        while not self.enrolled.is_set():
            try:
                await enrol(self._around.bus, self._around.clock, self.name)
                self.enrolled.set()
                self._on_enrolled()
            except (Unreachable, ApiRefused) as error:
                if not told:
                    told = True
                    log.warning("a destination waits for the bus", destination=self.name, why=str(error))
                await asyncio.sleep(_AGAIN_AFTER)
        await self._keeper.run()

    async def respec(self, spec: Spec, within: float) -> None:
        """Serves it by what the rules say of it now, from where it stands."""
        self.spec = spec
        if self.courier is not None:
            await self._end_courier(within)
            if self.holds and not self._leaving:
                self._begin()

    async def leave(self, within: float) -> None:
        """Finishes the message that is on its way, writes down its end, and lets go of the lease."""
        self._leaving = True
        await self._end_courier(within)
        await self._keeper.release()

    def drop(self) -> None:
        """Ends at once, as a crash would; the lease expires."""
        self._leaving = True
        self._keeper.abandon("leaving at once")
        self._cancel()

    async def closed(self) -> None:
        """Waits until its courier has ended."""
        self._cancel()
        if self._task is not None:
            await end_task(self._task)

    def _held(self, _: Grant) -> None:
        if not self._leaving:
            log.info("a destination is served here", destination=self.name)
            self._begin()

    def _lost(self, reason: str) -> None:
        log.warning("a destination is not served here any more", destination=self.name, why=reason)
        self._cancel()

    def _begin(self) -> None:
        begun = self._keeper.grant

        def allowed() -> bool:
            """By this very grant: one that was lost and taken anew belongs to another courier."""
            grant = self._keeper.grant
            return grant is not None and begun is not None and grant.epoch == begun.epoch

        self.courier = Courier(self.name, self.spec, self._around, allowed)
        self._task = asyncio.create_task(self.courier.run(), name=f"courier-{self.name}")
        self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        self.courier = None
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_broken(error)

    async def _end_courier(self, within: float) -> None:
        courier, task = self.courier, self._task
        if courier is None or task is None:
            return
        courier.leave()
        await asyncio.wait((task,), timeout=within)
        self.courier = None
        if not task.done():
            log.warning("a message was cut off; whether it arrived is not known", destination=self.name)
            with contextlib.suppress(asyncio.CancelledError):
                await end_task(task)
