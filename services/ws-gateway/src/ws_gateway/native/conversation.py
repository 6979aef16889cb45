"""A conversation in the native protocol: requests are done here, what is said is the dialect's."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from fastapi import WebSocket

from baleen_contracts.close_codes import Return, code_of, comes_back
from baleen_contracts.stream_protocol import SUBPROTOCOL
from ws_gateway.errors import Farewell, Refusal
from ws_gateway.event import Event
from ws_gateway.hub.wishes import plain
from ws_gateway.native.dialect import (
    Native,
    Ping,
    Subscribe,
    Unsubscribe,
    Wrong,
    excess_of,
    read,
)
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

NEWEST_SHOWN = 50
"""Messages of a snapshot where not the last per subject counts but the sequence."""
_SNAPSHOT = "native snapshot"
_COME_BACK_WITHIN_MS = 3_000


class Conversation:
    """One native client and its topics."""

    __slots__ = ("_gateway", "topics")

    dialect: ClassVar[Native] = Native()
    label: ClassVar[str] = "native"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.topics: frozenset[str] = frozenset()

    def heard(self, wire: Wire, text: str) -> None:
        """Obey or refuse a request."""
        match read(text):
            case Subscribe() as request:
                self._subscribe(wire, request)
            case Unsubscribe() as request:
                self.topics -= frozenset(request.topics)
                answer = text_frame(self.dialect.unsubscribed(request))
                self._gateway.hub.move(wire, plain(self.topics), [answer])
            case Ping(number):
                wire.say(text_frame(self.dialect.pong(number, datetime.now(UTC))))
            case Wrong() as wrong:
                self._refuse(wire, wrong)

    def _subscribe(self, wire: Wire, request: Subscribe) -> None:
        topics = self.topics | frozenset(request.topics)
        excess = excess_of(topics)
        if excess is not None:
            self._refuse(wire, Wrong(Refusal.TOO_MANY, excess, request.id))
            return
        self.topics = topics
        answer = [
            text_frame(self.dialect.subscribed(request, self._gateway.past.positions_of(request.topics)))
        ]
        if request.snapshot:
            items = self._snapshot(self._gateway.past.memory.present(request.topics, NEWEST_SHOWN))
            answer += items
            answer.append(text_frame(self.dialect.snapshot_end(request, len(items))))
        self._gateway.hub.move(wire, plain(topics), answer)

    def _snapshot(self, events: Iterable[Event]) -> list[bytes]:
        frames = []
        for event in events:
            if self._gateway.hub.frame(self.dialect, event) is None:
                continue
            frame = event.frames.get(_SNAPSHOT)
            if frame is None:
                frame = event.frames[_SNAPSHOT] = text_frame(self.dialect.snapshot_item(event))
            frames.append(frame)
        return frames

    def _refuse(self, wire: Wire, wrong: Wrong) -> None:
        self._gateway.hub.refusals[wrong.refusal] += 1
        wire.say(text_frame(self.dialect.wrong(wrong)))

    def heartbeat(self, now: datetime) -> bytes:
        """Return the frame that shows an idle client that we live."""
        return text_frame(self.dialect.heartbeat(now))

    def farewell(self, reason: Farewell, now: datetime) -> tuple[int, str, bytes]:
        """Return code, reason and last frames; who may come back is told when, spread over a while."""
        code, words = _FAREWELLS[reason]
        wait = random.randrange(_COME_BACK_WITHIN_MS)  # noqa: S311 - spreads load, guards nothing
        last = text_frame(self.dialect.error(reason.value, words, now))
        if reason is Farewell.LEAVING:
            last = text_frame(self.dialect.drain(wait))
        if comes_back(code) is Return.LATER:
            words = f"{words}; retry_in_ms={wait}"
        return code, words, last

    def expiring(self, in_seconds: float) -> bytes:
        """Return the frame that asks for a fresher token."""
        return text_frame(self.dialect.token_expiring(round(in_seconds * 1000)))

    def code_of_broken(self, standard: int) -> int:  # noqa: ARG002 - natives have a code of their own
        """Return the close code for a client that broke the WebSocket protocol."""
        return _BAD_FRAME

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:  # noqa: ARG002 - it resumes when it comes back
        """Return that it cannot catch up: it is closed and told when to come back."""
        return False

    def drained(self, wire: Wire) -> None:
        """Hear nothing, since it never falls behind and stays."""


_FAREWELLS = {
    Farewell.TOO_SLOW: (code_of("too_slow", native=True), "you read too slowly"),
    Farewell.BUSY: (code_of("busy", native=True), "the gateway is full"),
    Farewell.LEAVING: (code_of("leaving", native=True), "the gateway restarts"),
    Farewell.SILENT: (code_of("no_pong", native=True), "no answer to our pings"),
    Farewell.ORIGIN: (code_of("forbidden", native=True), "this origin is not allowed"),
    Farewell.TOO_OFTEN: (code_of("too_many_messages", native=True), "you say too much"),
    Farewell.UNAUTHENTICATED: (code_of("unauthenticated", native=True), "no token was handed in"),
    Farewell.EXPIRED: (code_of("unauthenticated", native=True), "the token has expired"),
    Farewell.FORBIDDEN: (code_of("forbidden", native=True), "the token does not allow this"),
    Farewell.CROWDED: (
        code_of("too_many_connections", native=True),
        "as many connections as one address or one subject may have",
    ),
    Farewell.KEYLESS: (code_of("busy", native=True), "tokens cannot be checked at the moment"),
}
_BAD_FRAME = code_of("bad_frame", native=True)


async def converse(websocket: WebSocket) -> None:
    """Accept *websocket*, greet it and hand it to the hub."""
    gateway: Gateway = websocket.app.state.gateway
    conversation = Conversation(gateway)
    offered = websocket.scope.get("subprotocols", [])
    wire = await gateway.take_in(websocket, conversation, SUBPROTOCOL if SUBPROTOCOL in offered else None)
    if wire is None:
        return
    welcome = conversation.dialect.welcome(datetime.now(UTC), simulated=gateway.simulated)
    gateway.hub.admit(wire, plain(()), [text_frame(welcome)])
    wire.replay_early()
