"""Brings a plan to life in its order, and to its end whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from baleen.children import Children
from baleen.errors import CannotRun, NotReady
from baleen.plan import Child, Plan
from baleen_bus.bootstrap import bootstrap
from baleen_bus.errors import BusError

SERVER_WITHIN = 20.0
READY_WITHIN = 60.0
OPTIONAL_WITHIN = 15.0


class Audience(Protocol):
    """Who is told what happens."""

    def line(self, name: str, text: str) -> None:
        """Take one line of a process."""

    def progress(self, text: str) -> None:
        """Take one step of ours."""


@contextlib.asynccontextmanager
async def running(plan: Plan, audience: Audience) -> AsyncIterator[Children]:
    """Start everything in *plan* and wait until it is ready; end it all on leaving.

    Raises:
        ChildEnded: a process ended by itself before everything was ready.
        CannotRun: a program is missing, the streams could not be made, or something was not ready in time.
    """
    children = Children(audience.line)
    try:
        await _start_all(plan, children, audience)
        yield children
    finally:
        for name in await children.stop():
            audience.progress(f"{name} did not leave in time and was killed")


async def _start_all(plan: Plan, children: Children, audience: Audience) -> None:
    audience.progress("starting nats-server")
    await children.start(plan.server)
    await _until_ready(plan.server, children, audience, within=SERVER_WITHIN)
    try:
        outcomes = await bootstrap(url=plan.nats_url, user="bootstrap", password=plan.passwords["bootstrap"])
    except BusError as error:
        raise CannotRun(f"The streams could not be made: {error}") from error
    changed = [f"{outcome.stream} {outcome.change}" for outcome in outcomes if outcome.change != "unchanged"]
    audience.progress(f"streams: {', '.join(changed) or f'{len(outcomes)} as they should be'}")

    audience.progress(f"starting {', '.join(child.name for child in plan.services)}")
    for child in plan.services:
        await children.start(child)
    async with asyncio.TaskGroup() as group:
        for child in plan.services:
            group.create_task(_until_ready(child, children, audience), name=f"ready {child.name}")


async def _until_ready(
    child: Child, children: Children, audience: Audience, within: float = READY_WITHIN
) -> None:
    def waiting(name: str, lacks: str) -> None:
        audience.progress(f"waiting for {name}: {lacks}")

    try:
        within = within if child.required else OPTIONAL_WITHIN
        await children.until_ready(child, within=within, on_wait=waiting)
    except NotReady as problem:
        if child.required:
            raise
        audience.progress(f"going on all the same: {problem}")
