"""`/v1/stream`: the native protocol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, WebSocket

from baleen_contracts.stream_protocol import SUBPROTOCOL
from ws_gateway.doors.rights import NOBODY
from ws_gateway.hub.wishes import plain
from ws_gateway.native.conversation import Conversation
from ws_gateway.wire.frames import text_frame

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

router = APIRouter()


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Accept a client of `baleen.v1`, greet it and hand it to the hub."""
    gateway: Gateway = websocket.app.state.gateway
    conversation = Conversation(gateway)
    offered = websocket.scope.get("subprotocols", [])
    wire = await gateway.take_in(websocket, conversation, SUBPROTOCOL if SUBPROTOCOL in offered else None)
    if wire is None:
        return
    now = datetime.now(UTC)
    unknown = wire.identity is NOBODY
    dialect = conversation.dialect
    first = [dialect.welcome(now, client=wire.id, auth=unknown, simulated=gateway.simulated)]
    if gateway.deaf is not None:
        first.append(dialect.status("stale", gateway.deaf, now))
    gateway.hub.admit(wire, plain(()), [text_frame(text) for text in first])
    wire.replay_early()
