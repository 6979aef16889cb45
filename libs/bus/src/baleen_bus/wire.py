"""The one seam over the NATS client's insides: raw blocks out, raw messages in.

Public API would cost about 1 µs a header on each side, one task and queue a subscription (which also loses
the order between subscriptions), and would send after a reconnect, ahead of older messages, what was
written before it. Everything private that Baleen touches is in this module, and ``test_wire.py`` fails when
the client changes it.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol.parser import AWAITING_MSG_PAYLOAD, Parser

_MESSAGE: Final = re.compile(rb"(H?)MSG (\S+) (\d+) (?:(\d+) )?(\d+)\r\n")
_END: Final = 2
"""Bytes of the line end after a body."""

Handler = Callable[[bytes, bytes, bytes | None], None]
"""Called with subject, body and raw header block (None if there is none), in order of arrival."""
Reader = Callable[[bytes, int], int]
"""Reads what it knows of a chunk as it came, from a place on, and returns the place where it stopped."""


class WireClient(Client):
    """A NATS client whose chosen subscriptions skip header parsing, queue and task."""

    def __init__(self, on_handler_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self._ps = _ChunkParser(self)
        self._straight: dict[int, Handler] = {}
        self._readers: dict[int, Reader] = {}
        self._on_handler_error = on_handler_error

    async def listen(self, subject: str, handler: Handler, reader: Reader | None = None) -> Subscription:
        """Subscribes ``handler`` directly: no queue, no task; order is that of the connection.

        The handler must be short: nothing else is read meanwhile. Its exceptions are reported, never raised.
        A ``reader`` may take messages of this subscription whose form it knows, protocol and all, before
        they are looked at; what it leaves is for the handler.
        """
        sid = self._sid + 1  # the next subscription's number; no await stands between here and its use
        self._straight[sid] = handler
        if reader is not None:
            self._readers[sid] = reader
        return await self.subscribe(subject, cb=_unreached)

    async def unlisten(self, subscription: Subscription) -> None:
        """Ends what ``listen`` began; harmless on a closed connection."""
        self._straight.pop(subscription._id, None)  # noqa: SLF001 - the seam
        self._readers.pop(subscription._id, None)  # noqa: SLF001
        with contextlib.suppress(nats.errors.Error, OSError):  # a dead link has ended it already
            await subscription.unsubscribe()

    async def send_raw(self, block: bytes) -> None:
        """Sends ready protocol commands; waits only when the client's buffer is full."""
        await self._send_command(block)
        queue = self._flush_queue
        if queue is not None and queue.empty():
            await self._flush_pending()

    def start_clean(self) -> None:
        """After a cut: a new connection begins with nothing of the old one, neither unwritten nor half-read.

        The client would first send what it had not written, ahead of older messages; and what its read loop
        still got after the cut stays in the parser, which then takes the new connection's first bytes for
        the old one's.
        """
        self._pending.clear()
        self._pending_data_size = 0
        self._ps.reset()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self._straight.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            self._handle(handler, bytes(subject), data, headers)

    def _handle(self, handler: Handler, subject: bytes, body: bytes, headers: bytes | None) -> None:
        try:
            handler(subject, body, headers)
        except Exception as error:  # noqa: BLE001 - an escaping exception would end the client's read loop in silence
            self._on_handler_error(error)

    def hand_on(self, chunk: bytes) -> bytes:
        """Hands on the straight messages with which a chunk begins; returns what is left of it."""
        at, straight = self._read_on(chunk, 0), self._straight
        while found := _MESSAGE.match(chunk, at):
            marked, subject, sid, head, size = found.groups()
            handler = straight.get(int(sid))
            start = found.end()
            end = start + int(size)
            if handler is None or len(chunk) < end + _END or bool(marked) != (head is not None):
                break
            if marked:
                body = start + int(head)
                self._handle(handler, subject, chunk[body:end], chunk[start:body])
            else:
                self._handle(handler, subject, chunk[start:end], None)
            at = self._read_on(chunk, end + _END)
        return chunk[at:]

    def _read_on(self, chunk: bytes, at: int) -> int:
        """Lets the readers take what they know from here on; returns where the last one stopped."""
        try:
            for reader in self._readers.values():
                at = reader(chunk, at)
        except Exception as error:  # noqa: BLE001 - as in _handle; what it was reading goes to the handler
            self._on_handler_error(error)
        return at


class _ChunkParser(Parser):
    """Reads messages of straight subscriptions where they lie; everything else goes the client's way.

    The client's way costs a coroutine, two cuts of its buffer and up to seven expressions a message.
    """

    nc: WireClient

    async def parse(self, data: bytes = b"") -> None:
        if self.state == AWAITING_MSG_PAYLOAD:  # the client waits for the rest of a body: no more than that
            missing = self.needed + _END - len(self.buf)
            await super().parse(data[:missing])
            data = data[missing:]
        elif self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        if data and (rest := self.nc.hand_on(data)):
            await super().parse(rest)


async def _unreached(_message: Msg) -> None:
    """Listening subscriptions are served by ``_process_msg``; the client insists on a callback."""
    await asyncio.sleep(0)
