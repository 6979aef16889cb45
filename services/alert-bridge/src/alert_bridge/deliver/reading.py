"""Draws alerts through a durable consumer, and acknowledges them by number."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import nats.errors
import orjson
import structlog
from nats.aio.msg import Msg

from alert_bridge.deliver.pen import Pen
from baleen_bus import ApiRefused, Bus
from baleen_bus.connection import end_task
from baleen_runtime.traceparent import TRACEPARENT, heard

MAX_ACK_PENDING: Final = 1_000
ACK_WAIT: Final = 60.0
"""Seconds after which the bus sends again what is neither acknowledged nor said to be in work."""
EXPIRES: Final = 5.0
"""Seconds one question for alerts stands."""
_GRACE: Final = 1.0
_AGAIN_AFTER: Final = 0.2
_MOST_AT_ONCE: Final = 256
_REMEMBERED: Final = 4_096
"""Acknowledgements that are said again after a cut; older ones have long arrived."""
_MOST_BYTES: Final = 4 << 20

CONSUMER_EXISTS: Final = 10148
CONSUMER_MISSING: Final = 10014
_NS: Final = 1_000_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One message of the stream, not yet read."""

    seq: int
    stored_at: datetime
    body: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A consumer as the server sees it: ``start`` is the first number it was made for."""

    start: int
    delivered: int
    ack_floor: int
    ack_pending: int
    pending: int


async def standing(bus: Bus, stream: str, consumer: str) -> Standing | None:
    """How a consumer stands; None if there is none.

    Raises:
        Unreachable, ApiRefused: that cannot be known now.
    """
    try:
        return _standing(await bus.request_json(f"$JS.API.CONSUMER.INFO.{stream}.{consumer}"))
    except ApiRefused as error:
        if error.err_code == CONSUMER_MISSING:
            return None
        raise


async def make(bus: Bus, stream: str, consumer: str, pattern: str, start: int) -> Standing:
    """Makes a consumer that begins with number *start*; one that is there already stays as it is.

    Where it begins is kept by the server, so that what it was meant to be told can be reckoned at any time.

    Raises:
        Unreachable, ApiRefused: it cannot be made now.
    """
    config = {
        "durable_name": consumer,
        "filter_subject": pattern,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(1, start),
        "ack_policy": "explicit",
        "ack_wait": round(ACK_WAIT * _NS),
        "max_ack_pending": MAX_ACK_PENDING,
        "max_deliver": -1,
    }
    request = {"stream_name": stream, "action": "create", "config": config}
    try:
        return _standing(
            await bus.request_json(f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.{pattern}", request)
        )
    except ApiRefused as error:
        if error.err_code != CONSUMER_EXISTS:
            raise
    found = await standing(bus, stream, consumer)
    if found is None:
        raise ApiRefused(consumer, 404, CONSUMER_MISSING, "it went while it was made")
    return found


async def drop(bus: Bus, stream: str, consumer: str) -> bool:
    """Deletes a consumer; returns whether there was one.

    Raises:
        Unreachable, ApiRefused: it cannot be deleted now.
    """
    try:
        await bus.request_json(f"$JS.API.CONSUMER.DELETE.{stream}.{consumer}")
    except ApiRefused as error:
        if error.err_code != CONSUMER_MISSING:
            raise
        return False
    return True


def _standing(info: dict[str, Any]) -> Standing:
    return Standing(
        start=info["config"].get("opt_start_seq", 1),
        delivered=info["delivered"]["stream_seq"],
        ack_floor=info["ack_floor"]["stream_seq"],
        ack_pending=info["num_ack_pending"],
        pending=info["num_pending"],
    )


class Reading:
    """Asks a consumer for as many alerts as there is room for, one question at a time.

    Args:
        bus: the connection.
        pen: says the acknowledgements.
        stream: which stream.
        consumer: whose name.
        room: how many more may come.
        on_drawn: called with each message, on the loop; one may come twice.
        on_gone: called when there is no such consumer any more.
    """

    def __init__(
        self,
        bus: Bus,
        pen: Pen,
        *,
        stream: str,
        consumer: str,
        room: Callable[[], int],
        on_drawn: Callable[[Drawn], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._bus, self._pen = bus, pen
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._ack = f"$JS.ACK.{stream}.{consumer}"
        self._room, self._on_drawn, self._on_gone = room, on_drawn, on_gone
        self._inbox = bus.nc.new_inbox()
        self._number = 0
        self._left = 0
        self._asked_until = 0.0
        self._rest_until = 0.0
        self._wake = asyncio.Event()
        self._acked: deque[int] = deque(maxlen=_REMEMBERED)

    def ack(self, seq: int) -> None:
        """Says that number *seq* needs not be sent again.

        An acknowledgement is found by its number in the stream; that of the consumer, the time and what is
        left are in its subject for the receiver's use.
        """
        self._acked.append(seq)
        self._pen.say(f"{self._ack}.1.{seq}.{seq}.0.0", b"+ACK")

    def working(self, seq: int) -> None:
        """Says that number *seq* is in work, so that it is not sent again for a while."""
        self._pen.say(f"{self._ack}.1.{seq}.{seq}.0.0", b"+WPI")

    def stir(self) -> None:
        """There is more room."""
        self._wake.set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Reads for as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stack:
            subscription = await self._bus.nc.subscribe(
                f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=0
            )
            stack.push_async_callback(_unsubscribe, subscription)
            stack.callback(self._bus.on_reconnected(self._ask_anew))
            pump = asyncio.create_task(self._pump(), name="deliver-reading")
            self._bus.supervise(pump)
            stack.push_async_callback(end_task, pump)
            yield

    async def _pump(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE / 2):
                    await self._wake.wait()
            self._wake.clear()
            now = self._time()
            if (
                not self._bus.connected
                or (self._left > 0 and now < self._asked_until)
                or now < self._rest_until
            ):
                continue
            if (room := min(self._room(), _MOST_AT_ONCE)) > 0:
                await self._question(room, now)

    async def _question(self, room: int, now: float) -> None:
        self._number += 1
        self._left, self._asked_until = room, now + EXPIRES + _GRACE
        request = {
            "batch": room,
            "max_bytes": _MOST_BYTES,
            "expires": round(EXPIRES * _NS),
            "idle_heartbeat": round(EXPIRES / 2 * _NS),
        }
        with contextlib.suppress(nats.errors.Error, OSError):  # asked again after the reconnect
            await self._bus.nc.publish(
                self._next, orjson.dumps(request), reply=f"{self._inbox}.{self._number}"
            )

    async def _on_message(self, message: Msg) -> None:
        if not message.reply:
            self._on_status(message)
            return
        meta = message.metadata
        self._left -= 1
        if self._left == 0:
            self._wake.set()
        traceparent = heard((message.headers or {}).get(TRACEPARENT))
        self._on_drawn(Drawn(meta.sequence.stream, meta.timestamp, message.data, traceparent))

    def _on_status(self, message: Msg) -> None:
        """A heartbeat, or the end of a question, perhaps of an older one."""
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "100" or message.subject != f"{self._inbox}.{self._number}":
            return
        self._left = 0
        if status == "503":
            self._rest_until = self._time() + _AGAIN_AFTER
        if status == "503" or "deleted" in headers.get("Description", "").lower():
            self._on_gone()
        self._wake.set()

    def _ask_anew(self) -> None:
        """What was asked of the old connection is lost with it, and perhaps what was acknowledged."""
        self._left, self._rest_until = 0, 0.0
        for seq in list(self._acked):
            self.ack(seq)
        self._wake.set()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


async def _unsubscribe(subscription: Any) -> None:
    with contextlib.suppress(nats.errors.Error, OSError):  # a dead link has ended it already
        await subscription.unsubscribe()
