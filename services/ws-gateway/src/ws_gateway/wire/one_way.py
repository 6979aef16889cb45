"""An answer to an HTTP request that goes on as long as the client stays: ready bytes out, nothing in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.wire.keeper import Keeper

MOST_UNASKED: Final = 65_536
"""Bytes that a client may send after its request; they are dropped, and beyond that not even read."""
UNACKNOWLEDGED_MS: Final = 45_000
"""How long the kernel waits for a peer to confirm what it was sent: a client that cannot answer a ping is
found out so, though it vanished without a word and hardly anything is said to it."""


class OneWay(Wire):
    """One client that listens and cannot speak."""

    __slots__ = ("_unasked",)

    speaks: ClassVar[bool] = False

    def __init__(self, keeper: Keeper, session: Any) -> None:
        super().__init__(keeper, session)
        self._unasked = 0

    def adopt(self, transport: asyncio.Transport, connections: set[Any], head: bytes) -> None:
        """Take over a connection whose request was read, and begin the answer with *head*."""
        self._take(transport, connections)
        sock: socket.socket = transport.get_extra_info("socket")
        with contextlib.suppress(AttributeError, OSError):  # Linux alone can be asked
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self.write(head)

    def close(self, code: int, reason: str, last: bytes = b"") -> None:  # noqa: ARG002 - *last* says it in words
        """End the answer with *last*; what waits is dropped."""
        if self.closing:
            return
        self._let_go()
        if not self.transport.is_closing():
            self.write(last)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Drop what nobody asked for, such as a second request behind the first."""
        self._unasked += len(data)
        if self._unasked > MOST_UNASKED:
            self.transport.pause_reading()
