"""The seam between web server and hub for HTTP: an answer that is begun here and goes on in the hub.

`HandOverAnswer` is the HTTP protocol class that uvicorn is told to use. An endpoint asks for the connection
of its request with `take_answer`, and the answer's head is written; from there on no task, queue or scope is
kept for the client, only a `OneWay`. For the server the request is one whose client has left.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from baleen_runtime.request_head import BoundedHead
from ws_gateway.errors import Misused
from ws_gateway.wire.gone import Gone
from ws_gateway.wire.one_way import OneWay

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_EXTENSION = "baleen.hand_over"

Headers = Iterable[tuple[bytes, bytes]]


class HandOverAnswer(BoundedHead):
    """The server's HTTP protocol, which gives a connection away whose request is not answered yet."""

    _answering: RequestResponseCycle | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin to answer a request, and tell the application how to ask for the connection."""
        self._answering = cycle
        scope = cast("dict[str, Any]", cycle.scope)
        # A weak one, since the scope is ours: every request would leave a ring of garbage otherwise.
        scope.setdefault("extensions", {})[_EXTENSION] = weakref.WeakMethod(self._give_to)
        super()._start_asgi_task(cycle, app)

    def _give_to(self, wire: OneWay, headers: Headers) -> None:
        """Make *wire* the owner of this connection, and begin the answer to the request it was opened for."""
        cycle = self._answering
        if cycle is None or cycle.disconnected or cycle.response_started or self.transport.is_closing():
            raise ConnectionResetError  # the server knows already that nobody waits for an answer
        transport, gone = self.transport, Gone()
        self.transport = cycle.transport = gone
        # What the application sends from now on has nowhere to go, and what was asked behind has no turn.
        cycle.disconnected = True
        cycle.message_event.set()
        self._forget_deadline()
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment] # as in connection_lost: it holds what holds it
        wire.adopt(transport, self.connections, _head([*self.server_state.default_headers, *headers]))
        if self.flow.read_paused:
            transport.resume_reading()  # so that a client that leaves is noticed


def take_answer(request: Request, wire: OneWay, headers: Headers) -> None:
    """Answer *request* with 200 and *headers*, and move its connection from the server to *wire*.

    Raises:
        ConnectionResetError: the client has already left.
        Misused: the server does not run `HandOverAnswer`.
    """
    offer = request.scope.get("extensions", {}).get(_EXTENSION)
    if offer is None:
        raise Misused("uvicorn must run with http=ws_gateway.wire.answering.HandOverAnswer")
    give = offer()
    if give is None:
        raise ConnectionResetError
    give(wire, headers)


def _head(headers: Headers) -> bytes:
    """Return the head of an answer that ends with the connection."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join((b"HTTP/1.1 200 OK\r\n", *lines, b"connection: close\r\n\r\n"))
