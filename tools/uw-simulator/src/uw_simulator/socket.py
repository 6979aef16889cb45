"""The socket's edge: one asyncio protocol per connection, behind uvicorn's upgrade.

uvicorn reads the HTTP request on the one port that upstream has; a WebSocket upgrade comes here (`ws=` of its
configuration), anything else goes to the REST application. Frames from clients are rare and are parsed by
`websockets`' sans-I/O protocol; frames to clients arrive ready and are written as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from uw_simulator.channels import ack_text, text_frame
from uw_simulator.connections import Account, Connection
from uw_simulator.limits import Admission
from uw_simulator.offences import Violation
from uw_simulator.samples import rest_body
from uw_simulator.sessions import ANSWERED, Verdict
from uw_simulator.upstream import Upstream

_ACK_DELAY = (0.015, 0.050)
_DOCUMENTATION_CLOSES_AFTER = 0.1
_NO_SCOPE = next(
    case["body"] for case in rest_body("_errors") if case["case"] == "ws_handshake_missing_scope"
)
_CLOSE_GRACE = 1.0


def protocol_factory(upstream: Upstream) -> Callable[..., SocketProtocol]:
    """Return what uvicorn takes as its `ws` class."""

    def make(**uvicorn_arguments: Any) -> SocketProtocol:
        return SocketProtocol(upstream, uvicorn_arguments["server_state"].connections)

    return make


class SocketProtocol(asyncio.Protocol):
    """One client's socket, from the handshake on."""

    def __init__(self, upstream: Upstream, open_protocols: set[Any]) -> None:
        self._upstream = upstream
        self._open_protocols = open_protocols
        self._loop = asyncio.get_running_loop()
        self._ws = ServerProtocol(extensions=None, max_size=2**20)
        self._transport: asyncio.Transport
        self._connection: Connection | None = None
        self._admitted: Account | None = None
        self._message = bytearray()
        self._message_is_text = False

    # --- asyncio.Protocol, called by uvicorn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: uvicorn hands over the transport of an upgrade request."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_protocols.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the handshake or of client frames."""
        self._ws.receive_data(data)
        self._handle_events()

    def eof_received(self) -> None:
        """Take note that the client will send no more."""
        self._ws.receive_eof()
        self._handle_events()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the socket."""
        self._open_protocols.discard(self)
        self._forget(self._how_the_client_left())
        if self._admitted is not None:
            self._admitted.sockets.leave()
            self._admitted = None

    def shutdown(self) -> None:
        """Say goodbye: the simulator stops."""
        self.hang_up(code=1001)

    # --- Wire, called by the upstream

    def write(self, data: bytes) -> None:
        """Send ready frames, late if so armed."""
        if self._ws.state is not State.OPEN:
            return
        delay = self._upstream.faults.delay
        if delay:
            self._loop.call_later(delay, self._write_if_open, data)
        else:
            self._transport.write(data)

    def backlog(self) -> int:
        """Return how many bytes the client has not taken."""
        return self._transport.get_write_buffer_size()

    def hang_up(self, *, code: int | None) -> None:
        """Close with *code*, or without a word if None."""
        self._forget(f"by upstream, {'without a word' if code is None else code}")
        if not self._transport.is_reading():  # a half-open one too must notice when its client is gone
            self._transport.resume_reading()
        if code is None or self._ws.state is not State.OPEN:
            self._transport.abort()
            return
        self._ws.send_close(code)
        self._send_pending()
        self._loop.call_later(_CLOSE_GRACE, self._transport.abort)

    def freeze(self, frozen: bool) -> None:
        """Neither read nor answer, while the connection stays open; or thaw."""
        if frozen:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # --- the conversation

    def _handle_events(self) -> None:
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            else:
                self._take_frame(cast("Frame", event))
        if self._ws.state in (State.CLOSING, State.CLOSED):
            self._forget(self._how_the_client_left())
        self._send_pending()

    def _handshake(self, request: Request) -> None:
        url = urlsplit(request.path)
        account = self._upstream.account(parse_qs(url.query).get("token", [""])[0])
        refusal = self._refusal(request, url.path, account)
        response = refusal or self._ws.accept(request)
        self._ws.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._upstream.counts[f"handshakes_{response.status_code}"] += 1
            return
        self._send_pending()
        if url.path == "/api/socket":  # the documentation's route takes an upgrade and has nothing to say
            self._loop.call_later(_DOCUMENTATION_CLOSES_AFTER, lambda: self.hang_up(code=1000))
            return
        self._admit(cast("Account", account), request.headers.get("User-Agent", ""))

    def _refusal(self, request: Request, path: str, account: Account | None) -> Response | None:
        """Return the answer to a handshake that must fail, in the order in which upstream's layers refuse."""
        upstream = self._upstream
        agent = request.headers.get("User-Agent", "")
        if agent.startswith(upstream.blocked_agents):
            return self._ws.reject(HTTPStatus.FORBIDDEN, "error code: 1010")
        if upstream.faults.refuses(upstream.clock()):
            return self._ws.reject(upstream.faults.refuse_status, upstream.faults.refuse_body)
        if path == "/api/socket":
            return None
        if path != "/socket":
            return self._ws.reject(HTTPStatus.NOT_FOUND, '{"error":"Route not found"}')
        if account is None:
            return self._ws.reject(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        entitled = account.advanced and upstream.plan.websocket
        return None if entitled else self._ws.reject(HTTPStatus.UNAUTHORIZED, _NO_SCOPE)

    def _admit(self, account: Account, agent: str) -> None:
        upstream = self._upstream
        upstream.counts["handshakes_accepted"] += 1
        self._admitted = account
        host, port = self._transport.get_extra_info("peername")[:2]
        peer = f"{host}:{port}"
        beside = ", ".join(f"{c.number} ({c.peer})" for c in upstream.connections.values())
        admission = account.sockets.arrive(upstream.clock(), f"one more from {peer} beside {beside}")
        self._connection = upstream.connect(
            account, self, silenced=admission is Admission.MUTE, peer=peer, agent=agent
        )
        if admission is Admission.TOO_MANY:
            upstream.counts["closed_as_too_many"] += 1
            self.hang_up(code=upstream.plan.over_code)
        elif upstream.faults.spend("close_after_accept"):
            self.hang_up(code=1000)

    def _forget(self, why: str) -> None:
        """Say nothing more to the client; the first reason is the one remembered."""
        if self._connection is not None:
            self._upstream.disconnect(self._connection, why)

    def _how_the_client_left(self) -> str:
        left = self._ws.close_rcvd
        return f"by the client, {left.code}" if left else "by the client, without a word"

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._message.clear()
            self._message_is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return  # pings are answered and closes are echoed by the protocol
        self._message += frame.data
        if not frame.fin or self._connection is None or self._ws.state is not State.OPEN:
            return
        if self._message_is_text:
            self._take_text(self._connection, bytes(self._message))
        else:
            self._connection.session.hear_binary()

    def _take_text(self, connection: Connection, text: bytes) -> None:
        upstream = self._upstream
        plan = upstream.plan
        verdict, name = connection.session.hear(
            text, limit=plan.joins, swallow=upstream.faults.swallows, leaves=not plan.leave_ignored
        )
        if verdict is Verdict.OVER_LIMIT:
            words = f"{plan.joins} channels joined and {name}, by {connection.peer}"
            upstream.offences.note(Violation.JOINS, upstream.clock(), words)
            frame = upstream.settings.join_limit_frame.replace(" 50 ", f" {plan.joins} ")
            self._later(lambda: self._say(connection, frame.encode()))
        elif verdict is Verdict.JOINED and upstream.faults.deafens(name):
            self._later(lambda: self._say(connection, ack_text(name)))
        elif verdict in ANSWERED:
            self._later(lambda: self._acknowledge(connection, verdict, name))

    def _acknowledge(self, connection: Connection, verdict: Verdict, name: str) -> None:
        """Answer a join or leave; only then it takes effect, and data may follow at once."""
        self._say(connection, ack_text(name))
        if verdict is Verdict.LEFT and name not in connection.session.joined:
            self._upstream.leave(connection, name)
        elif name in connection.session.joined:
            self._upstream.join(connection, name)

    def _say(self, connection: Connection, text: bytes) -> None:
        self._upstream.say_raw(text_frame(text), to=[connection])

    def _later(self, act: Callable[[], None]) -> None:
        self._loop.call_later(self._upstream.chance.uniform(*_ACK_DELAY), act)

    def _write_if_open(self, data: bytes) -> None:
        if self._ws.state is State.OPEN and not self._transport.is_closing():
            self._transport.write(data)

    def _send_pending(self) -> None:
        for data in self._ws.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
