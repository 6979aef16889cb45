"""Brings what the spool has to the bus, in order; the spool lets go of an alert once the bus confirmed it.

An alert is offered to the publisher once in the life of this process: the publisher sends it until the bus
has it, so a lost confirmation doubles nothing. What a former process left may be on the bus already, and is
looked up there before anything is offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from alert_bridge.errors import SpoolFailed
from alert_bridge.store.look_back import look_back
from alert_bridge.store.parcel import Parcel
from alert_bridge.store.spool import Spool
from alert_bridge.store.spool_file import Row
from baleen_bus import Bus, BusError, DropReason, Publisher, PublishRefused, Stored

IN_FLIGHT: Final = 512
"""Alerts of the spool that are offered to the bus and not confirmed, at most."""
MOST_TRACES: Final = 10_000
READ_BYTES: Final = 4 << 20
READ_AGAIN_AFTER: Final = 1.0

log = structlog.get_logger(__name__)


class Carrier:
    """Carries the alerts of *spool*. ``margin``: seconds for which an alert may be under way unspooled.

    Args:
        on_confirmed: called when the bus confirmed one.
        on_clear: called when none is left that was not offered.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        margin: float,
        on_confirmed: Callable[[], None],
        on_clear: Callable[[], None],
    ) -> None:
        self.spool = spool
        self.carried = 0
        """Alerts that the spool let go of because the bus has them."""
        self.refused = 0
        """Alerts in the spool that the bus will not have."""
        self.behind = spool.extent.alerts
        """Alerts in the file, or on their way into it, that were not offered yet."""
        self.sure = not self.behind
        """Whether it is known what the bus has of those."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the spool has got or lost alerts, and when the way to the bus or the disk changes."""
        self._margin = margin
        self._on_confirmed = on_confirmed
        self._on_clear = on_clear
        self._cursor = 0
        self._offered: set[int] = set()  # in the file or on the way into it, and with the publisher
        self._traces: dict[int, str] = {}  # by number, of those that wait; the file does not keep them
        self._arrived: list[int] = []  # in the file, and on the bus
        self._stirred = asyncio.Event()

    def expect(self, kept: asyncio.Future[bool], number: int, traceparent: str | None) -> None:
        """An alert that nobody offered is on its way into the file."""

        def ended(done: asyncio.Future[bool]) -> None:
            if done.cancelled() or done.exception() is not None or not done.result():
                self._traces.pop(number, None)
                self._advanced(1)
            self.stir()
            self.on_change()

        self.behind += 1
        kept.add_done_callback(ended)
        if traceparent is not None and len(self._traces) < MOST_TRACES:
            self._traces[number] = traceparent

    def spare(self, number: int) -> None:
        """The alert of this number is with the publisher: it is not to be offered from the file."""
        self._offered.add(number)

    def forget(self, number: int) -> None:
        """An alert that was to be spared is not in the file after all."""
        self._offered.discard(number)
        self.stir()

    def stir(self) -> None:
        """Something may be possible now that was not."""
        self._stirred.set()

    async def run(self, bus: Bus, publisher: Publisher) -> None:
        """Offers what the spool has to the bus, for ever."""
        while True:
            self._stirred.clear()
            if not bus.connected or not self.behind:
                await self._stirred.wait()
                continue
            if not self.sure:
                for number in await look_back(bus, self.spool, margin=self._margin):
                    self._offered.add(number)
                    self.has_arrived(number)
                    self._advanced(1)
                self.sure = True
            room = IN_FLIGHT - len(self._offered)
            rows = await self._read(room) if room > 0 else []
            if not rows or not self._offer(publisher, rows):
                await self._stirred.wait()

    async def _read(self, room: int) -> list[Row]:
        try:
            return await self.spool.read(self._cursor, most=room, most_bytes=READ_BYTES)
        except SpoolFailed as error:
            log.warning("the spool cannot be read", problem=str(error))
            asyncio.get_running_loop().call_later(READ_AGAIN_AFTER, self.stir)
            return []

    def _offer(self, publisher: Publisher, rows: Sequence[Row]) -> bool:
        """Offer these; returns whether the publisher had room for all."""
        for row in rows:
            if row.number not in self._offered and not self._offer_one(publisher, row):
                return False
            self._cursor = row.number
        return True

    def _offer_one(self, publisher: Publisher, row: Row) -> bool:
        def on_stored(_: Stored) -> None:
            self._on_confirmed()
            self.has_arrived(row.number)

        def on_dropped(refusal: PublishRefused) -> None:
            self.will_not_arrive(row.number, refusal)

        self._offered.add(row.number)
        try:
            occurred_at = datetime.fromisoformat(row.occurred_at)
            parcel = Parcel(row.id, row.subject, occurred_at, row.body)
            publisher.offer(parcel, on_stored, on_dropped, traceparent=self._traces.get(row.number))
        except PublishRefused as refusal:
            self.will_not_arrive(row.number, refusal)
        except BusError:  # it is full, or closed
            self._offered.discard(row.number)
            return False
        self._traces.pop(row.number, None)
        self._advanced(1)
        return True

    def has_arrived(self, number: int) -> None:
        """The bus has it: the file may forget it, together with the others that arrive now."""
        self.carried += 1
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._forget_arrived)
        self._arrived.append(number)

    def _forget_arrived(self) -> None:
        numbers, self._arrived = self._arrived, []
        self.spool.change(lambda file: file.remove(numbers), then=lambda: self._gone(numbers))

    def will_not_arrive(self, number: int, refusal: PublishRefused) -> None:
        """The bus will never have it: it stays in the file, out of the way, until the next start."""
        if refusal.reason is DropReason.CLOSED:
            return  # we are leaving; the next process brings it
        self.refused += 1
        log.error("the bus refuses an alert of the spool; it stays there", reason=str(refusal.reason))
        self.spool.change(
            lambda file: file.refuse(number, str(refusal.reason)), then=lambda: self._gone([number])
        )

    def _gone(self, numbers: Sequence[int]) -> None:
        self._offered.difference_update(numbers)
        self.stir()
        self.on_change()

    def _advanced(self, alerts: int) -> None:
        self.behind -= alerts
        if self.behind == 0:
            self._on_clear()
