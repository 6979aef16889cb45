"""The native protocol, `baleen.v1`: one JSON object with `op` per text frame. Pure.

What a client is told is made here, so that the transcript of a conversation can be tested without a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson

from baleen_contracts.command import CommandReply
from baleen_contracts.stream_protocol import SUBPROTOCOL
from ws_gateway.event import Event
from ws_gateway.native.requests import (
    MAX_TOPICS,
    FrameId,
    Ping,
    Subscribe,
    Unsubscribe,
    Wrong,
    read,
)

HEARTBEAT_SECONDS: Final = 25
"""The longest silence a client need expect; the hub speaks a little more often."""


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

    def welcome(self, now: datetime, *, client: str, auth: bool, simulated: bool) -> bytes:
        """Return the first frame, to the connection named *client*, which must say who it is if *auth*."""
        return _frame(
            "welcome",
            protocol=SUBPROTOCOL,
            time=_utc(now),
            heartbeat_seconds=HEARTBEAT_SECONDS,
            max_topics=MAX_TOPICS,
            simulated=simulated,
            client=client,
            auth=auth,
        )

    def authenticated(self, number: FrameId, expires_in_ms: int | None) -> bytes:
        """Return the answer to a token that was taken."""
        lasts = {} if expires_in_ms is None else {"expires_in_ms": expires_in_ms}
        return _frame("authenticated", number, **lasts)

    def subscribed(
        self, request: Subscribe, positions: Iterable[str], *, recovered: bool | None = None
    ) -> bytes:
        """Return the frame after which the topics of *request* arrive, from *positions* on."""
        answer = {} if recovered is None else {"recovered": recovered}
        return _frame("subscribed", request.id, topics=request.topics, at=list(positions), **answer)

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

    def status(self, state: str, reason: str | None, now: datetime) -> bytes:
        """Return the frame that says whether the bus is heard."""
        return _frame("status", state=state, reason=reason, time=_utc(now))

    def command_ack(self, number: FrameId, reply: CommandReply) -> bytes:
        """Return the answer to a command."""
        return _frame("command_ack", number, **reply.model_dump(mode="json", exclude_none=True))

    def gap(self, topic: str, start: str | None, end: str | None, reason: str) -> bytes:
        """Return the frame that announces messages of *topic* which will not come."""
        return orjson.dumps({"op": "gap", "topic": topic, "from": start, "to": end, "reason": reason})

    def conflated(self, topic: str, count: int) -> bytes:
        """Return the frame that says how many messages of *topic* a slow client was spared."""
        return _frame("conflated", topic=topic, count=count)

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
