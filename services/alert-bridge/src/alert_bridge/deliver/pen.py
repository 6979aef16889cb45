"""Writes down what became of alerts, many at a time, each until the bus has it; and says short things after.

One pen serves a whole process: a write costs a line in a buffer, and its caller is called back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from baleen_bus import Bus, Stored
from baleen_bus.acks import judge
from baleen_bus.buckets import DELIVERY, subject_of
from baleen_bus.connection import end_task

CHECK_EVERY: Final = 0.25
ACKED_WITHIN: Final = 5.0
"""Seconds after which a write without an answer is made again."""
AGAIN_AFTER: Final = 0.5
"""Seconds after which one that the bus did not take is."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Write:
    key: str
    command: bytes
    on_stored: list[Callable[[], None]]
    due: float
    """When to send it again, on the loop's clock."""


class Pen:
    """Writes to the bucket `delivery` over one connection; what is written twice is the same both times."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inbox = bus.nc.new_inbox() + "."
        self._number = 0
        self._writes: dict[int, _Write] = {}
        self._newest: dict[str, int] = {}
        """The number of the write that is out for a key."""
        self._buffer: list[bytes] = []
        self._wake = asyncio.Event()
        self._complaint = ""

    @property
    def backlog(self) -> int:
        """Writes the bus has not confirmed."""
        return len(self._writes)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Writes for as long as the block lasts; what is not stored then is given up."""
        async with contextlib.AsyncExitStack() as stack:
            subscription = await self._bus.nc.listen(f"{self._inbox}*", self._on_ack)
            stack.push_async_callback(self._bus.nc.unlisten, subscription)
            stack.callback(self._bus.on_disconnected(self._buffer.clear))
            stack.callback(self._bus.on_reconnected(self._all_again))
            pump = asyncio.create_task(self._pump(), name="deliver-pen")
            self._bus.supervise(pump)
            stack.push_async_callback(end_task, pump)
            yield

    def put(self, key: str, value: bytes, on_stored: Callable[[], None]) -> None:
        """Writes *value* under *key*; ``on_stored`` is called once the bus has it, on the loop.

        It takes the place of what was to be written there and is not confirmed: made again, that could
        come to stand over it.
        """
        self._number += 1
        reply = f"{self._inbox}{self._number}"
        head = f"PUB {subject_of(DELIVERY, key)} {reply} {len(value)}\r\n"
        command = head.encode() + value + b"\r\n"
        older = self._writes.pop(self._newest.get(key, 0), None)
        callbacks = [*older.on_stored, on_stored] if older is not None else [on_stored]
        self._writes[self._number] = _Write(key, command, callbacks, self._time() + ACKED_WITHIN)
        self._newest[key] = self._number
        self._say(command)

    async def write(self, *pairs: tuple[str, bytes]) -> None:
        """Writes all of them and waits until the bus has them, however long that takes."""
        left = len(pairs)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def stored() -> None:
            nonlocal left
            left -= 1
            if not left and not done.done():
                done.set_result(None)

        for key, value in pairs:
            self.put(key, value, stored)
        if pairs:
            await done

    async def caught_up(self) -> None:
        """Waits until the bus has all that was written before now."""
        last = self._number
        while next(iter(self._writes), last + 1) <= last:  # noqa: ASYNC110 - what comes after is not waited for
            await asyncio.sleep(0.005)

    def say(self, subject: str, body: bytes) -> None:
        """Says something that nobody answers, after what was written before; lost if the connection is."""
        if self._bus.connected:
            self._say(b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(body), body))

    async def drain(self, within: float) -> int:
        """Waits up to so many seconds until everything is stored and sent; returns the writes left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._writes or self._buffer:  # noqa: ASYNC110 - either empties without a word
                    await asyncio.sleep(0.005)
        return len(self._writes)

    def _say(self, command: bytes) -> None:
        self._buffer.append(command)
        self._wake.set()

    async def _pump(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_EVERY):
                    await self._wake.wait()
            self._wake.clear()
            if self._bus.connected:
                self._late_again()
                if self._buffer:
                    block = b"".join(self._buffer)
                    self._buffer.clear()
                    await self._bus.nc.send_raw(block)

    def _late_again(self) -> None:
        now = self._time()
        for write in self._writes.values():
            if write.due > now:
                continue
            write.due = now + ACKED_WITHIN
            self._buffer.append(write.command)

    def _all_again(self) -> None:
        self._buffer[:] = [write.command for write in self._writes.values()]
        for write in self._writes.values():
            write.due = self._time() + ACKED_WITHIN
        self._wake.set()

    def _on_ack(self, subject: bytes, body: bytes, headers: bytes | None) -> None:
        number = int(subject[len(self._inbox) :])
        answer = judge(body, headers)
        if isinstance(answer, Stored):
            write = self._writes.pop(number, None)
            if write is not None:
                del self._newest[write.key]
                for on_stored in write.on_stored:
                    on_stored()
            return
        if answer.detail != self._complaint:
            self._complaint = answer.detail
            log.error("the bus does not take what became of an alert", why=answer.detail)
        if (write := self._writes.get(number)) is not None:
            write.due = self._time() + AGAIN_AFTER

    def _time(self) -> float:
        return asyncio.get_running_loop().time()
