"""This worker among all workers of the gateway: its name, what it tells, whom it asks.

Everything here lives over the bus. Without one, a worker speaks for itself alone.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from baleen_bus import Bus
from baleen_bus.connection import end_task
from ws_gateway.doors.limits import Kind, Limits
from ws_gateway.fleet.counts import Counts, Totals, heaviest, holder
from ws_gateway.fleet.demand import Demand
from ws_gateway.fleet.presence import Presence
from ws_gateway.fleet.questions import Questions, ask_all
from ws_gateway.hub.hub import Hub

_LEAVES_WITHIN: Final = 3.0
"""Seconds for taking back what was told."""
_LONGEST_HOST: Final = 60


class Fleet:
    """All workers, as this one knows them."""

    def __init__(self, hub: Hub, limits: Limits | None = None) -> None:
        """Be a worker with a new name, in the running event loop; known to nobody until `on_bus`."""
        self.worker = secrets.token_hex(4)
        self.host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:_LONGEST_HOST] or "somewhere"
        self._hub = hub
        self._limits = limits
        self._since = time.time()
        self._bus: Bus | None = None
        self.presence = Presence(self.worker, self.counts)
        self.demand = Demand(f"{self.host}-{self.worker}")
        self._questions = Questions(self.worker, self.host, hub)
        hub.lanes.on_topics = self.demand.change
        if limits is not None:
            limits.elsewhere = self.elsewhere

    def counts(self) -> Counts:
        """Return what this worker counts now."""
        hub = self._hub
        held = self._limits.counts() if self._limits is not None else {}
        named = {f"{kind}:{name}": count for kind, names in held.items() for name, count in names.items()}
        return Counts(
            worker=self.worker,
            host=self.host,
            since=self._since,
            by_label=dict(hub.by_label),
            held={holder(name): count for name, count in heaviest(named).items()},
            connects=hub.connects,
            disconnects=hub.disconnects,
            messages=hub.sweep.delivered,
        )

    def totals(self) -> Totals:
        """Return what all workers count: this one exactly, the others as they told."""
        return self.presence.totals()

    def elsewhere(self, kind: Kind, name: str) -> int:
        """Return how many connections an address or a subject has with the other workers."""
        return self.presence.elsewhere(holder(f"{kind}:{name}"))

    async def find(self, client: str) -> dict[str, Any] | None:
        """Return what is known of a client, whichever worker has it; None where none says so."""
        own = self._questions.client(client)
        if own is not None:
            return own
        told = await self._ask("describe_client", client_id=client)
        return next((said for said in told.values() if said is not None), None)

    async def clients(self, label: str | None, limit: int) -> tuple[list[dict[str, Any]], list[str]]:
        """Return a row for each client, at most *limit* of a worker, and the workers that did not answer."""
        own = self._questions.clients(label, None, limit)
        others, silent = await self.clients_elsewhere(label=label, limit=limit)
        return own + others, silent

    async def clients_elsewhere(
        self, *, label: str | None = None, dialect: str | None = None, limit: int
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the same of the other workers alone; by label, or by dialect."""
        told = await self._ask("list_clients", label=label, dialect=dialect, limit=limit)
        rows = [row for said in told.values() if said is not None for row in said]
        return rows, [worker for worker, said in told.items() if said is None]

    async def _ask(self, action: str, **more: Any) -> dict[str, Any]:
        if self._bus is None:
            return {}
        workers = [counts.worker for counts in self.presence.others()]
        return await ask_all(self._bus, workers, action, **more)

    @asynccontextmanager
    async def on_bus(self, bus: Bus) -> AsyncIterator[None]:
        """Be known to the others, and know them, for as long as the block lasts."""
        running = asyncio.create_task(self._run(bus), name="fleet")
        bus.supervise(running)
        self._bus = bus
        try:
            yield
        finally:
            self._bus = None
            running.cancel()
            await asyncio.wait((running,), timeout=_LEAVES_WITHIN)
            await end_task(running)

    async def _run(self, bus: Bus) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.presence.run(bus), name="presence")
            tasks.create_task(self.demand.run(bus), name="demand")
            tasks.create_task(self._questions.run(bus), name="questions")
