"""Whether any other replica is there, so that one that leaves waits for nobody when it is alone."""

import asyncio
from typing import Any

from baleen_bus.connection import Bus
from baleen_bus.errors import BusError

SUBJECT = "command.v1.ingest.here"
ANSWERED_WITHIN = 0.5  # seconds; when nobody is there the bus says so at once


class Presence:
    """Answers the others, and asks them once."""

    def __init__(self, bus: Bus) -> None:
        """Be known on this bus, once :meth:`run` runs."""
        self._bus = bus
        self._subscription: Any = None

    async def run(self) -> None:
        """Answer for ever."""

        async def answer(message: Any) -> None:
            await message.respond(b"{}")

        self._subscription = await self._bus.nc.subscribe(SUBJECT, cb=answer)
        await asyncio.Event().wait()

    async def others(self) -> bool:
        """Stop answering, and tell whether anybody else does."""
        try:
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            await self._bus.request(SUBJECT, within=ANSWERED_WITHIN)
        except BusError:
            return False
        return True
