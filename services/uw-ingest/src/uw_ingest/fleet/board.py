"""The plan as it stands on the bus, in the bucket ``budget``: all replicas read it, the planner replaces it.

By exact revision, so that a planner which was frozen and wakes up late replaces nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from baleen_bus.errors import BusError
from baleen_bus.kv import Bucket, Entry
from uw_ingest.plan.planner import Plan, plan_from_json, plan_to_json

log: Any = structlog.get_logger("uw_ingest.fleet.board")

KEY = "plan"
READ_EVERY = 5.0  # seconds; changes are heard at once, unless the bus was away


class Board:
    """The plan as the bus has it."""

    def __init__(self, bucket: Bucket, on_plan: Callable[[Plan], None]) -> None:
        """Read from this bucket; ``on_plan`` is called with every new plan."""
        self.bucket, self._on_plan = bucket, on_plan
        self.plan: Plan | None = None
        self.revision = 0
        self.stands = False  # whether the plan that we know is what the bus has
        self.malformed = 0
        self._behind = False

    async def run(self) -> None:
        """Hear of new plans, for ever."""
        await self.bucket.on_change(self._take, key=KEY)
        while True:
            with contextlib.suppress(BusError):
                await self.read()
            await asyncio.sleep(READ_EVERY)

    async def read(self) -> None:
        """Read the plan now.

        What is read counts, even if it is older than what was heard before: the bucket may have been made
        anew. One older reading alone may come from a server that is behind, the second is believed. Where
        nothing stands, the plan that is known stays in force.
        """
        known = self.revision
        entry = await self.bucket.read(KEY)
        if self.revision != known:
            return  # something newer was heard meanwhile
        if entry is None:
            self.revision, self.stands = 0, False
            return
        behind = entry.revision < known
        if behind and self._behind:
            self.revision = 0
        self._behind = behind and not self._behind
        self._take(entry)

    async def write(self, fresh: Plan) -> None:
        """Replace the plan that was read last.

        Raises:
            Conflict: another one stands there.
        """
        body = plan_to_json(fresh)
        revision = await self.bucket.update(KEY, body, last=self.revision)
        self._take(Entry(KEY, body, revision, deleted=False))

    def _take(self, entry: Entry) -> None:
        if entry.revision <= self.revision:
            return
        self.revision, self.stands = entry.revision, False
        try:
            fresh = plan_from_json(entry.value) if not entry.deleted else None
        except ValueError as error:
            self.malformed += 1
            log.warning("the plan on the bus is no plan; it will be replaced", why=str(error)[:200])
            return
        self.stands = fresh is not None
        if fresh is not None and fresh != self.plan:
            self.plan = fresh
            self._on_plan(fresh)
