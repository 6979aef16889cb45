"""Serves one destination for as long as this replica has its lease: draws, decides, sends, settles."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.breaker import Breaker, Standing
from alert_bridge.deliver.ends import Key
from alert_bridge.deliver.intake import Intake
from alert_bridge.deliver.keeping import Keeping
from alert_bridge.deliver.metrics import Figures
from alert_bridge.deliver.opening import Opened, opened
from alert_bridge.deliver.reading import Reading, standing
from alert_bridge.deliver.replays import Replays
from alert_bridge.deliver.round import Round
from alert_bridge.deliver.sending import Sending
from alert_bridge.deliver.settling import Settling
from alert_bridge.destinations.spec import Spec
from baleen_bus import ApiRefused, BusStopped, Unreachable

_AGAIN_AFTER: Final = 0.5
_DEFECT_AFTER: Final = 5.0

log = structlog.get_logger(__name__)


class BegunAnewError(Exception):
    """What this sender knows of the bus is no longer so."""


class _LeftError(Exception):
    """It was told to leave, and has sent its last message."""


class Courier:
    """The sender of one destination.

    Args:
        name: the destination.
        spec: what the rules say of it.
        around: what every courier works with.
        allowed: whether this replica has the lease at this very moment.
    """

    def __init__(self, name: str, spec: Spec, around: Around, allowed: Callable[[], bool]) -> None:
        self.name, self.spec = name, spec
        self.problem = ""
        self._around, self._allowed = around, allowed
        self._leaving = asyncio.Event()
        self._shift: Shift | None = None

    async def run(self) -> None:
        """Serves until told to leave, again and again if something fails.

        Raises:
            BusStopped: the bus will not let us.
        """
        while not self._leaving.is_set():
            try:
                await self._serve()
                await self._rest(_AGAIN_AFTER)
            except (Unreachable, ApiRefused, BegunAnewError) as reason:
                self.problem = str(reason)
                log.info("a destination is taken up anew", destination=self.name, why=str(reason))
                await self._rest(_AGAIN_AFTER)
            except BusStopped:
                raise
            except Exception:
                self.problem = "its sender failed; the log says why"
                log.exception("the sender of a destination failed", destination=self.name)
                await self._rest(_DEFECT_AFTER)

    def leave(self) -> None:
        """Ends after the message that is on its way; what is open waits for a successor."""
        self._leaving.set()
        if self._shift is not None:
            self._shift.sending.leave()

    @property
    def leaving(self) -> bool:
        """Whether it was told to leave."""
        return self._leaving.is_set()

    def shift(self) -> Shift | None:
        """What it does now; None while it takes up."""
        return self._shift

    async def _serve(self) -> None:
        around = self._around
        await around.pen.caught_up()  # what an earlier shift wrote down is to be found
        found = await opened(around.bus, around.clock, self.name)
        destination = around.build(self.name, self.spec)
        shift = Shift(self, destination, around, found, self._allowed)
        try:
            self._shift = shift
            if self._leaving.is_set():
                return
            self.problem = ""
            await shift.run()
        finally:
            self._shift = None
            shift.settling.close()
            await destination.close()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._leaving.wait()


class Shift:
    """One unbroken time of service."""

    def __init__(
        self,
        courier: Courier,
        destination: object,
        around: Around,
        found: Opened,
        allowed: Callable[[], bool],
    ) -> None:
        name, spec = courier.name, courier.spec
        self.name = name
        self.counts = found.kept.counts
        self.breaker = Breaker(cap=around.longest_wait)
        self.round = Round(give_up_after=spec.give_up_after, at_most_once=spec.at_most_once)
        self._around, self._opened = around, found
        self._gone = asyncio.Event()
        self._intake = Intake(name, around, round_=self.round, counts=self.counts, found=found.found)
        self.settling = Settling(
            name,
            around,
            self.counts,
            on_settled=self._settled,
            on_dead=self._intake.died,
        )
        self._reading = Reading(
            around.bus,
            around.pen,
            stream=names.ALERTS,
            consumer=names.consumer_of(name),
            room=lambda: self._intake.room,
            on_drawn=self._intake.arrived,
            on_gone=self._gone.set,
        )
        self._replays = Replays(name, around, round_=self.round, counts=self.counts, settling=self.settling)
        self.keeping = Keeping(
            courier.name,
            spec,
            around,
            kept=found.kept,
            asked=found.asked,
            breaker=self.breaker,
            on_resumed=self._stir,
            working=self._working,
        )
        self.sending = Sending(
            destination,  # type: ignore[arg-type]
            around,
            round_=self.round,
            counts=self.counts,
            settling=self.settling,
            breaker=self.breaker,
            allowed=allowed,
            on_stopped=self.keeping.halted,
        )
        self._intake.joined(self._reading, self.settling, self.sending.stir)
        self._replays.joined(self.sending.stir)

    async def run(self) -> None:
        """Serves until told to leave.

        Raises:
            BegunAnewError, Unreachable, ApiRefused: what is known of the bus is no longer so.
        """
        try:
            async with self._reading.at_work(), self._replays.reading.at_work():
                # A predecessor may have died between the record of an end and its acknowledgement.
                self._intake.acknowledge_again(self._opened.unacked)
                async with asyncio.TaskGroup() as tasks:
                    for work in (
                        self._intake.run(),
                        self._replays.run(),
                        self.keeping.run(),
                        self._watch_consumer(),
                        self._send(),
                    ):
                        tasks.create_task(work, name=f"deliver-{self.name}")
        except* _LeftError:
            await self._finish()
        except* (Unreachable, ApiRefused, BegunAnewError) as group:
            raise _first(group) from None

    def figures(self) -> Figures:
        """How it stands now."""
        now = self._around.now()
        counts = self.counts
        last = max(self._around.extent.last, counts.through)
        oldest = next(iter(counts.open), None)
        return Figures(
            name=self.name,
            standing=self.standing(),
            open=len(counts.open),
            behind=last - counts.through,
            oldest=0.0 if oldest is None else self._intake.age_of(oldest, now),
            early=self.round.released_early,
        )

    def standing(self) -> Standing:
        """How the destination fares."""
        return self.breaker.standing(self._around.clock.monotonic())

    def _settled(self, key: Key) -> None:
        seq, replays = key
        if replays:
            self._replays.settled(key)
            self._intake.stir()
        else:
            self._reading.ack(seq)
            self._intake.settled(seq)

    def _working(self) -> None:
        """What is open is not to be sent again by the bus."""
        for seq in self.counts.open:
            self._reading.working(seq)
        self._replays.working()

    def _stir(self) -> None:
        self.sending.stir()

    async def _send(self) -> None:
        await self.sending.run()
        raise _LeftError

    async def _watch_consumer(self) -> None:
        """A consumer that is gone is made anew, from where this one stands."""
        while True:
            await self._gone.wait()
            self._gone.clear()
            try:
                found = await standing(self._around.bus, names.ALERTS, names.consumer_of(self.name))
            except (Unreachable, ApiRefused):
                self._gone.set()  # asked again in a moment
            else:
                if found is None:
                    raise BegunAnewError("the consumer is gone")
            await asyncio.sleep(_AGAIN_AFTER)

    async def _finish(self) -> None:
        """Lets what has ended be written down, and says how far it came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while self.settling.pending:  # noqa: ASYNC110 - each goes by a callback of its own
                    await asyncio.sleep(0.005)
                await self.keeping.write(served=False)
                await self._around.pen.drain(1.0)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
