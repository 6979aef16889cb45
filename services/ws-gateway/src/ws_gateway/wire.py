"""One client's connection after it was accepted: ready frames out, texts in, no task and no queue.

What the client sends is parsed by `websockets`; what it is sent is written to the transport as it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from ws_gateway.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ws_gateway.lanes import Pen

_CLOSE_WITHIN: Final = 5.0
_KERNEL_BUFFER: Final = 128 * 1024
"""Bytes the kernel keeps for one client; its own choice, several MiB, would long hide a slow client."""


class Keeper(Protocol):
    """Whoever owns wires: hears what their clients say and when they end."""

    client_limit: int
    """How many bytes may wait for one client."""

    def heard(self, wire: Wire, text: str) -> None:
        """The client said *text*."""
        ...

    def refused(self, wire: Wire, refusal: Refusal) -> bytes:
        """The client sent what cannot be heard; return the frame that tells it."""
        ...

    def broken(self, wire: Wire, refusal: Refusal, standard: int) -> bytes:
        """The client broke the WebSocket protocol, which the standard answers with the close code *standard*.

        Returns:
            the last frames, the close frame included.
        """
        ...

    def overflowed(self, wire: Wire) -> None:
        """More waits for the client than `client_limit`; called once."""
        ...

    def lost(self, wire: Wire) -> None:
        """The connection ended."""
        ...


class Wire(asyncio.Protocol):
    """One client's connection after it was accepted."""

    __slots__ = (
        "_closer",
        "_conn",
        "_connections",
        "_early",
        "_parts",
        "backlog",
        "backlog_bytes",
        "closing",
        "connected_at",
        "counted_from",
        "keeper",
        "lagging",
        "number",
        "pen",
        "said",
        "session",
        "silent_rounds",
        "transport",
        "write",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, session: Any) -> None:
        self.keeper = keeper
        self.session = session
        self.transport: asyncio.Transport
        self.write: Callable[[bytes], object]
        self._conn: ServerProtocol
        self._connections: set[Any]
        self._early: list[str] | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._parts: list[bytes] | None = None
        self.backlog: list[bytes] = []
        self.backlog_bytes = 0
        self.lagging = False
        self.closing = False
        self.pen: Pen | None = None
        self.number = 0
        self.connected_at = 0.0
        self.said = 0
        self.counted_from = 0
        self.silent_rounds = 0

    def adopt(
        self, transport: asyncio.Transport, conn: ServerProtocol, connections: set[Any], early: list[str]
    ) -> None:
        """Take over an accepted connection; any byte that stays unsent is then known at once."""
        self._early = early
        self.transport, self.write = transport, transport.write
        self._conn, self._connections = conn, connections
        connections.add(self)
        transport.set_write_buffer_limits(high=0)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        transport.set_protocol(self)

    # What is said to the client.

    def say(self, data: bytes) -> None:
        """Send ready frames now, or after what already waits."""
        if self.closing:
            return
        if self.lagging:
            self.defer(data)
        else:
            self.write(data)

    def defer(self, data: bytes) -> None:
        """Keep ready frames until the socket takes more; shared bytes are kept by reference."""
        if self.closing:
            return
        self.backlog.append(data)
        self.backlog_bytes += len(data)
        if self.backlog_bytes > self.keeper.client_limit:
            self.keeper.overflowed(self)

    def pause_writing(self) -> None:
        """The socket does not take more."""
        self.lagging = True
        if self.pen is not None:
            self.pen.shuffle()

    def resume_writing(self) -> None:
        """The socket took everything it was given."""
        self.lagging = False
        if self.backlog and not self.closing:
            backlog, self.backlog, self.backlog_bytes = self.backlog, [], 0
            self.transport.writelines(backlog)
        if self.pen is not None:
            self.pen.shuffle()

    def close(self, code: int, reason: str, last: bytes = b"") -> None:
        """End the conversation: *last* is said in front of the close frame; what waits is dropped."""
        if self.closing:
            return
        self._drop_backlog()
        if not self.transport.is_closing():
            with contextlib.suppress(
                Exception
            ):  # the peer may have begun to close: then there is nobody to tell
                self._conn.send_close(code, reason)
            self.write(last + b"".join(self._conn.data_to_send()))
        self._hang_up_soon()

    def shutdown(self) -> None:
        """The server is leaving and waits no longer (called by uvicorn)."""
        self.close(1012, "leaving")
        self.transport.close()

    def _drop_backlog(self) -> None:
        self.closing = True
        self.backlog.clear()
        self.backlog_bytes = 0

    def _hang_up_soon(self) -> None:
        self._closer = asyncio.get_running_loop().call_later(_CLOSE_WITHIN, self.transport.abort)

    # What the client says.

    def replay_early(self) -> None:
        """Hear what the client said before it was taken in."""
        early, self._early = self._early, None
        for text in early or ():
            self.keeper.heard(self, text)

    def data_received(self, data: bytes) -> None:
        """Bytes came from the client."""
        self.silent_rounds = 0
        conn = self._conn
        conn.receive_data(data)
        for event in conn.events_received():
            if isinstance(event, Frame) and not self.closing:
                self._take(event)
        if conn.parser_exc is not None and not self.closing:
            too_big = isinstance(conn.parser_exc, PayloadTooBig)
            self._break_off(Refusal.TOO_LARGE if too_big else Refusal.PROTOCOL)
            return
        output = b"".join(conn.data_to_send())
        if conn.close_rcvd is not None:
            self._answer_close(output)
        elif output:
            self.say(output)

    def eof_received(self) -> None:
        """The client closed its side: the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        """The connection is gone."""
        self._drop_backlog()
        self._connections.discard(self)
        if self._closer is not None:
            self._closer.cancel()
        self.keeper.lost(self)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._parts = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT and self._parts is not None:
            self._parts.append(bytes(frame.data))
        elif frame.opcode is Opcode.BINARY:
            self._parts = None
            self.say(self.keeper.refused(self, Refusal.BINARY))
            return
        else:
            return
        if frame.fin and self._parts is not None:
            message, self._parts = b"".join(self._parts), None
            self._hear(message)

    def _hear(self, message: bytes) -> None:
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._conn.fail(1007, "not UTF-8")
            self._break_off(Refusal.NOT_UTF8)
            return
        self.keeper.heard(self, text)

    def _break_off(self, refusal: Refusal) -> None:
        """The client broke the WebSocket protocol: say so and close; the keeper chooses the words."""
        due = self._conn.close_sent
        self._conn.data_to_send()
        self._drop_backlog()
        self.write(self.keeper.broken(self, refusal, due.code if due is not None else 1002))
        self.transport.write_eof()  # what else it sends is not read: its closing frame cannot be waited for
        self._hang_up_soon()

    def _answer_close(self, output: bytes) -> None:
        self._drop_backlog()
        if not self.transport.is_closing():
            if output:
                self.write(output)
            self.transport.close()
