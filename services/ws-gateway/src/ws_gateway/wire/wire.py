"""One client's connection after it was accepted: ready frames out, texts in, no task and no queue.

What the client sends is read slice by slice, so that one who floods us delays nobody; what it is sent is
written to the transport as it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

from ws_gateway.doors.rights import ANYBODY
from ws_gateway.errors import Refusal
from ws_gateway.wire.backlog import Backlog
from ws_gateway.wire.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from websockets.server import ServerProtocol

    from ws_gateway.hub.lanes import Pen

_CLOSE_WITHIN: Final = 5.0
_KERNEL_BUFFER: Final = 128 * 1024
"""Bytes the kernel keeps for one client; its own choice, several MiB, would long hide a slow client."""
_PIECE: Final = 64 * 1024
"""Bytes of what waits that are joined and written at a time."""


class Keeper(Protocol):
    """Whoever owns wires: hears what their clients say and when they end."""

    client_limit: int
    """How many bytes may wait for one client, snapshots aside."""

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

    def parted(self, wire: Wire) -> None:
        """The client takes nothing more, though its connection may last a moment."""
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
        "_deaf",
        "_early",
        "_full",
        "_inbox",
        "_loop",
        "_turn",
        "backlog",
        "closing",
        "connected_at",
        "counted_from",
        "identity",
        "keeper",
        "lagging",
        "number",
        "pen",
        "said",
        "session",
        "silent_rounds",
        "stuck_rounds",
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
        self._inbox: Inbox
        self._loop: asyncio.AbstractEventLoop
        self._early: list[str] = []
        self._closer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None
        self._deaf = self._full = False
        self.backlog = Backlog()
        self.identity = ANYBODY
        self.lagging = False
        self.closing = False
        self.pen: Pen | None = None
        self.number = 0
        self.connected_at = 0.0
        self.said = 0
        self.counted_from = 0
        self.silent_rounds = 0
        self.stuck_rounds = 0

    def adopt(
        self, transport: asyncio.Transport, conn: ServerProtocol, connections: set[Any], early: list[str]
    ) -> None:
        """Take over an accepted connection; any byte that stays unsent is then known at once."""
        self._early = early
        self._loop = asyncio.get_running_loop()
        self.transport, self.write = transport, transport.write
        self._conn, self._connections = conn, connections
        self._inbox = Inbox(conn, self._loop.time())
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
        self.backlog.add(data)
        if self.backlog.live > self.keeper.client_limit:
            self.keeper.overflowed(self)

    def show(self, frames: Iterable[bytes]) -> None:
        """Send a snapshot as fast as the client reads it, before all that is said later.

        However large, it is no sign of a slow client; what the client asks meanwhile is heard afterwards.
        """
        if self.closing:
            return
        self.backlog.show(frames)
        if not self.lagging:
            self._pour()

    def pause_writing(self) -> None:
        """The socket does not take more."""
        self._full = True
        self._lag(lagging=True)

    def resume_writing(self) -> None:
        """The socket took everything it was given."""
        self._full = False
        self.silent_rounds = self.stuck_rounds = 0
        self._pour()

    def _pour(self) -> None:
        """Write what waits, piece by piece, until the socket is full."""
        backlog = self.backlog
        while backlog and not self._full and not self.closing:
            self.write(backlog.take(_PIECE))
        self._lag(lagging=self._full or bool(backlog))
        if self._inbox.waiting and self._turn is None and not backlog.showing:
            self._turn = self._loop.call_soon(self._read_on)

    def _lag(self, *, lagging: bool) -> None:
        if lagging is not self.lagging:
            self.lagging = lagging
            if self.pen is not None:
                self.pen.shuffle()

    def close(self, code: int, reason: str, last: bytes = b"") -> None:
        """End the conversation: *last* is said in front of the close frame; what waits is dropped."""
        if self.closing:
            return
        self._let_go()
        if not self.transport.is_closing():
            with contextlib.suppress(
                Exception
            ):  # the peer may have begun to close: then there is nobody to tell
                self._conn.send_close(code, reason)
            self.write(last + b"".join(self._conn.data_to_send()))

    def shutdown(self) -> None:
        """The server is leaving and waits no longer (called by uvicorn)."""
        self.close(1012, "leaving")
        self.transport.close()

    def _let_go(self) -> None:
        """Say nothing more but goodbye, for which the client has only a while."""
        self.closing = True
        self.backlog.clear()
        self._inbox.waiting.clear()
        if self._closer is None:
            self._closer = self._loop.call_later(_CLOSE_WITHIN, self.transport.abort)

    # What the client says.

    def replay_early(self) -> None:
        """Hear what the client said before it was taken in."""
        early, self._early = self._early, []
        self._inbox.put(early, self._loop.time())
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """Bytes came from the client."""
        self.silent_rounds = 0
        self._inbox.receive(data)
        if self._turn is None:
            self._read_on()

    def _read_on(self) -> None:
        """Read a slice and hear what it said; the rest has its turn after everybody else."""
        self._turn = None
        inbox = self._inbox
        if inbox.unread and not inbox.waiting:
            inbox.read(self._loop.time())
        while inbox.waiting and not self.closing and not self.backlog.showing:
            text = inbox.waiting.popleft()
            if text is None:
                self.say(self.keeper.refused(self, Refusal.BINARY))
            else:
                self.keeper.heard(self, text)
        self._answer()
        self._mind_the_rest()

    def _answer(self) -> None:
        """Answer what is no text: a broken protocol, a ping, a goodbye."""
        inbox = self._inbox
        if inbox.flaw is not None:
            if not inbox.waiting and not self.closing:
                self._break_off(inbox.flaw)
            return
        output = b"".join(self._conn.data_to_send())
        if self._conn.close_rcvd is not None:
            self._answer_close(output)
        elif output:
            self.say(output)

    def _mind_the_rest(self) -> None:
        """Take in nothing more while something is unheard, or once the client is not heard at all."""
        inbox = self._inbox
        if inbox.flaw is not None and self.closing:
            inbox.clear()
        deaf = inbox.unread or bool(inbox.waiting) or inbox.flaw is not None
        if deaf is not self._deaf and not self.transport.is_closing():
            self._deaf = deaf
            (self.transport.pause_reading if deaf else self.transport.resume_reading)()
        if self._turn is None and inbox.unread and not inbox.waiting:
            self._turn = self._loop.call_soon(self._read_on)

    def eof_received(self) -> None:
        """The client closed its side: the transport closes itself, once what was written is gone."""
        self.keeper.parted(self)
        self._let_go()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        """The connection is gone."""
        self._let_go()
        self._inbox.clear()
        for handle in (self._closer, self._turn):
            if handle is not None:
                handle.cancel()
        self._connections.discard(self)
        self.keeper.lost(self)

    def _break_off(self, refusal: Refusal) -> None:
        """The client broke the WebSocket protocol: say so and close; the keeper chooses the words."""
        due = self._conn.close_sent
        self._conn.data_to_send()
        self._let_go()
        last = self.keeper.broken(self, refusal, due.code if due is not None else 1002)
        if not self.transport.is_closing():
            self.write(last)
            self.transport.write_eof()  # what else it sends is not read: its goodbye cannot be waited for

    def _answer_close(self, output: bytes) -> None:
        self.keeper.parted(self)
        self._let_go()
        if not self.transport.is_closing():
            if output:
                self.write(output)
            self.transport.close()
