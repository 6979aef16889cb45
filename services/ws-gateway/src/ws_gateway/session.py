"""From accepted to live: greet, show the snapshot, hand the transport to the hub.

The routes say what a client wants as an `Opening`; the rest is the same for every dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import WebSocket

from baleen_contracts.close_codes import code_of
from ws_gateway.dialects import Dialect
from ws_gateway.errors import Farewell
from ws_gateway.hub.wishes import plain
from ws_gateway.opening import Opening
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway


class Plain:
    """The conversation of a client that is told its opening's topics as long as it stays."""

    __slots__ = ("dialect", "label")

    def __init__(self, dialect: Dialect, label: str) -> None:
        self.dialect = dialect
        self.label = label

    def heard(self, wire: Wire, text: str) -> None:
        """Answer as the dialect does."""
        for reply in self.dialect.hear(text, datetime.now(UTC)):
            wire.say(text_frame(reply))
            wire.said += 1

    def heartbeat(self, now: datetime) -> bytes:  # noqa: ARG002 - seeds know no heartbeat but the ping
        """Return nothing: the ping is enough."""
        return b""

    def farewell(
        self, reason: Farewell, now: datetime, particular: str | None = None
    ) -> tuple[int, str, bytes]:
        """Return code, reason and an error frame, since not every client shows close codes."""
        code, usual = _FAREWELLS[reason]
        words = particular or usual
        return code, words, text_frame(self.dialect.error(reason.value, words, now))

    def expiring(self, in_seconds: float) -> bytes:  # noqa: ARG002 - seeds know nothing of tokens
        """Return nothing: seeds have no word for it; closed, they come back with another token."""
        return b""

    def code_of_broken(self, standard: int) -> int:
        """Return the close code for a client that broke the WebSocket protocol: the standard's own."""
        return standard

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:  # noqa: ARG002 - no seed knows where it stood
        """Return that it cannot catch up: it is closed and told when to come back."""
        return False

    def drained(self, wire: Wire) -> None:
        """Hear nothing, since it never falls behind and stays."""


_FAREWELLS = {
    Farewell.FAILED: (code_of("internal_error", native=False), "the gateway failed at this connection"),
    Farewell.TOO_SLOW: (code_of("try_later", native=False), "you read too slowly; try again later"),
    Farewell.BUSY: (code_of("try_later", native=False), "the gateway is full; try again later"),
    Farewell.LEAVING: (code_of("leaving", native=False), "the gateway restarts; come back"),
    Farewell.SILENT: (code_of("internal_error", native=False), "no answer to our pings"),
    Farewell.ORIGIN: (code_of("policy", native=False), "this origin is not allowed"),
    Farewell.BAD_REQUEST: (code_of("policy", native=False), "there is no such thing to hear"),
    Farewell.TOO_OFTEN: (code_of("policy", native=False), "you say too much"),
    Farewell.UNAUTHENTICATED: (code_of("policy", native=False), "a token is needed, and none was handed in"),
    Farewell.EXPIRED: (code_of("policy", native=False), "the token has expired; come back with a new one"),
    Farewell.FORBIDDEN: (code_of("policy", native=False), "the token does not allow this"),
    Farewell.CROWDED: (
        code_of("try_later", native=False),
        "as many connections as one address or one subject may have; try again later",
    ),
    Farewell.KEYLESS: (
        code_of("try_later", native=False),
        "tokens cannot be checked at the moment; try again later",
    ),
}


async def serve(websocket: WebSocket, opening: Opening) -> None:
    """Accept *websocket* and hand it to the hub; returns at once, the connection lives on in the hub."""
    gateway: Gateway = websocket.app.state.gateway
    session = Plain(opening.dialect, opening.label)
    wire = await gateway.take_in(websocket, session)
    if wire is None or not gateway.entry.allow(wire, opening.topics):
        return
    hub = gateway.hub
    shown = [hub.frame(opening.dialect, event) for event in opening.first_of(gateway.past)]
    first = [*map(text_frame, opening.greeting), *(frame for frame in shown if frame is not None)]
    gateway.snapshots.note(len(first) - len(opening.greeting))
    hub.admit(wire, plain(opening.topics), first)
    wire.said += len(first)
    wire.replay_early()


async def turn_away(websocket: WebSocket, dialect: Dialect, label: str, why: str) -> None:
    """Accept *websocket* and close it, saying in its dialect *why* what it asked for cannot be served."""
    gateway: Gateway = websocket.app.state.gateway
    wire = await gateway.take_in(websocket, Plain(dialect, label))
    if wire is not None:
        gateway.hub.end(wire, Farewell.BAD_REQUEST, why)
