"""Asks the bus again until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from baleen_bus import BusError, BusStopped

AGAIN_AFTER: Final = 0.5

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def insist(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """What *ask* answers, however long the bus is away; says once that it is.

    Raises:
        BusStopped: the bus will not let us.
    """
    told = ""
    while True:
        try:
            return await ask()
        except BusStopped:
            raise
        except BusError as error:
            if str(error) != told:
                told = str(error)
                log.warning("the watches wait for the bus", what=what, problem=told)
            await asyncio.sleep(AGAIN_AFTER)
