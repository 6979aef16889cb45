"""What whoever had a channel or a poll before left on the bus, read when we take it over.

What the other had only in its buffer is gone; how far the bus got tells where the hole begins.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

import orjson
import structlog

from baleen_bus.connection import Bus
from baleen_bus.envelope import header_text
from baleen_bus.errors import ApiRefused, Unreachable
from baleen_bus.reading import fetch_newest, stream_state
from baleen_contracts import by_name
from baleen_contracts.tokens import name_token, symbol_token
from uw_ingest.channels import kind_of, split
from uw_ingest.normalize.row import moment

log: Any = structlog.get_logger("uw_ingest.feeds.predecessor")

BETWEEN_TRIES = 1.0  # seconds; a bus that just started has no leader for its streams yet
TOLD_EVERY = 15  # tries
NEWEST_WITHIN = 10.0  # seconds
CONGRESS_KEPT = 5_000  # disclosures to remember, some months of them

_NO_STREAM = 404

T = TypeVar("T")


class Newest(NamedTuple):
    """The newest message of a channel that the bus has: when it happened, and its id."""

    at: datetime
    message_id: str


async def newest_of(bus: Bus, channels: Iterable[str], began: datetime) -> dict[str, Newest | None]:
    """Return the newest stored message of each channel, ``None`` where nobody can have had the channel.

    That is so where its stream kept nothing at all before this process *began*. Channels are left out of
    which the bus knows nothing else: none of their messages is kept any more or yet, or it does not answer.
    """
    found: dict[str, Newest | None] = {}
    unused: set[str] = set()

    async def read(channel: str) -> None:
        found[channel] = await _patiently(partial(_newest, bus, channel))

    async def ask_of(stream: str) -> None:
        if await _patiently(partial(_used_before, bus, stream, began)) is not True:
            unused.add(stream)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NEWEST_WITHIN):
            async with asyncio.TaskGroup() as tasks:
                for channel in channels:
                    tasks.create_task(read(channel), name=f"newest-{channel}")
            async with asyncio.TaskGroup() as tasks:
                for stream in {_stream_of(channel) for channel, newest in found.items() if newest is None}:
                    tasks.create_task(ask_of(stream), name=f"used-{stream}")
    return {
        channel: newest
        for channel, newest in found.items()
        if newest is not None or _stream_of(channel) in unused
    }


async def known_disclosures(bus: Bus) -> list[str]:
    """Return the ids of the congress trades the bus has, however long it takes until the bus tells them.

    Without them every disclosure of the last months would be published as news.
    """
    entity = by_name("congress_trade")

    async def read() -> list[str]:
        assert entity.stream is not None  # noqa: S101 - the catalogue gives it one
        kept = await fetch_newest(bus, entity.stream, entity.pattern, CONGRESS_KEPT)
        return [header_text(item.headers.get("Nats-Msg-Id", "")) for item in kept]

    return await _patiently(read) or []


def _stream_of(channel: str) -> str:
    return stored_as(channel)[0]


async def _used_before(bus: Bus, stream: str, began: datetime) -> bool:
    """Tell whether a stream has held anything from before a time."""
    state = await stream_state(bus, stream)
    return state.last_seq > 0 and (state.first_seq > 1 or state.first_at < began)


async def _newest(bus: Bus, channel: str) -> Newest | None:
    stream, pattern = stored_as(channel)
    items = await fetch_newest(bus, stream, pattern, 1)
    if not items:
        return None
    at = moment(orjson.loads(items[-1].body).get("occurred_at"))
    return Newest(at, header_text(items[-1].headers.get("Nats-Msg-Id", ""))) if at is not None else None


def stored_as(channel: str) -> tuple[str, str]:
    """Return the stream and the subject pattern under which a channel's messages are kept."""
    kind, (_, ticker) = kind_of(channel), split(channel)
    entity = by_name(kind.feed if kind.typed else "raw")
    assert entity.stream is not None  # noqa: S101 - what upstream says is stored
    if not kind.typed:
        key = "*" if ticker is None else symbol_token(ticker)
        return entity.stream, entity.subject.replace("{channel}", name_token(kind.name)).replace("{key}", key)
    head, _, keys = entity.pattern.partition("*")
    return entity.stream, entity.pattern if ticker is None else head + symbol_token(ticker) + keys


async def _patiently(read: Callable[[], Awaitable[T]]) -> T | None:
    """Read, again after a while for as long as nobody answers; a stream that does not exist holds nothing."""
    tried = 0
    while True:
        try:
            found = await read()
        except (ApiRefused, Unreachable) as error:
            _leave_if_asked()
            if isinstance(error, ApiRefused) and error.code == _NO_STREAM:
                return None
            if tried % TOLD_EVERY == 0:
                log.warning("cannot read what is stored", why=str(error))
            tried += 1
            await asyncio.sleep(BETWEEN_TRIES)
        else:
            _leave_if_asked()
            return found


def _leave_if_asked() -> None:
    """Leave if this task was cancelled while a question was out: an answer in the same moment hides it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
