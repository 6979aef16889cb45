"""Everything that tells what became of alerts, for as long as there is a bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

from alert_bridge.account.again import send_again
from alert_bridge.account.archive import Archive
from alert_bridge.account.dead_letters import DeadLetters
from alert_bridge.account.deliveries import Accounts, DestinationAccount, Ledger
from alert_bridge.account.life import Chapter, life_of
from alert_bridge.carried import Carried
from alert_bridge.deliver import names
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.couriers import resume
from alert_bridge.deliver.reading import Standing, standing
from alert_bridge.deliver.standing import kept_in
from baleen_bus import Bus, Unreachable, stream_epoch
from baleen_bus.buckets import DELIVERY, stream_of, subject_of
from baleen_bus.reading import fetch_last

T = TypeVar("T")

_NEARLY_FULL: Final = 0.9
"""A bucket of this part of its bound lets go of what is oldest."""


class Books:
    """The archive, the dead letters, the ledger and the accounts.

    Attributes:
        archive: the alerts.
        letters: the dead letters.
    """

    def __init__(self) -> None:
        self.archive = Archive()
        self.letters = DeadLetters()
        self._bus: Bus | None = None
        self._ledger: Ledger | None = None
        self._accounts: Accounts | None = None

    @asynccontextmanager
    async def over(
        self,
        bus: Bus,
        *,
        ledger: Ledger | None = None,
        accounts: Accounts | None = None,
    ) -> AsyncIterator[None]:
        """Tell what is on *bus* for as long as the block lasts; does not wait for it."""
        async with AsyncExitStack() as open_books:
            await open_books.enter_async_context(self.archive.over(bus))
            await open_books.enter_async_context(self.letters.over(bus))
            self._bus, self._ledger, self._accounts = bus, ledger, accounts
            try:
                yield
            finally:
                self._bus = self._ledger = self._accounts = None

    async def resume(self, destination: str, now: datetime) -> None:
        """Let a destination that was stopped try again, whichever replica serves it.

        Raises:
            Unreachable, ApiRefused: the bus does not take the wish now.
        """
        await resume(_there(self._bus), destination, now.isoformat())

    async def send_again(self, seqs: Sequence[int], now: datetime) -> tuple[list[int], dict[int, str]]:
        """Send dead letters again; see `alert_bridge.account.again.send_again`.

        Raises:
            BusError: the bus does not take them now.
        """
        return await send_again(_there(self._bus), seqs, now)

    async def accounts(self) -> Sequence[DestinationAccount]:
        """The account of every destination, by name.

        Raises:
            Unreachable, ApiRefused: they cannot be known now.
        """
        found = await _there(self._accounts).snapshot()
        return sorted(found, key=lambda one: one.name)

    async def lives(self, alerts: Sequence[Carried]) -> list[list[Chapter]]:
        """What became of each of these alerts at every destination.

        Raises:
            Unreachable, ApiRefused: that cannot be known now.
        """
        bus, ledger = _there(self._bus), _there(self._ledger)
        served = [account.name for account in await self.accounts()]
        # An end is written before it is counted or acknowledged: read after these, its record is found.
        consumers = await asyncio.gather(
            *(standing(bus, names.ALERTS, names.consumer_of(name)) for name in served)
        )
        counts = await _counts(bus)
        acked = {
            name: _acked(consumer, counts.get(name)) for name, consumer in zip(served, consumers, strict=True)
        }
        kept_since = await _kept_since(bus)
        return [
            life_of(
                one.seq,
                await ledger.read(one.seq),
                counts,
                acked=acked,
                stored_at=one.stored_at,
                kept_since=kept_since,
            )
            for one in alerts
        ]


def _acked(consumer: Standing | None, counts: Counts | None) -> int:
    """Up to which number a destination is done with every alert; 0 if its consumer does not say.

    One that was made anew further on says nothing of what lies before it.
    """
    if consumer is None or counts is None or consumer.start > counts.through + 1:
        return 0
    return consumer.ack_floor


async def _counts(bus: Bus) -> dict[str, Counts]:
    """How far each destination has come, as far as it is written; a second old at most."""
    found = await fetch_last(bus, stream_of(DELIVERY), subject_of(DELIVERY, names.ACCOUNTS))
    epoch = await stream_epoch(bus, names.ALERTS)
    kept = [kept_in(item.body) for item in found]
    return {one.name: one.counts for one in kept if one is not None and one.counts.epoch == epoch}


async def _kept_since(bus: Bus) -> datetime | None:
    """Since when everything that was written is still there; None if nothing had to give way."""
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream_of(DELIVERY)}")
    if info["state"]["bytes"] < _NEARLY_FULL * info["config"]["max_bytes"]:
        return None
    return datetime.fromisoformat(info["state"]["first_ts"])


def _there(part: T | None) -> T:
    if part is None:
        raise Unreachable("there is no connection to the bus")
    return part
