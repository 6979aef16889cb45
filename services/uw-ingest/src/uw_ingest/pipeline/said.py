"""Whether the bus has everything that one socket brought up to a moment.

First all of it must have been read; then nothing may wait that was offered before that was seen.
"""

import asyncio
from dataclasses import dataclass

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_runtime.clock import Clock
from uw_ingest.pipeline.intake import Intake
from uw_ingest.pipeline.outlet import Outlet

HURRY = 0.02  # seconds between two looks when somebody waits


@dataclass(slots=True)
class UpTo:
    """A moment, and when all frames up to it were first seen to be read; in monotonic seconds."""

    at: float
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Looks at everything that stands between a socket and the bus."""

    intake: Intake
    outlet: Outlet
    publisher: Publisher
    bus: Bus
    clock: Clock

    def has(self, moment: UpTo) -> bool:
        """Tell whether the bus has everything up to this moment; to be asked again until it has."""
        now = self.clock.monotonic()
        if moment.read_at is None:
            if self.intake.oldest_age() <= now - moment.at:
                moment.read_at = now
            return False
        waits = self.publisher.oldest_age(asyncio.get_running_loop().time())
        return not self.outlet.backlog and waits < now - moment.read_at

    async def has_all(self, stuck_after: float) -> bool:
        """Wait, once no more frames come, until the bus has all; give up when nothing moves for so long."""
        time, moment = asyncio.get_running_loop().time, UpTo(self.clock.monotonic())
        least, oldest, moved_at = self.intake.backlog, 0.0, time()
        while self.intake.backlog or not self.has(moment):
            left, first = self.intake.backlog, time() - self.publisher.oldest_age(time())
            if left < least or first > oldest + HURRY:
                least, oldest, moved_at = left, first, time()
            elif time() - moved_at > stuck_after or not self.bus.connected:
                return False
            await asyncio.sleep(HURRY)
            if left:
                moment = UpTo(self.clock.monotonic())
        return True
