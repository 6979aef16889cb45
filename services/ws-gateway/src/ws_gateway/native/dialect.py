"""The native protocol, `baleen.v1`: one JSON object with `op` per text frame. Pure.

What a client says is read into a request; what it is told is made here, so that the transcript of a
conversation can be tested without a socket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import orjson

from baleen_contracts.stream_protocol import SUBPROTOCOL
from ws_gateway.bus.heard import why_unheard
from ws_gateway.errors import Refusal
from ws_gateway.event import Event
from ws_gateway.topics import flaw_of, is_wild

HEARTBEAT_SECONDS = 25
"""The longest silence a client need expect; the hub speaks a little more often."""
MAX_TOPICS = 1_000
MAX_PATTERNS = 64
"""Topics of a client that hold a wildcard; each is compared where a subject alone is looked up."""
_MAX_ID_LENGTH = 128


@dataclass(frozen=True)
class Subscribe:
    """Tell me of these topics, beginning with the present if *snapshot*."""

    topics: tuple[str, ...]
    snapshot: bool
    id: str | int | None


@dataclass(frozen=True)
class Unsubscribe:
    """Tell me no more of these topics."""

    topics: tuple[str, ...]
    id: str | int | None


@dataclass(frozen=True)
class Ping:
    """Are you there?"""

    id: str | int | None


@dataclass(frozen=True)
class Wrong:
    """The client said what cannot be obeyed."""

    refusal: Refusal
    message: str
    id: str | int | None = None


Request = Subscribe | Unsubscribe | Ping | Wrong


class _Flawed(Exception):  # noqa: N818 - never leaves this module
    """Ends the reading of a request that cannot be obeyed."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


def read(text: str) -> Request:
    """Return what a client asks for."""
    number: str | int | None = None
    try:
        said = _object(text)
        number = _id(said)
        op = said.get("op")
        if op == "ping":
            return Ping(number)
        if op == "subscribe":
            return Subscribe(_topics(said), _flag(said, "snapshot", default=True), number)
        if op == "unsubscribe":
            return Unsubscribe(_topics(said), number)
    except _Flawed as flawed:
        return Wrong(flawed.refusal, str(flawed), number)
    return Wrong(Refusal.UNKNOWN_OP, "op is one of subscribe, unsubscribe, ping", number)


def _object(text: str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Flawed(Refusal.BAD_JSON, "the frame is no JSON") from None
    if not isinstance(said, dict):
        raise _Flawed(Refusal.BAD_JSON, "the frame is no JSON object")
    return said


def _id(said: dict[str, Any]) -> str | int | None:
    number = said.get("id")
    if isinstance(number, str) and len(number) <= _MAX_ID_LENGTH:
        return number
    if number is None or (isinstance(number, int) and not isinstance(number, bool)):
        return number
    raise _Flawed(
        Refusal.BAD_REQUEST, f"id is a whole number or a text of at most {_MAX_ID_LENGTH} characters"
    )


def _topics(said: dict[str, Any]) -> tuple[str, ...]:
    topics = said.get("topics")
    if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
        raise _Flawed(Refusal.BAD_REQUEST, "topics is a list of at least one text")
    excess = excess_of(topics)
    if excess is not None:
        raise _Flawed(Refusal.TOO_MANY, excess)
    for topic in topics:
        flaw = flaw_of(topic) or why_unheard(topic)
        if flaw is not None:
            raise _Flawed(Refusal.BAD_TOPIC, f"{topic[:80]!r}: {flaw}")
    return tuple(dict.fromkeys(topics))


def excess_of(topics: Collection[str]) -> str | None:
    """Return what is too much about all the topics of a client, or None."""
    if len(topics) > MAX_TOPICS:
        return f"a client has at most {MAX_TOPICS} topics"
    if sum(is_wild(topic) for topic in topics) > MAX_PATTERNS:
        return f"a client has at most {MAX_PATTERNS} topics with a wildcard, beside single subjects"
    return None


def _flag(said: dict[str, Any], name: str, *, default: bool) -> bool:
    value = said.get(name, default)
    if not isinstance(value, bool):
        raise _Flawed(Refusal.BAD_REQUEST, f"{name} is true or false")
    return value


class Native:
    """How clients of the native protocol are spoken to."""

    name: ClassVar[str] = "native"
    seed: ClassVar[bool] = False

    def encode(self, event: Event) -> bytes:
        """Return the frame of a message; its body travels as it came.

        Raises:
            ValueError: the body is no JSON object.
        """
        if not isinstance(event.data, dict):
            raise ValueError("the body is no JSON object")  # noqa: TRY004 - the bus sent a wrong value
        return _event(event, b"}")

    def snapshot_item(self, event: Event) -> bytes:
        """Return the frame of a message that is part of a snapshot."""
        return _event(event, b',"snapshot":true}')

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:
        """Return the answer to what needs no hub: pings and mistakes."""
        request = read(text)
        if isinstance(request, Ping):
            return (self.pong(request.id, now),)
        if isinstance(request, Wrong):
            return (self.wrong(request),)
        return ()

    def error(self, code: str, message: str, now: datetime) -> bytes:  # noqa: ARG002 - native errors carry no time
        """Return the frame that says what is wrong."""
        return _frame("error", code=code, message=message)

    def wrong(self, wrong: Wrong) -> bytes:
        """Return the frame that refuses a request."""
        return _frame("error", wrong.id, code=wrong.refusal.value, message=wrong.message)

    def welcome(self, now: datetime, *, simulated: bool) -> bytes:
        """Return the first frame."""
        return _frame(
            "welcome",
            protocol=SUBPROTOCOL,
            time=_utc(now),
            heartbeat_seconds=HEARTBEAT_SECONDS,
            max_topics=MAX_TOPICS,
            simulated=simulated,
        )

    def subscribed(self, request: Subscribe, positions: Iterable[str]) -> bytes:
        """Return the frame after which the topics of *request* arrive, from *positions* on."""
        return _frame("subscribed", request.id, topics=request.topics, at=list(positions))

    def unsubscribed(self, request: Unsubscribe) -> bytes:
        """Return the frame after which nothing of the topics of *request* arrives."""
        return _frame("unsubscribed", request.id, topics=request.topics)

    def snapshot_end(self, request: Subscribe, count: int) -> bytes:
        """Return the frame that ends a snapshot of *count* items."""
        return _frame("snapshot_end", request.id, count=count)

    def pong(self, number: str | int | None, now: datetime) -> bytes:
        """Return the answer to a ping."""
        return _frame("pong", number, time=_utc(now))

    def heartbeat(self, now: datetime) -> bytes:
        """Return the frame that says we live though nothing happens."""
        return _frame("heartbeat", time=_utc(now))

    def gap(self, topic: str, start: str | None, end: str | None, reason: str) -> bytes:
        """Return the frame that announces messages of *topic* which will not come."""
        return orjson.dumps({"op": "gap", "topic": topic, "from": start, "to": end, "reason": reason})

    def token_expiring(self, in_ms: int) -> bytes:
        """Return the frame that asks for a fresher token before the present one ends."""
        return _frame("token_expiring", in_ms=in_ms)

    def drain(self, reconnect_in_ms: int) -> bytes:
        """Return the frame that asks a client to come back after a while."""
        return _frame("drain", reconnect_in_ms=reconnect_in_ms)


def _event(event: Event, ending: bytes) -> bytes:
    time = event.occurred_at or None
    head = orjson.dumps({"op": "event", "topic": event.subject, "at": event.at, "time": time})
    return b"".join((head[:-1], b',"data":', event.body, ending))


def _frame(op: str, number: str | int | None = None, **fields: Any) -> bytes:
    frame = {"op": op, **fields}
    if number is not None:
        frame["id"] = number
    return orjson.dumps(frame)


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
