"""`/v1/stream`: the native protocol."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from ws_gateway.native.conversation import converse

router = APIRouter()


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speak `baleen.v1`."""
    await converse(websocket)
