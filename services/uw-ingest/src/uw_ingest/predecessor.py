"""What the process before this one left on the bus, read once at the start.

What it had only in its buffer is gone; how far the bus got tells where the hole begins.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import orjson
import structlog

from baleen_bus.connection import Bus
from baleen_bus.envelope import header_text
from baleen_bus.errors import ApiRefused, Unreachable
from baleen_bus.reading import fetch_newest
from baleen_contracts import by_name
from baleen_contracts.tokens import name_token
from uw_ingest.channels import ChannelKind
from uw_ingest.normalize.row import moment

log: Any = structlog.get_logger("uw_ingest.predecessor")

TRIES, BETWEEN_TRIES = 15, 1.0  # seconds; a bus that just started has no leader for its streams yet
CONGRESS_KEPT = 5_000  # disclosures to remember, some months of them

_NO_STREAM = 404

T = TypeVar("T")


async def newest_times(bus: Bus, kinds: Iterable[ChannelKind]) -> dict[str, datetime]:
    """Return when the newest stored message of each feed happened; feeds without one are left out."""
    found: dict[str, datetime] = {}
    for kind in kinds:
        at = await _patiently(lambda kind=kind: _newest_time(bus, kind))  # type: ignore[misc]
        if at is not None:
            found[kind.feed] = at
    return found


async def known_disclosures(bus: Bus) -> list[str]:
    """Return the ids of the congress trades the bus has, however long it takes until the bus tells them.

    Without them every disclosure of the last months would be published as news.
    """
    entity = by_name("congress_trade")

    async def read() -> list[str]:
        assert entity.stream is not None  # noqa: S101 - the catalogue gives it one
        kept = await fetch_newest(bus, entity.stream, entity.pattern, CONGRESS_KEPT)
        return [header_text(item.headers.get("Nats-Msg-Id", "")) for item in kept]

    return await _patiently(read, tries=None) or []


async def _newest_time(bus: Bus, kind: ChannelKind) -> datetime | None:
    entity = by_name(kind.feed if kind.typed else "raw")
    pattern = entity.pattern
    if not kind.typed:
        pattern = entity.subject.replace("{channel}", name_token(kind.name)).replace("{key}", "*")
    assert entity.stream is not None  # noqa: S101 - what upstream says is stored
    newest = await fetch_newest(bus, entity.stream, pattern, 1)
    return moment(orjson.loads(newest[-1].body).get("occurred_at")) if newest else None


async def _patiently(read: Callable[[], Awaitable[T]], tries: int | None = TRIES) -> T | None:
    """Read, again after a while if nobody answers; a stream that does not exist holds nothing."""
    for tried in count():
        if tried == tries:
            break
        try:
            found = await read()
        except (ApiRefused, Unreachable) as error:
            _leave_if_asked()
            if isinstance(error, ApiRefused) and error.code == _NO_STREAM:
                return None
            if tried % TRIES == 0:
                log.warning("cannot read what is stored", why=str(error))
            await asyncio.sleep(BETWEEN_TRIES)
        else:
            _leave_if_asked()
            return found
    return None


def _leave_if_asked() -> None:
    """Leave if this task was cancelled while a question was out: an answer in the same moment hides it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
