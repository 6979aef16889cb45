"""Keeps what nobody serves from being forgotten, and forgets what an operator says."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.reading import drop, standing
from alert_bridge.deliver.standing import Kept, kept_as, kept_in
from alert_bridge.errors import StillServed
from baleen_bus import ApiRefused, Bucket, Bus, Conflict, Unreachable
from baleen_bus.buckets import DELIVERY
from baleen_runtime.clock import Clock

EVERY: Final = 60.0
"""Seconds between two looks; the bucket lets go of what was written longest ago."""
UNSERVED_AFTER: Final = 150.0
"""Seconds after which an account that its server writes at least each minute is nobody's."""
_SERVED: Final = 5.0

log = structlog.get_logger(__name__)


async def refresh(bus: Bus, clock: Clock, *, every: float = EVERY, after: float = UNSERVED_AFTER) -> None:
    """Writes the account of each destination that nobody serves once more, for ever.

    One that the rules no longer name keeps what waits for it, and its account, until it is forgotten.
    """
    while True:
        with contextlib.suppress(Unreachable, ApiRefused):
            await _refresh(bus, clock, after)
        await asyncio.sleep(every)


async def _refresh(bus: Bus, clock: Clock, after: float) -> None:
    bucket = Bucket(bus, DELIVERY)
    entries, _ = await bucket.read_newest(1_000, key=names.ACCOUNTS)
    now = clock.now()
    for entry in entries:
        kept = kept_in(entry.value)
        if kept is None or entry.deleted or _age(kept, now) < after:
            continue
        at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with contextlib.suppress(Conflict):  # somebody serves it after all
            await bucket.update(entry.key, kept_as(replace(kept, at=at, served_by="")), last=entry.revision)


async def forget(bus: Bus, clock: Clock, destination: str) -> int | None:
    """Gives up what waits for a destination, and its account; returns how many alerts, None if none is known.

    What became of its alerts stays written down until its time is over.

    Raises:
        StillServed: it is in the rules of a running bridge.
        Unreachable, ApiRefused: the bus cannot be asked now.
    """
    bucket = Bucket(bus, DELIVERY)
    entry = await bucket.read(names.account_of(destination))
    kept = None if entry is None or entry.deleted else kept_in(entry.value)
    if kept is not None and kept.served_by and _age(kept, clock.now()) < EVERY + _SERVED:
        raise StillServed(f"{destination} is served by {kept.served_by}: take it out of the rules first")
    consumer = await standing(bus, names.ALERTS, names.consumer_of(destination))
    await drop(bus, names.ALERTS, names.consumer_of(destination))
    await drop(bus, names.LETTERS, names.replay_consumer_of(destination))
    for key in (names.account_of(destination), names.resume_of(destination)):
        await bucket.delete(key)
    return None if consumer is None else consumer.pending + consumer.ack_pending


def _age(kept: Kept, now: datetime) -> float:
    try:
        return (now - datetime.fromisoformat(kept.at)).total_seconds()
    except (ValueError, TypeError):
        return float("inf")
