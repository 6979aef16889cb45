"""Puts alerts on the bus, or in the spool, and says when one has them: no success is answered before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from alert_bridge.errors import BusAway, Outcome
from alert_bridge.store.parcel import Parcel
from alert_bridge.store.relay import Relay, Spooled, refused
from alert_bridge.store.spool import Spool
from alert_bridge.traces import storing
from baleen_bus import Bus, BusError, Publisher, PublishRefused, Stored
from baleen_contracts.alert import Alert
from baleen_runtime import tracing

__all__ = ["Outlet", "Spooled", "outcome_of"]

_SHARE: Final = 3
"""How many times as much as is free a source may hold: three quarters alone, and however many hold what they
may, somebody else's alert has room."""


class Outlet:
    """The way to the bus; there may be none yet, or none just now.

    Args:
        within: seconds an alert may take until it is stored.
        at_most: alerts that may be on their way at a time, no source's so many that others have no room.
        spool: keeps alerts while the bus does not take them; without one they are refused then.
    """

    def __init__(self, *, within: float, at_most: int, spool: Spool | None = None) -> None:
        self._within = within
        self._at_most = at_most
        self._waiting = 0
        self._waiting_of: Counter[str] = Counter()
        self._publisher: Publisher | None = None
        self._there = asyncio.Event()
        self.relay = None if spool is None else Relay(spool, within=within)
        """What there is to know of the spool."""

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
                async with self.relay.over(bus, publisher) if self.relay else nullcontext():
                    yield
            finally:
                self._there.clear()
                for cancel in forget:
                    cancel()
                self._publisher = None

    async def store(self, alert: Alert) -> Stored | Spooled:
        """Return once a stream has *alert*, or else the disk; the trace that there is goes on with it.

        Raises:
            BusAway: that did not happen in time; it may still happen. `SpoolFull` and `SpoolFailed` are such.
            TooLarge: the bus takes no message of this size.
        """
        if not tracing.recording():
            return await self._store(alert)
        with storing(alert) as span:
            fate = await self._store(alert)
            span.note(baleen__outcome=str(outcome_of(fate)), baleen__alert__seq=fate.seq)
            return fate

    async def _store(self, alert: Alert) -> Stored | Spooled:
        source, waiting_of = alert.source, self._waiting_of
        if waiting_of[source] >= _SHARE * (self._at_most - self._waiting):
            raise BusAway("too many alerts are waiting for the bus")
        self._waiting += 1
        waiting_of[source] += 1
        try:
            if self.relay is not None:
                return await self.relay.store(_packed(alert))
            return await self._store_on_bus(alert)
        finally:
            self._waiting -= 1
            waiting_of[source] -= 1
            if not waiting_of[source]:
                del waiting_of[source]

    async def _store_on_bus(self, alert: Alert) -> Stored:
        loop = asyncio.get_running_loop()
        late = loop.time() + self._within
        try:
            if not self._there.is_set():
                async with asyncio.timeout_at(late):
                    await self._there.wait()
            return await self._publish(alert, loop, late)
        except TimeoutError:
            raise BusAway("the bus has not confirmed the alert in time") from None
        except PublishRefused as refusal:
            raise refused(refusal) from None
        except BusError:
            raise BusAway("the bus cannot take the alert now") from None

    async def _publish(self, alert: Alert, loop: asyncio.AbstractEventLoop, late: float) -> Stored:
        """Only with a connection: what was never handed over cannot arrive behind its sender's back.

        A timer that ends one wait costs a fifth of a block that may be cut short anywhere.
        """
        if self._publisher is None:
            raise BusAway("the bridge is leaving")
        fate: asyncio.Future[Stored] = loop.create_future()

        def on_stored(stored: Stored) -> None:
            if not fate.done():
                fate.set_result(stored)

        def fail(error: Exception) -> None:
            if not fate.done():
                fate.set_exception(error)

        self._publisher.offer(alert, on_stored, fail, traceparent=tracing.current.get())
        timer = loop.call_at(late, lambda: fail(TimeoutError()))
        try:
            return await fate
        finally:
            timer.cancel()

    async def drain(self, within: float) -> int:
        """Give alerts that were handed over *within* seconds to be stored; returns how many were not."""
        return await self._publisher.drain(within) if self._publisher else 0


def outcome_of(fate: Stored | Spooled) -> Outcome:
    """How a request ends whose alert is kept."""
    if fate.duplicate:
        return Outcome.DUPLICATE
    return Outcome.SPOOLED if isinstance(fate, Spooled) else Outcome.STORED


def _packed(alert: Alert) -> Parcel:
    try:
        return Parcel.of(alert, tracing.current.get())
    except ValueError:
        raise BusAway("the bus refused the alert") from None
