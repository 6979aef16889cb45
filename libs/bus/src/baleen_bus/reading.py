"""Reads what a stream keeps: by position, by subject, the newest.

Stream names are always passed: a look-up by public subject fails, as a stream is bound to ``ingress.`` ones.
"""

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import nats.errors
import orjson
from nats.aio.msg import Msg

from baleen_bus.connection import Bus
from baleen_bus.envelope import Headers, origin_of
from baleen_bus.errors import ApiRefused, BusError, Unreachable
from baleen_bus.sequence import Thins

BATCH: Final = 1_000
MULTI_LAST_LIMIT: Final = 1_024
"""Above so many subjects the server answers 413 instead of their last values."""
WITHIN: Final = 5.0
NOT_FOUND: Final = "404"
TOO_MANY: Final = "413"
NO_RESPONDERS: Final = "503"
_HEADER_LINE: Final = len(b"NATS/1.0 ")


class Delivered(NamedTuple):
    """One message as a stream keeps it, under its public subject."""

    subject: str
    stream: str
    seq: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream's identity and extent."""

    epoch: str
    first_seq: int
    last_seq: int
    first_at: datetime
    """When the first message that it keeps was stored; long ago if it keeps none."""
    patterns: tuple[str, ...]
    """The public patterns it stores."""
    thins: Thins
    """Which messages it drops before their neighbours."""


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How a batch of direct gets ended. ``pending`` messages would have come next."""

    status: str
    pending: int


async def stream_state(bus: Bus, stream: str) -> StreamState:
    """Where a stream begins and ends now.

    Raises:
        ApiRefused: there is no such stream.
        Unreachable: no answer in time.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}", within=WITHIN)
    config, state = info["config"], info["state"]
    return StreamState(
        epoch=hashlib.blake2b(info["created"].encode(), digest_size=4).hexdigest(),
        first_seq=state["first_seq"],
        last_seq=state["last_seq"],
        first_at=datetime.fromisoformat(state["first_ts"]),
        patterns=tuple(subject.removeprefix("ingress.") for subject in config.get("subjects", ())),
        thins=_thins(config),
    )


def _thins(config: Mapping[str, Any]) -> Thins:
    if config.get("max_msgs_per_subject", -1) > 0:
        return Thins.EVERYWHERE
    singly = config.get("allow_msg_ttl", False) or config.get("allow_rollup_hdrs", False)
    return Thins.SINGLY if singly else Thins.NEVER


async def stream_epoch(bus: Bus, stream: str) -> str:
    """A short word that changes when the stream is made anew, and with it the meaning of its numbers."""
    return (await stream_state(bus, stream)).epoch


async def direct_get(
    bus: Bus, stream: str, request: Mapping[str, Any], on_item: Callable[[Delivered], None]
) -> BatchEnd:
    """One batched direct get; every message goes to ``on_item`` at once.

    Raises:
        Unreachable: nobody answers, or the connection was lost meanwhile.
        ApiRefused: the server does not take the request.
    """
    subject = f"$JS.API.DIRECT.GET.{stream}"
    ended: asyncio.Future[BatchEnd] = asyncio.get_running_loop().create_future()

    def on_message(_subject: bytes, body: bytes, headers: bytes | None) -> None:
        if headers is not None and headers.startswith(b"NATS/1.0 "):
            if not ended.done():
                ended.set_result(_end_of(headers))
            return
        item = delivered(body, headers)
        if item is not None:
            on_item(item)

    def fail(error: BusError) -> None:
        if not ended.done():
            ended.set_exception(error)

    if not bus.connected:
        raise Unreachable(f"{subject}: not connected")
    inbox = bus.nc.new_inbox()
    try:
        subscription = await bus.nc.listen(inbox, on_message)
        try:
            with bus.watching(subject, fail):
                await bus.nc.publish(subject, orjson.dumps(request), reply=inbox)
                async with asyncio.timeout(WITHIN):  # wait_for may lose a cancellation before Python 3.12
                    end = await ended
        finally:
            await bus.nc.unlisten(subscription)
    except TimeoutError as error:
        raise Unreachable(f"{subject}: no answer within {WITHIN} s") from error
    except (nats.errors.Error, OSError) as error:
        raise Unreachable(f"{subject}: {type(error).__name__}") from error
    return _checked(end, subject)


def delivered(body: bytes, headers: bytes | None) -> Delivered | None:
    """What a direct get brought; None if the stream's own headers are missing."""
    origin = None if headers is None else origin_of(headers)
    if origin is None or headers is None:
        return None
    stream, subject, seq, _ = origin
    return Delivered(subject.decode(), stream.decode(), seq, Headers(headers), body)


async def fetch_last(bus: Bus, stream: str, pattern: str | Sequence[str]) -> list[Delivered]:
    """The last message of every subject that the pattern (or one of several) matches, in stream order.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now, or not by this user.
    """
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    found: list[Delivered] = []
    request = {"multi_last": patterns, "batch": MULTI_LAST_LIMIT}
    end = await direct_get(bus, stream, request, found.append)
    if end.status == NOT_FOUND:
        return []
    if end.status == TOO_MANY or end.pending:
        return await _last_by_consumer(bus, stream, patterns)
    return found


async def fetch_newest(bus: Bus, stream: str, pattern: str, count: int) -> list[Delivered]:
    """The newest ``count`` messages of the subjects that the pattern matches, oldest first.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now, or not by this user.
    """
    if count <= 0:
        return []
    state = await stream_state(bus, stream)
    start, width = state.last_seq + 1, count
    while start > max(1, state.first_seq):
        start = max(1, state.first_seq, state.last_seq + 1 - width)
        if await _matches_from(bus, stream, pattern, start) >= count:
            break
        width *= 4
    newest: deque[Delivered] = deque(maxlen=count)
    await fetch_after(bus, stream, pattern, start - 1, newest.append)
    return list(newest)


async def fetch_after(
    bus: Bus, stream: str, pattern: str, seq: int, on_item: Callable[[Delivered], None]
) -> None:
    """Everything kept after ``seq`` that the pattern matches, oldest first, until the stream's end.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now, or not by this user.
    """
    last = seq

    def on_next(item: Delivered) -> None:
        nonlocal last
        last = item.seq
        on_item(item)

    while True:
        request = {"seq": last + 1, "next_by_subj": pattern, "batch": BATCH}
        end = await direct_get(bus, stream, request, on_next)
        if end.status == NOT_FOUND or not end.pending:
            return


async def fetch_chunk(
    bus: Bus, stream: str, patterns: Sequence[str], after: int, count: int
) -> tuple[list[Delivered], bool]:
    """At most ``count`` messages after number ``after`` that any of the patterns matches, oldest first.

    The server takes no two patterns that a subject may match both.

    Returns:
        them, and whether the stream has more.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now, or not by this user.
    """
    start = {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
    return await _by_consumer(bus, stream, patterns, start, count)


async def _matches_from(bus: Bus, stream: str, pattern: str, seq: int) -> int:
    found: list[Delivered] = []
    request = {"seq": seq, "next_by_subj": pattern, "batch": 1}
    end = await direct_get(bus, stream, request, found.append)
    return len(found) + end.pending


async def _last_by_consumer(bus: Bus, stream: str, patterns: Sequence[str]) -> list[Delivered]:
    """For more subjects than a direct get answers."""
    return (await _by_consumer(bus, stream, patterns, {"deliver_policy": "last_per_subject"}, None))[0]


async def _by_consumer(
    bus: Bus, stream: str, patterns: Sequence[str], start: Mapping[str, Any], count: int | None
) -> tuple[list[Delivered], bool]:
    """Reads through a consumer that lives for this one reading; also tells whether more follows."""
    name = bus.nc.new_inbox().rsplit(".", 1)[1]
    config = {
        "name": name,
        **start,
        "ack_policy": "none",
        "filter_subjects": list(patterns),
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 10_000_000_000,
    }
    info = await bus.request_json(
        f"$JS.API.CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config}, within=WITHIN
    )
    pending = info["num_pending"]
    batch = pending + BATCH if count is None else min(count, pending)  # all, and what comes meanwhile
    try:
        return await _pull(bus, stream, name, batch) if batch else [], pending > batch
    finally:
        with contextlib.suppress(BusError):  # it goes by itself after ten quiet seconds
            await bus.request_json(f"$JS.API.CONSUMER.DELETE.{stream}.{name}", within=1.0)


async def _pull(bus: Bus, stream: str, consumer: str, batch: int) -> list[Delivered]:
    found: list[Delivered] = []
    status: str | None = None
    ended = asyncio.Event()

    async def on_message(message: Msg) -> None:
        nonlocal status
        if not message.reply:  # a status, such as 404 No Messages
            status = (message.headers or {}).get("Status")
            ended.set()
            return
        seq = message.metadata.sequence.stream
        found.append(Delivered(message.subject, stream, seq, message.headers or {}, message.data))
        if message.metadata.num_pending == 0 or len(found) >= batch:
            ended.set()

    inbox = bus.nc.new_inbox()
    try:
        subscription = await bus.nc.subscribe(inbox, cb=on_message, pending_msgs_limit=0)
        try:
            request = orjson.dumps({"batch": batch, "no_wait": True})
            await bus.nc.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", request, reply=inbox)
            async with asyncio.timeout(WITHIN + batch / 20_000):
                await ended.wait()
        finally:
            await subscription.unsubscribe()
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise Unreachable(f"reading {stream}: {type(error).__name__}") from error
    if status not in (None, NOT_FOUND):  # the consumer went: that it says no more means nothing
        raise Unreachable(f"reading {stream}: status {status}")
    return found


def _checked(end: BatchEnd, subject: str) -> BatchEnd:
    if end.status == NO_RESPONDERS:
        raise Unreachable(f"{subject}: nobody answers; is there such a stream?")
    if end.status not in ("204", NOT_FOUND, TOO_MANY):
        raise ApiRefused(subject, int(end.status) if end.status.isdigit() else 0, 0, "direct get refused")
    return end


def _end_of(headers: bytes) -> BatchEnd:
    status = headers[_HEADER_LINE : _HEADER_LINE + 3].decode("ascii", "replace")
    return BatchEnd(status, int(Headers(headers).get("Nats-Num-Pending", "0")))
