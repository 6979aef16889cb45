"""From accepted to live: greet, show the snapshot, hand the transport to the hub.

The routes say what a client wants as an `Opening`; the rest is the same for every dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import WebSocket

from ws_gateway.dialects import Dialect


@dataclass(frozen=True)
class Last:
    """Begin with the last message of every subject that the topics match."""


@dataclass(frozen=True)
class Newest:
    """Begin with the newest *count* messages that the topics match, oldest first."""

    count: int


@dataclass(frozen=True)
class Nothing:
    """Begin with what comes next."""


@dataclass(frozen=True)
class Opening:
    """How a client's conversation begins.

    Attributes:
        dialect: how it is spoken to.
        topics: public subjects or NATS patterns over them.
        label: under which name the connection is counted in statistics and metrics, such as `flow-alerts`.
        greeting: JSON texts sent first.
        snapshot: what of the past is sent after the greeting.
    """

    dialect: Dialect
    topics: tuple[str, ...]
    label: str
    greeting: Sequence[bytes] = field(default_factory=tuple)
    snapshot: Last | Newest | Nothing = Nothing()


async def serve(websocket: WebSocket, opening: Opening) -> None:
    """Accept *websocket* and hand it to the hub; returns at once, the connection lives on in the hub."""
    await websocket.app.state.gateway.open(websocket, opening)
