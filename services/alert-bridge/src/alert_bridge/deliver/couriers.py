"""Serves the destinations of the rules, together with the other replicas: each is served by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around, Extent, InForce
from alert_bridge.deliver.ledger import Ledger
from alert_bridge.deliver.metrics import DeliveryMetrics, Figures
from alert_bridge.deliver.pen import Pen
from alert_bridge.deliver.post import Post
from alert_bridge.deliver.upkeep import refresh
from alert_bridge.destinations.destination import Destination
from alert_bridge.destinations.spec import Spec
from baleen_bus import ApiRefused, Bucket, Bus, Publisher, Unreachable, times_for
from baleen_bus.buckets import DELIVERY, LEASES
from baleen_bus.reading import stream_state
from baleen_contracts.alert import Alert
from baleen_runtime.clock import Clock

_AGAIN_AFTER: Final = 0.5
_LOOK_EVERY: Final = 1.0
_RELEASED_WITHIN: Final = 5.0
"""Seconds more, for the leases."""
LEAVE_WITHIN: Final = 12.0
"""Seconds for the messages that are on their way; a destination's own time-out is shorter."""

log = structlog.get_logger(__name__)


class Couriers:
    """All destinations of this replica.

    Args:
        holder: the rules.
        clock: the time.
        metrics: what is counted.
        build: makes a destination.
        chance: one number in [0, 1) each time.
        replica: this process, as operators know it.
        longest_wait: seconds; the longest wait after a failure.
    """

    def __init__(
        self,
        holder: InForce,
        *,
        clock: Clock,
        metrics: DeliveryMetrics,
        build: Callable[[str, Spec], Destination],
        chance: Callable[[], float],
        replica: str,
        longest_wait: float,
    ) -> None:
        self.posts: dict[str, Post] = {}
        self.on_arranged: Callable[[], None] = lambda: None
        self._holder, self._clock, self._metrics = holder, clock, metrics
        self._build, self._chance = build, chance
        self._replica, self._longest_wait = replica, longest_wait
        self._changed = asyncio.Event()
        self._leaving: asyncio.Future[float] | None = None
        self._left = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        metrics.figures = self.figures

    @property
    def serving(self) -> tuple[bool, str]:
        """Whether alerts wait for every destination of the rules from now on; else why not."""
        missing = [
            name
            for name in self._holder.rules.destinations
            if name not in self.posts or not self.posts[name].enrolled.is_set()
        ]
        return not missing, f"not enrolled yet: {', '.join(sorted(missing)[:5])}" if missing else ""

    def figures(self) -> Iterator[Figures]:
        """How those stand that this replica serves now."""
        for post in self.posts.values():
            shift = post.courier.shift() if post.courier is not None else None
            if shift is not None:
                yield shift.figures()

    async def run(self, bus: Bus, say: Callable[[Alert], Awaitable[object]]) -> None:
        """Serves over *bus* until cancelled, or until `leave` is done.

        Args:
            bus: the connection.
            say: stores an alert of the bridge's own.

        Raises:
            BusStopped: the bus will not let us.
        """
        self._left.clear()
        self._leaving = asyncio.get_running_loop().create_future()
        pen = Pen(bus)
        async with Publisher(bus, source="alert-bridge") as letters, pen.at_work():
            around = Around(
                bus=bus,
                pen=pen,
                ledger=Ledger(bus),
                letters=letters,
                say=say,
                rules=lambda: self._holder.rules,
                build=self._build,
                clock=self._clock,
                chance=self._chance,
                metrics=self._metrics,
                replica=self._replica,
                longest_wait=self._longest_wait,
                extent=Extent(),
            )
            forget = self._holder.on_change(self._changed.set)
            try:
                await self._serve(around)
            finally:
                forget()
                await self._close()
                self._left.set()

    async def leave(self, within: float = LEAVE_WITHIN) -> None:
        """Finishes what is on its way and lets others go on; returns when all is handed over."""
        if self._leaving is None or self._left.is_set():
            return
        if not self._leaving.done():
            self._leaving.set_result(within)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within + _RELEASED_WITHIN):
                await self._left.wait()

    async def _serve(self, around: Around) -> None:
        leases = Bucket(around.bus, LEASES)
        times = times_for(await _lease_length(leases))
        leaving = self._leaving
        assert leaving is not None  # noqa: S101 - set by the only caller
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def break_down(error: BaseException) -> None:
            if not broken.done():
                broken.set_exception(error)

        def post(name: str, spec: Spec) -> Post:
            return Post(
                name,
                spec,
                around,
                leases=leases,
                times=times,
                held=self._held,
                on_enrolled=self._arranged,
                on_broken=break_down,
            )

        beside = [
            asyncio.create_task(_look(around), name="deliver-extent"),
            asyncio.create_task(refresh(around.bus, self._clock), name="deliver-upkeep"),
        ]
        for task in beside:
            task.add_done_callback(lambda task: _report(task, break_down))
        try:
            while not leaving.done():
                await self._arrange(post, break_down)
                await self._until_changed(leaving, broken)
            await asyncio.gather(*(one.leave(leaving.result()) for one in self.posts.values()))
        finally:
            for task in beside:
                task.cancel()
            if not broken.done():
                broken.cancel()

    async def _until_changed(self, leaving: asyncio.Future[float], broken: asyncio.Future[None]) -> None:
        changed = asyncio.create_task(self._changed.wait(), name="rules-changed")
        try:
            await asyncio.wait((changed, leaving, broken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            await asyncio.wait((changed,))
        self._changed.clear()
        if broken.done():
            await broken

    async def _arrange(
        self, post: Callable[[str, Spec], Post], on_broken: Callable[[BaseException], None]
    ) -> None:
        """Brings what is served to what the rules say."""
        wanted = self._holder.rules.destinations
        changes = []
        for name, spec in wanted.items():  # first, since what is accepted before is not told to a new one
            if name not in self.posts:
                made = self.posts[name] = post(name, spec)
                task = self._tasks[name] = asyncio.create_task(made.run(), name=f"post-{name}")
                task.add_done_callback(lambda task: _report(task, on_broken))
            elif self.posts[name].spec != spec:
                log.info("a destination is served by new rules", destination=name)
                changes.append(self.posts[name].respec(spec, LEAVE_WITHIN))
        for name in self.posts.keys() - wanted.keys():
            log.info("a destination is no longer in the rules; its alerts wait on the bus", destination=name)
            changes.append(self._leave(name))
        await asyncio.gather(*changes)
        self.on_arranged()

    async def _leave(self, name: str) -> None:
        await self.posts[name].leave(LEAVE_WITHIN)
        await self._forget(name)

    async def _forget(self, name: str) -> None:
        post, task = self.posts.pop(name), self._tasks.pop(name)
        task.cancel()
        await asyncio.wait((task,))
        await post.closed()

    async def _close(self) -> None:
        """Ends everything at once; what was handed over before stays so."""
        for post in self.posts.values():
            post.drop()
        for name in list(self.posts):
            await self._forget(name)

    def _arranged(self) -> None:
        self.on_arranged()

    def _held(self) -> int:
        return sum(post.holds for post in self.posts.values())


async def resume(bus: Bus, destination: str, asked_at: str) -> None:
    """Lets a destination that takes nothing be tried again, whichever replica serves it.

    Raises:
        Unreachable, ApiRefused: the bus does not take the wish now.
    """
    await Bucket(bus, DELIVERY).put(names.resume_of(destination), asked_at.encode())


async def _lease_length(leases: Bucket) -> float:
    """How long a lease lives; the bucket says it, so that no two replicas disagree."""
    told = False
    while True:
        try:
            return await leases.ttl()
        except (ApiRefused, Unreachable) as error:
            if not told:
                told = True
                log.warning("waiting for the bucket of the leases; run baleen-bus bootstrap", why=str(error))
            await asyncio.sleep(_AGAIN_AFTER)


async def _look(around: Around) -> None:
    """Keeps known how far the stream reaches."""
    while True:
        with contextlib.suppress(Unreachable, ApiRefused):
            around.extent.last = (await stream_state(around.bus, names.ALERTS)).last_seq
        await asyncio.sleep(_LOOK_EVERY)


def _report(task: asyncio.Task[None], on_broken: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_broken(error)
