"""Tells uw-ingest, in the bucket `demand`, what the clients of this worker want from upstream.

However many clients come at once, what is wished for is written a few times a second at most, each topic
once, and `Wanted` bounds how many there are. A worker that dies renews nothing, and its wishes end with their
time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

from baleen_bus import Bus, Wishing
from ws_gateway.fleet.wanted import Wanted

PACE: Final = 0.25
"""Seconds between two changes of what is wished for."""
LASTING: Final = 60.0
"""Seconds for which a wish counts after its worker died."""


class Demand:
    """The wishes of this worker."""

    def __init__(self, wisher: str) -> None:
        """Count from now on, in the running event loop; tell once `run` runs."""
        self.wanted = Wanted()
        self._wisher = wisher
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def change(self, added: Collection[str], removed: Collection[str]) -> None:
        """Note that the lanes want other topics."""
        if self.wanted.change(added, removed, self._loop.time()):
            self._changed.set()

    async def run(self, bus: Bus) -> None:
        """Keep the bus up to date until cancelled, then take every wish back."""
        wishing = Wishing(bus, kind="gateway", wisher=self._wisher, lasting=LASTING)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(wishing.run(), name="wishing")
                tasks.create_task(self._settle(wishing), name="demand-settling")
        finally:
            await wishing.leave()

    async def _settle(self, wishing: Wishing) -> None:
        wished: frozenset[str] = frozenset()
        while True:
            self._changed.clear()
            settled = self.wanted.settle(self._loop.time())
            if settled != wished:
                wishing.want(*settled)
                wished = settled
            await asyncio.sleep(PACE)
            due = self.wanted.due
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
