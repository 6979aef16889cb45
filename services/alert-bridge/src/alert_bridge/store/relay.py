"""Stores alerts on the bus while it takes them, else in the spool, and brings the spool's to the bus later.

The order in which alerts were taken is kept: while the spool has one that was not offered to the bus yet,
the next one goes there too. Of one whose fate is open (offered to the bus, not confirmed in time, then
spooled) there is one copy on its way all the time: the publisher's. The spool lets go of it when the bus has
it, and offers it again only after a restart, to a bus that was looked through for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import time
from typing import Final, NamedTuple

import structlog

from alert_bridge.errors import BusAway, SpoolFailed, SpoolFull, TooLarge
from alert_bridge.store.look_back import look_back
from alert_bridge.store.parcel import Parcel
from alert_bridge.store.spool import Spool
from alert_bridge.store.spool_file import Row
from baleen_bus import Bus, BusError, DropReason, Publisher, PublishRefused, Stored
from baleen_bus.connection import end_task

IN_FLIGHT: Final = 512
"""Alerts of the spool that are offered to the bus and not confirmed, at most."""
READ_BYTES: Final = 4 << 20
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
        self.carried = 0
        """Alerts that the spool let go of because the bus has them."""
        self.refused = 0
        """Alerts in the spool that the bus will not have."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the spool begins or ends to have alerts, or to be in trouble."""
        self._within = within
        self._publisher: Publisher | None = None
        self._connected = self._slow = False
        self._sure = spool.extent.alerts == 0  # what a former process left may be on the bus already
        self._behind = spool.extent.alerts  # in the file or on the way into it, never offered by us
        self._number = spool.last_number
        self._cursor = 0
        self._offered: set[int] = set()  # in the file or on the way into it, and with the publisher
        self._arrived: list[int] = []  # in the file, and on the bus
        self._waiting: set[_Errand] = set()
        self._stirred = asyncio.Event()
        self._road_changed = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether the bus takes the next alert at once."""
        return self._connected and not self._slow and self._behind == 0

    @property
    def _nearly_open(self) -> bool:
        return self._connected and not self._slow and self._sure and 0 < self._behind < NEARLY

    @asynccontextmanager
    async def over(self, bus: Bus, publisher: Publisher) -> AsyncIterator[None]:
        """Use *bus* as long as the block lasts, and bring it what the spool has."""
        self._publisher = publisher
        forget = [bus.on_disconnected(self._disconnected), bus.on_reconnected(self._reconnected)]
        if bus.connected:
            self._reconnected()
        carrying = asyncio.create_task(self._carry(bus, publisher), name="spool-carry")
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
        publisher = self._publisher
        if publisher is None or not self.open:
            return await self._spool_fresh(parcel)
        self._number += 1
        errand = _Errand(self._number, asyncio.get_running_loop().create_future())
        try:
            self._offer(publisher, parcel, errand)
        except PublishRefused as refusal:
            raise refused(refusal) from None
        except BusError:  # it is full, or closed
            return await self._spool_fresh(parcel)
        fate = await self._fate(errand)
        if isinstance(fate, Stored):
            return fate
        if fate is not None:
            raise refused(fate)
        return await self._spool_open(parcel, errand)

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
            self._moves()
            errand.stored = stored
            if not errand.fate.done():
                errand.fate.set_result(stored)
            elif errand.kept:
                self._has_arrived(errand.number)

        def on_dropped(refusal: PublishRefused) -> None:
            if not errand.fate.done():
                errand.fate.set_result(None if refusal.reason is DropReason.CLOSED else refusal)
            elif errand.kept:
                self._will_not_arrive(errand.number, refusal)

        publisher.offer(parcel, on_stored, on_dropped)

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
            self._road_changed.set()
            errand.fate.set_result(None)

    async def _spool_fresh(self, parcel: Parcel) -> Spooled:
        """Spool an alert that was never offered to the bus."""
        self._number += 1
        kept = self._kept(self._number, parcel)
        self._behind += 1
        kept.add_done_callback(self._fresh_ended)
        return Spooled(duplicate=not await asyncio.shield(kept))

    def _fresh_ended(self, kept: asyncio.Future[bool]) -> None:
        if kept.cancelled() or kept.exception() is not None or not kept.result():
            self._gained(1)
        self._stirred.set()
        self.on_change()

    async def _spool_open(self, parcel: Parcel, errand: _Errand) -> Stored | Spooled:
        """Spool an alert that is with the publisher, which goes on with it."""
        self._offered.add(errand.number)
        try:
            kept = self._kept(errand.number, parcel)
            kept.add_done_callback(lambda done: self._open_ended(errand, done))
            new = await asyncio.shield(kept)
        except BusAway:
            self._offered.discard(errand.number)
            if errand.stored is not None:
                return errand.stored
            raise
        return errand.stored or Spooled(duplicate=not new)

    def _open_ended(self, errand: _Errand, kept: asyncio.Future[bool]) -> None:
        errand.kept = not kept.cancelled() and kept.exception() is None and kept.result()
        if not errand.kept:
            self._offered.discard(errand.number)
        elif errand.stored is not None:
            self._has_arrived(errand.number)
        self.on_change()

    def _kept(self, number: int, parcel: Parcel) -> asyncio.Future[bool]:
        occurred_at = parcel.occurred_at.isoformat()
        try:
            return self.spool.keep(
                Row(number, parcel.message_id, parcel.subject, occurred_at, time(), parcel.body)
            )
        except SpoolFull:
            self.on_change()
            raise

    async def _carry(self, bus: Bus, publisher: Publisher) -> None:
        """Offer what the spool has to the bus, in order, for ever."""
        while True:
            self._stirred.clear()
            if not self._connected or not self._behind:
                await self._stirred.wait()
                continue
            if not self._sure:
                for number in await look_back(bus, self.spool, margin=self._within):
                    self._offered.add(number)
                    self._has_arrived(number)
                    self._gained(1)
                self._sure = True
            room = IN_FLIGHT - len(self._offered)
            rows = await self._read(room) if room > 0 else []
            if not rows or not self._offer_rows(publisher, rows):
                await self._stirred.wait()

    async def _read(self, room: int) -> list[Row]:
        try:
            return await self.spool.read(self._cursor, most=room, most_bytes=READ_BYTES)
        except SpoolFailed as error:
            log.warning("the spool cannot be read", problem=str(error))
            asyncio.get_running_loop().call_later(1.0, self._stirred.set)
            return []

    def _offer_rows(self, publisher: Publisher, rows: list[Row]) -> bool:
        """Offer these; returns whether there was room for all."""
        for row in rows:
            if row.number not in self._offered and not self._offer_row(publisher, row):
                return False
            self._cursor = row.number
        return True

    def _offer_row(self, publisher: Publisher, row: Row) -> bool:
        def on_stored(_: Stored) -> None:
            self._moves()
            self._has_arrived(row.number)

        def on_dropped(refusal: PublishRefused) -> None:
            self._will_not_arrive(row.number, refusal)

        self._offered.add(row.number)
        try:
            occurred_at = datetime.fromisoformat(row.occurred_at)
            publisher.offer(Parcel(row.id, row.subject, occurred_at, row.body), on_stored, on_dropped)
        except PublishRefused as refusal:
            self._will_not_arrive(row.number, refusal)
        except BusError:  # it is full, or closed
            self._offered.discard(row.number)
            return False
        self._gained(1)
        return True

    def _has_arrived(self, number: int) -> None:
        """The bus has it: the file may forget it, together with the others that arrive now."""
        self.carried += 1
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._forget)
        self._arrived.append(number)

    def _forget(self) -> None:
        numbers, self._arrived = self._arrived, []
        self.spool.change(lambda file: file.remove(numbers), then=lambda: self._gone(numbers))

    def _gone(self, numbers: Sequence[int]) -> None:
        self._offered.difference_update(numbers)
        self._stirred.set()
        self.on_change()

    def _will_not_arrive(self, number: int, refusal: PublishRefused) -> None:
        """The bus will never have it: it stays in the file, out of the way, until somebody looks."""
        if refusal.reason is DropReason.CLOSED:
            return  # we are leaving; the next process brings it
        self.refused += 1
        log.error("the bus refuses an alert of the spool; it stays there", reason=str(refusal.reason))
        self.spool.change(
            lambda file: file.refuse(number, str(refusal.reason)), then=lambda: self._gone([number])
        )

    def _gained(self, alerts: int) -> None:
        """So many fewer are to be offered before a new one may go."""
        self._behind -= alerts
        if self._behind == 0:
            self._road_changed.set()

    def _moves(self) -> None:
        """The bus confirms: whoever waits for room or for it may go on."""
        if self._slow:
            self._slow = False
            self._road_changed.set()
        self._stirred.set()

    def _reconnected(self) -> None:
        self._connected = True
        self._slow = False
        self._stirred.set()

    def _disconnected(self) -> None:
        """Nobody has to wait until it is late: the disk is there."""
        self._connected = False
        self._road_changed.set()
        for errand in self._waiting:
            if not errand.fate.done():
                errand.fate.set_result(None)


def refused(refusal: PublishRefused) -> BusAway | TooLarge:
    """What a sender hears when the bus will not have its alert."""
    if refusal.reason is DropReason.TOO_BIG:
        return TooLarge("the bus takes no message of this size")
    log.error("the bus refused an alert", reason=str(refusal.reason))
    return BusAway("the bus refused the alert")
