"""Puts alerts on the bus and says when they are stored: no success is answered before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from alert_bridge.errors import BusAway, TooLarge
from baleen_bus import Bus, BusError, DropReason, OutboxFull, Publisher, PublishRefused, Stored
from baleen_contracts.alert import Alert

log = structlog.get_logger(__name__)


class Outlet:
    """The way to the bus; there may be none yet, or none just now.

    Args:
        within: seconds an alert may take until it is stored.
        at_most: alerts that may be on their way at a time.
    """

    def __init__(self, *, within: float, at_most: int) -> None:
        self._within = within
        self._at_most = at_most
        self._waiting = 0
        self._publisher: Publisher | None = None
        self._there = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Alerts on their way now."""
        return self._waiting

    @asynccontextmanager
    async def over(self, bus: Bus) -> AsyncIterator[None]:
        """Use *bus* for as long as the block lasts."""
        async with Publisher(bus, source="alert-bridge") as publisher:
            self._publisher = publisher
            forget = [bus.on_disconnected(self._there.clear), bus.on_reconnected(self._there.set)]
            if bus.connected:
                self._there.set()
            try:
                yield
            finally:
                self._there.clear()
                for cancel in forget:
                    cancel()
                self._publisher = None

    async def store(self, alert: Alert) -> Stored:
        """Return once a stream has *alert*.

        Raises:
            BusAway: that did not happen in time; it may still happen.
            TooLarge: the bus takes no message of this size.
        """
        if self._waiting >= self._at_most:
            raise BusAway("too many alerts are waiting for the bus")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._within):
                return await self._publish(alert)
        except TimeoutError:
            raise BusAway("the bus has not confirmed the alert in time") from None
        except PublishRefused as refusal:
            if refusal.reason is DropReason.TOO_BIG:
                raise TooLarge("the bus takes no message of this size") from None
            log.error("the bus refused an alert", reason=str(refusal.reason))  # noqa: TRY400 - the reason is all
            raise BusAway("the bus refused the alert") from None
        except (OutboxFull, BusError):
            raise BusAway("the bus cannot take the alert now") from None
        finally:
            self._waiting -= 1

    async def _publish(self, alert: Alert) -> Stored:
        """Wait for a connection first: what was never handed over cannot arrive behind its sender's back."""
        await self._there.wait()
        if self._publisher is None:
            raise BusAway("the bridge is leaving")
        return await self._publisher.publish(alert)

    async def drain(self, within: float) -> int:
        """Give alerts that were handed over *within* seconds to be stored; returns how many were not."""
        return await self._publisher.drain(within) if self._publisher else 0
