"""Looks which alerts of the spool the bus has already: a former process may have died before it heard."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from alert_bridge.errors import SpoolFailed
from alert_bridge.store.spool import Spool
from baleen_bus import ApiRefused, Bus, BusError, BusStopped, Delivered
from baleen_bus.envelope import header_text
from baleen_bus.reading import BATCH, NOT_FOUND, direct_get
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name

CLOCKS_APART: Final = 60.0
"""Seconds by which the server's clock and ours may differ."""
AGAIN_AFTER: Final = 0.5

log = structlog.get_logger(__name__)


async def look_back(bus: Bus, spool: Spool, *, margin: float) -> list[int]:
    """The numbers of the alerts that a former process left in *spool* and that the stream has.

    Reads all that the stream stored since the oldest of them was taken, and *margin* seconds before, for as
    long as it takes. A stream that this user may not read is trusted to know what it stored: it does for the
    hour of its duplicate window.
    """
    stream = by_name(Alert.entity).stream or ""
    since = (spool.extent.oldest_at or 0.0) - margin - CLOCKS_APART
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=max(0.0, since))
    place: dict[str, Any] = {"start_time": start.isoformat()}
    found: list[int] = []
    while True:
        items: list[Delivered] = []
        try:
            end = await direct_get(bus, stream, {**place, "next_by_subj": ">", "batch": BATCH}, items.append)
            ids = [header_text(item.headers.get("Nats-Msg-Id", "")) for item in items]
            found += await spool.numbers_of(ids, upto=spool.last_number)
        except (ApiRefused, BusStopped) as error:
            log.warning("cannot tell what the stream has of the spool", problem=str(error))
            return found
        except (BusError, SpoolFailed):
            await asyncio.sleep(AGAIN_AFTER)
            continue
        if end.status == NOT_FOUND or not end.pending:
            return found
        place = {"seq": items[-1].seq + 1}
