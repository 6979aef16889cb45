"""One client's connection after it was accepted: ready frames out, texts in, no task and no queue.

What the client sends is read slice by slice, so that one who floods us delays nobody; what it is sent is
written to the transport as it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from typing import TYPE_CHECKING, Any, Final

from ws_gateway.doors.rights import ANYBODY
from ws_gateway.errors import Refusal
from ws_gateway.wire.inbox import Inbox
from ws_gateway.wire.speaker import Speaker

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

    from ws_gateway.wire.keeper import Keeper

_CLOSE_WITHIN: Final = 5.0
_KERNEL_BUFFER: Final = 128 * 1024
"""Bytes the kernel keeps for one client; its own choice, several MiB, would long hide a slow client."""
_ID_BYTES: Final = 5


class Wire(Speaker):
    """One client's connection after it was accepted.

    Attributes:
        connected_at: when, in Unix seconds.
        fell_at: when it last fell behind, in Unix seconds; 0 for never.
        fell_since: of each stream of which it was then dropped something, the number after which it was.
        hears_on: whether it is heard while it is shown a snapshot; for who cannot ask for another one.
        id: a word for it that says nothing else.
        identity: who it is, and what it may do.
        moved_at: when its full socket was last seen to take anything, in seconds of the hub's clock.
        number: how many clients came before it.
        patient_from: no message that waits counts as older than this, in seconds of the hub's clock.
        said: messages it was given on lanes it has left.
        counted_from: how many messages its pen had been given when it came.
        silent_rounds: how often it was pinged since it said anything.
        times_behind: how often it fell behind.
    """

    __slots__ = (
        "_closer",
        "_conn",
        "_connections",
        "_deaf",
        "_early",
        "_inbox",
        "_loop",
        "_turn",
        "connected_at",
        "counted_from",
        "fell_at",
        "fell_since",
        "hears_on",
        "id",
        "identity",
        "moved_at",
        "number",
        "patient_from",
        "said",
        "silent_rounds",
        "times_behind",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, session: Any) -> None:
        super().__init__(keeper, session)
        self._conn: ServerProtocol
        self._connections: set[Any]
        self._inbox: Inbox
        self._loop: asyncio.AbstractEventLoop
        self._early: list[str] = []
        self._closer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None
        self._deaf = self.hears_on = False
        self.id = secrets.token_hex(_ID_BYTES)
        self.identity = ANYBODY
        self.number = 0
        self.connected_at = 0.0
        self.said = 0
        self.counted_from = 0
        self.silent_rounds = 0
        self.moved_at = self.patient_from = 0.0
        self.times_behind = 0
        self.fell_at = 0.0
        self.fell_since: dict[str, int] | None = None

    def adopt(
        self, transport: asyncio.Transport, conn: ServerProtocol, connections: set[Any], early: list[str]
    ) -> None:
        """Take over an accepted connection; any byte that stays unsent is then known at once."""
        self._early = early
        self._loop = asyncio.get_running_loop()
        self.transport, self.write = transport, transport.write
        self._conn, self._connections = conn, connections
        self._inbox = Inbox(conn, self._loop.time(), self.keeper.frames_per_second)
        connections.add(self)
        transport.set_write_buffer_limits(high=0)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        transport.set_protocol(self)

    def _pour(self) -> None:
        """Write what waits; what the client asked while a snapshot was shown is heard when that is over."""
        super()._pour()
        if self._inbox.waiting and self._turn is None and self._listens:
            self._turn = self._loop.call_soon(self._read_on)

    def _read_all(self) -> None:
        self.keeper.drained(self)

    def _overflowed(self) -> None:
        self.keeper.overflowed(self)

    # How it ends.

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
        while inbox.waiting and not self.closing and self._listens:
            text = inbox.waiting.popleft()
            if text is None:
                self.say(self.keeper.refused(self, Refusal.BINARY))
            else:
                self.keeper.heard(self, text)
        self._answer()
        self._mind_the_rest()

    @property
    def _listens(self) -> bool:
        return self.hears_on or not self.backlog.showing

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
