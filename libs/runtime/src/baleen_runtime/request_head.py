"""HTTP connections whose request head is bounded in size, time and number.

The server reads a head of any length at any pace; one client could then hold the memory of a service, and a
few thousand its file descriptors, before any of our own limits is asked.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
HEAD_WITHIN = 10.0
"""Seconds from the connection, or from a request's first byte on a kept one, to the end of its head."""
MAX_UNFINISHED = 5_000
"""Heads of a process that are awaited at a time; more than a listening socket hands over at once."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: 45\r\nconnection: close\r\n\r\n"
    b'{"detail": "the request head exceeds 64 KiB"}'
)


class BoundedHead(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which hangs up on a head that is too large (431) or takes too long.

    Where too many are awaited, the one that has been awaited longest gives way: an honest head is there
    within milliseconds, so that whoever opens connections and says nothing displaces his own.
    """

    _unfinished: ClassVar[dict[BoundedHead, None]] = {}
    """Those whose head is awaited, longest first."""
    _head_bytes = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """Expect the head of this request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._forget_deadline()

    def on_headers_complete(self) -> None:
        """The head is here: what follows is bounded by who reads it."""
        self._in_head = False
        self._forget_deadline()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what arrives until the head is complete, which it nearly always is at once."""
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._deadline is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._forget_deadline()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Hang up without a word."""
        self._forget_deadline()
        self.transport.abort()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN, self.transport.abort)
        self._unfinished[self] = None
        if len(self._unfinished) > MAX_UNFINISHED:
            next(iter(self._unfinished)).give_way()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._unfinished.pop(self, None)
            self._deadline.cancel()
            self._deadline = None
