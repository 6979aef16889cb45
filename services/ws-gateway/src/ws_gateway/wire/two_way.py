"""A WebSocket after its handshake: ready frames out, texts in.

What the client sends is read slice by slice, so that one who floods us delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ws_gateway.errors import Refusal
from ws_gateway.wire.deflate import is_agreed
from ws_gateway.wire.inbox import Inbox
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

    from ws_gateway.wire.keeper import Keeper


class TwoWay(Wire):
    """One client's WebSocket."""

    __slots__ = ("_conn", "_deaf", "_early", "_inbox", "_turn")

    def __init__(self, keeper: Keeper, session: Any) -> None:
        super().__init__(keeper, session)
        self._conn: ServerProtocol
        self._inbox: Inbox
        self._early: list[str] = []
        self._turn: asyncio.Handle | None = None
        self._deaf = False

    def adopt(
        self, transport: asyncio.Transport, conn: ServerProtocol, connections: set[Any], early: list[str]
    ) -> None:
        """Take over an accepted connection, and the texts that came already."""
        self._conn, self._early = conn, early
        if is_agreed(conn.extensions):
            self.pack = self.keeper.pack
        self._inbox = Inbox(conn, asyncio.get_running_loop().time(), self.keeper.frames_per_second)
        self._take(transport, connections)

    def _pour(self) -> None:
        """Write what waits; what the client asked while a snapshot was shown is heard when that is over."""
        super()._pour()
        if self._inbox.waiting and self._turn is None and self._listens:
            self._turn = self._loop.call_soon(self._read_on)

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

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._inbox.clear()
        if self._turn is not None:
            self._turn.cancel()
        super().connection_lost(exc)

    def _let_go(self) -> None:
        """Hear nothing that was said and not yet heard."""
        super()._let_go()
        self._inbox.waiting.clear()

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
