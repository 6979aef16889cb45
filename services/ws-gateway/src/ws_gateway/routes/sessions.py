"""`/ws/backtest/{session_id}` and `/ws/forward/{session_id}`: the sessions of AlphaLab's engines."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from baleen_contracts.session import SessionType
from ws_gateway.gateway import Gateway
from ws_gateway.sessions.watching import Watching

router = APIRouter(prefix="/ws")


@router.websocket("/backtest/{session_id}")
async def on_backtest(websocket: WebSocket, session_id: str) -> None:
    """One backtest: its events from the beginning, and orders to its engine."""
    await _watch(websocket, session_id, SessionType.BACKTEST)


@router.websocket("/forward/{session_id}")
async def on_forward(websocket: WebSocket, session_id: str) -> None:
    """One forward test: its events from the beginning, and orders to its engine."""
    await _watch(websocket, session_id, SessionType.FORWARD)


async def _watch(websocket: WebSocket, session_id: str, kind: SessionType) -> None:
    gateway: Gateway = websocket.app.state.gateway
    session = Watching(gateway, session_id, kind)
    wire = await gateway.take_in(websocket, session)
    if wire is None:
        return
    gateway.hub.admit(wire, frozenset(), ())
    wire.replay_early()
    await gateway.sessions.open(wire, session, kind)
