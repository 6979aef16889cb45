"""The seam between web server and hub: the one accepts a connection, in the other it lives on.

`HandOver` is the WebSocket protocol class that uvicorn is told to use. An endpoint accepts as usual and then
asks for the connection with `take_over`; from there on no task, queue or scope is kept for the client, only a
`TwoWay`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fastapi import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ws_gateway.errors import Misused
from ws_gateway.wire.deflate import negotiation
from ws_gateway.wire.gone import Gone
from ws_gateway.wire.two_way import TwoWay

if TYPE_CHECKING:
    from websockets.http11 import Request

_EXTENSION = "baleen.hand_over"


class HandOver(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which gives an accepted connection away when asked."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.config.ws_per_message_deflate:
            self.conn.available_extensions = [negotiation()]

    def handle_connect(self, event: Request) -> None:
        """Begin the handshake, and tell the application how to ask for the connection."""
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[_EXTENSION] = self._give_to

    def _give_to(self, wire: TwoWay) -> None:
        """Make *wire* the owner of this connection."""
        if self.disconnected or self.transport.is_closing():
            raise ConnectionResetError  # uvicorn keeps what it has, and forgets it in its own way
        transport, self.transport = self.transport, Gone()
        self.stop_keepalive()
        self.connections.discard(self)
        self.disconnected = True  # what the application sends from now on has nowhere to go
        early: list[str] = []
        while not self.queue.empty():
            message = self.queue.get_nowait()
            if message["type"] == "websocket.receive":
                text = message.get("text")
                if text is not None:
                    early.append(text)
        wire.adopt(transport, self.conn, self.connections, early)
        if self.read_paused:
            transport.resume_reading()


def take_over(websocket: WebSocket, wire: TwoWay) -> None:
    """Move an accepted connection from the server to *wire*.

    Raises:
        ConnectionResetError: the client has already left.
        Misused: the server does not run `HandOver`.
    """
    give = websocket.scope.get("extensions", {}).get(_EXTENSION)
    if give is None:
        raise Misused("uvicorn must run with ws=ws_gateway.wire.transport.HandOver")
    give(wire)
