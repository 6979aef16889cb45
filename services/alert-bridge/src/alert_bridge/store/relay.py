"""Stores alerts on the bus while it takes them, and else in the spool.

The order in which alerts were taken is kept: while the spool has one that was not offered to the bus yet,
the next one goes there too. Of one whose fate is open (offered to the bus, not confirmed in time, then
spooled) one copy is on its way all the time: the publisher's. The spool lets go of it when the bus has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time
from typing import Final, NamedTuple

import structlog

from alert_bridge.errors import BusAway, SpoolFull, TooLarge
from alert_bridge.store.carrier import Carrier
from alert_bridge.store.parcel import Parcel
from alert_bridge.store.spool import Spool
from alert_bridge.store.spool_file import Row
from baleen_bus import Bus, BusError, DropReason, Publisher, PublishRefused, Stored
from baleen_bus.connection import end_task

LARGEST: Final = 1_000_000
"""Bytes of an alert; with its headers still less than the bus takes in one message."""
NEARLY: Final = 500
"""With fewer alerts than this to be offered first, a new one waits for its turn instead of being spooled."""

log = structlog.get_logger(__name__)


class Spooled(NamedTuple):
    """The disk has the alert, and the bus will. ``duplicate``: the disk had it before."""

    duplicate: bool
    seq: None = None


@dataclass(slots=True, eq=False)
class _Errand:
    """One alert that was offered to the bus and is waited for; None ends the waiting without an answer."""

    number: int
    fate: asyncio.Future[Stored | PublishRefused | None]
    stored: Stored | None = None
    kept: bool = False


class Relay:
    """The way to the bus with *spool* beside it. ``within``: seconds until the bus counts as too slow."""

    def __init__(self, spool: Spool, *, within: float) -> None:
        self.spool = spool
        self.carrier = Carrier(spool, margin=within, on_confirmed=self._confirmed, on_clear=self._look_again)
        self._within = within
        self._publisher: Publisher | None = None
        self._connected = self._slow = False
        self._number = spool.last_number
        self._waiting: set[_Errand] = set()
        self._road_changed = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether the bus takes the next alert at once."""
        return self._connected and not self._slow and self.carrier.behind == 0

    @property
    def _nearly_open(self) -> bool:
        return self._connected and not self._slow and self.carrier.sure and 0 < self.carrier.behind < NEARLY

    @asynccontextmanager
    async def over(self, bus: Bus, publisher: Publisher) -> AsyncIterator[None]:
        """Use *bus* as long as the block lasts, and bring it what the spool has."""
        self._publisher = publisher
        forget = [bus.on_disconnected(self._disconnected), bus.on_reconnected(self._reconnected)]
        if bus.connected:
            self._reconnected()
        carrying = asyncio.create_task(self.carrier.run(bus, publisher), name="spool-carry")
        bus.supervise(carrying)
        try:
            yield
        finally:
            await end_task(carrying)
            for cancel in forget:
                cancel()
            self._disconnected()
            self._publisher = None

    async def store(self, parcel: Parcel) -> Stored | Spooled:
        """Return once the bus or the disk has it.

        Raises:
            TooLarge: the bus takes no message of this size.
            SpoolFull, SpoolFailed: neither has it, as far as is known.
            BusAway: the bus refuses it.
        """
        if len(parcel.body) > LARGEST:
            raise TooLarge("the bus takes no message of this size")
        if self._nearly_open:
            await self._wait_for_turn()
        self._number += 1  # in the order of offers, and of what is spooled without one
        if self._publisher is None or not self.open:
            return await self._spool_fresh(parcel, self._number)
        errand = _Errand(self._number, asyncio.get_running_loop().create_future())
        try:
            self._offer(self._publisher, parcel, errand)
        except PublishRefused as refusal:
            raise refused(refusal) from None
        except BusError:  # it is full, or closed
            return await self._spool_fresh(parcel, errand.number)
        fate = await self._fate(errand)
        if isinstance(fate, PublishRefused):
            raise refused(fate)
        return fate or await self._spool_offered(parcel, errand)

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(self._within):
                while self._nearly_open:
                    self._road_changed.clear()
                    await self._road_changed.wait()
        except TimeoutError:
            pass

    def _offer(self, publisher: Publisher, parcel: Parcel, errand: _Errand) -> None:
        def on_stored(stored: Stored) -> None:
            self._confirmed()
            errand.stored = stored
            if not errand.fate.done():
                errand.fate.set_result(stored)
            elif errand.kept:
                self.carrier.has_arrived(errand.number)

        def on_dropped(refusal: PublishRefused) -> None:
            if not errand.fate.done():
                errand.fate.set_result(None if refusal.reason is DropReason.CLOSED else refusal)
            elif errand.kept:
                self.carrier.will_not_arrive(errand.number, refusal)

        publisher.offer(parcel, on_stored, on_dropped, traceparent=parcel.traceparent)

    async def _fate(self, errand: _Errand) -> Stored | PublishRefused | None:
        """What became of it; None if nothing is known in time, or the connection went."""
        self._waiting.add(errand)
        late = asyncio.get_running_loop().call_later(self._within, self._is_late, errand)
        try:
            return await errand.fate
        finally:
            late.cancel()
            self._waiting.discard(errand)

    def _is_late(self, errand: _Errand) -> None:
        if not errand.fate.done():
            self._slow = True
            self._look_again()
            errand.fate.set_result(None)

    async def _spool_fresh(self, parcel: Parcel, number: int) -> Spooled:
        """Spool an alert that was never offered to the bus."""
        kept = self._keep(parcel, number)
        self.carrier.expect(kept, number, parcel.traceparent)
        return Spooled(duplicate=not await asyncio.shield(kept))

    async def _spool_offered(self, parcel: Parcel, errand: _Errand) -> Stored | Spooled:
        """Spool an alert that is with the publisher, which goes on with it."""

        def ended(done: asyncio.Future[bool]) -> None:
            errand.kept = not done.cancelled() and done.exception() is None and done.result()
            if not errand.kept:
                self.carrier.forget(errand.number)
            elif errand.stored is not None:
                self.carrier.has_arrived(errand.number)
            self.carrier.on_change()

        try:
            kept = self._keep(parcel, errand.number)
            self.carrier.spare(errand.number)
            kept.add_done_callback(ended)
            new = await asyncio.shield(kept)
        except BusAway:
            if errand.stored is not None:  # the bus was quicker than the disk
                return errand.stored
            raise
        return errand.stored or Spooled(duplicate=not new)

    def _keep(self, parcel: Parcel, number: int) -> asyncio.Future[bool]:
        occurred_at = parcel.occurred_at.isoformat()
        try:
            return self.spool.keep(
                Row(number, parcel.message_id, parcel.subject, occurred_at, time(), parcel.body)
            )
        except SpoolFull:
            self.carrier.on_change()
            raise

    def _confirmed(self) -> None:
        """The bus moves: whoever waits for it or for room may go on."""
        if self._slow:
            self._slow = False
            self._look_again()
        self.carrier.stir()

    def _look_again(self) -> None:
        self._road_changed.set()
        self.carrier.on_change()

    def _reconnected(self) -> None:
        self._connected = True
        self._slow = False
        self._look_again()
        self.carrier.stir()

    def _disconnected(self) -> None:
        """Nobody has to wait until it is late: the disk is there."""
        self._connected = False
        self._look_again()
        for errand in self._waiting:
            if not errand.fate.done():
                errand.fate.set_result(None)


def refused(refusal: PublishRefused) -> BusAway | TooLarge:
    """What a sender hears when the bus will not have its alert."""
    if refusal.reason is DropReason.TOO_BIG:
        return TooLarge("the bus takes no message of this size")
    log.error("the bus refused an alert", reason=str(refusal.reason))
    return BusAway("the bus refused the alert")
