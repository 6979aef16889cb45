"""What is said in Server-Sent Events: blocks of lines, each ended by an empty one. Pure.

A message is an event without a name, which is what `onmessage` of a browser hears; everything else has one.
The `id` of an event says where its reader stands in every stream it is told of: the browser keeps the last
one and shows it when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson

from ws_gateway.event import Event

HEARTBEAT_SECONDS: Final = 25
"""The longest silence a client need expect; the hub speaks a little more often."""
SEPARATOR: Final = ","
"""Stands between the positions of an id."""
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")
_COMMENT: Final = b":\n\n"


class Events:
    """How clients are spoken to that are told of the same streams."""

    seed: ClassVar[bool] = False

    def __init__(self, name: str, now: Callable[[], Iterable[str]]) -> None:
        """Make the dialect called *name*; *now* returns the newest position of each of its streams."""
        self.name = name
        self._now = now

    def encode(self, event: Event) -> bytes:
        """Return the event of a message that is said as it comes, to everybody.

        Its id says where the gateway stands now: every message of its streams up to there was said before.

        Raises:
            ValueError: the body is no JSON object.
        """
        if not isinstance(event.data, dict):
            raise ValueError("the body is no JSON object")  # noqa: TRY004 - the bus sent a wrong value
        time = event.occurred_at or None
        head = orjson.dumps({"topic": event.subject, "at": event.at, "time": time})
        body = event.body
        if b"\n" in body or b"\r" in body:  # between tokens alone, or it would be no JSON
            body = body.translate(_LINE_ENDS)
        return b"".join((self._id(), b"data: ", head[:-1], b',"data":', body, b"}\n\n"))

    def wrap(self, text: bytes) -> bytes:
        """Return *text*, which is whole already."""
        return text

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:  # noqa: ARG002 - these clients cannot speak
        """Return nothing."""
        return ()

    def error(self, code: str, message: str, now: datetime) -> bytes:  # noqa: ARG002 - carries no time
        """Return the event that says why nothing more follows."""
        return named("error", code=code, message=message)

    def welcome(self, now: datetime, *, client: str, retry_ms: int, simulated: bool) -> bytes:
        """Return the first event, to the connection named *client*, and when to come back if it is lost."""
        said = {"client": client, "simulated": simulated, "heartbeat_seconds": HEARTBEAT_SECONDS}
        return retry(retry_ms) + named("welcome", **said, time=_utc(now))

    def snapshot_end(self, count: int, recovered: bool | None) -> bytes:
        """Return the event that ends what is told of the present and the past."""
        answer = {} if recovered is None else {"recovered": recovered}
        return self._id() + named("snapshot_end", count=count, **answer)

    def heartbeat(self, now: datetime, *, all_said: bool) -> bytes:
        """Return the sign that we live; to who has been told everything so far, with where it stands."""
        return progress(self._now(), now) if all_said else _COMMENT

    def status(self, state: str, reason: str | None, now: datetime) -> bytes:
        """Return the event that says whether the bus is heard."""
        return named("status", state=state, reason=reason, time=_utc(now))

    def conflated(self, topic: str, count: int) -> bytes:
        """Return the event that says how many messages of *topic* a slow client was spared."""
        return named("conflated", topic=topic, count=count)

    def token_expiring(self, in_ms: int) -> bytes:
        """Return the event that warns of the end of the token, and so of the connection."""
        return named("token_expiring", in_ms=in_ms)

    def drain(self, reconnect_in_ms: int) -> bytes:
        """Return the event that asks a client to come back after a while."""
        return named("drain", reconnect_in_ms=reconnect_in_ms)

    def _id(self) -> bytes:
        return id_line(self._now())


def id_line(positions: Iterable[str]) -> bytes:
    """Return the line that says where a client stands; none without positions: it would forget its own."""
    text = SEPARATOR.join(positions)
    return f"id: {text}\n".encode() if text else b""


def retry(wait_ms: int) -> bytes:
    """Return the line that says after how long a lost connection is made anew."""
    return b"retry: %d\n" % wait_ms


def data_of(block: bytes) -> bytes:
    """Return what a message's event says beside its id."""
    return block[block.index(b"data: ") :]


def item(block: bytes) -> bytes:
    """Return a message's event as part of a snapshot: it has no id, for it moves nothing."""
    return b"event: snapshot\n" + data_of(block)


def progress(positions: Iterable[str], now: datetime) -> bytes:
    """Return the event that says that all up to *positions* was told, and nothing else."""
    return id_line(positions) + named("heartbeat", time=_utc(now))


def gap_event(topic: str, start: str | None, end: str, reason: str) -> bytes:
    """Return the event that announces messages of *topic* which will not come."""
    return named("gap", **{"topic": topic, "from": start, "to": end, "reason": reason})


def named(name: str, **fields: Any) -> bytes:
    """Return an event that is no message."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(fields))


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
