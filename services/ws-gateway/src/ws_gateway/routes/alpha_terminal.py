"""`/api/v1/ws/…`: Alpha Terminal's five channels and its statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, WebSocket
from starlette.datastructures import State

from ws_gateway.dialects.alpha_channels import (
    AlphaChannel,
    agent,
    is_alpha,
    market,
    narrative,
    signals,
    unified,
)
from ws_gateway.dialects.alpha_terminal import AlphaSignals, AlphaTerminal
from ws_gateway.dialects.timestamps import stamp
from ws_gateway.errors import Refusal
from ws_gateway.gateway import Gateway
from ws_gateway.session import Newest, Nothing, Opening, serve

router = APIRouter(prefix="/api/v1/ws")

MAX_REPLAY: Final = 200
MAX_KEYS_SEEN: Final = 1_000
"""Channels that stay in the statistics; a client may invent any ticker, so the oldest gives way."""
_POLICY: Final = 1008


@router.websocket("/unified")
async def on_unified(websocket: WebSocket) -> None:
    """Everything: alerts, signals, market data, agents' insights, narratives."""
    await _open(websocket, unified)


@router.websocket("/market/{symbol}")
async def on_market(websocket: WebSocket, symbol: str) -> None:
    """Everything about one ticker."""
    await _open(websocket, lambda: market(symbol))


@router.websocket("/signals")
async def on_signals(websocket: WebSocket) -> None:
    """Signals, and the alerts that are signals."""
    await _open(websocket, signals, only_signals=True)


@router.websocket("/agents/{agent_name}")
async def on_agent(websocket: WebSocket, agent_name: str) -> None:
    """The insights of one agent."""
    await _open(websocket, lambda: agent(agent_name))


@router.websocket("/narrative")
async def on_narrative(websocket: WebSocket) -> None:
    """The market told as a story."""
    await _open(websocket, narrative)


@router.get("/stats", tags=["alpha terminal"])
async def stats(request: Request) -> dict[str, Any]:
    """Count connections by channel; a channel that everybody left stays, at 0.

    `message_count` counts the welcome too.
    """
    gateway: Gateway = request.app.state.gateway
    told = gateway.hub.stats()
    now = {label: count for label, count in told.by_label.items() if is_alpha(label)}
    channels = dict.fromkeys(_keys_seen(request.app.state), 0) | now
    connections = [one for one in told.connections if is_alpha(one.label)]
    return {
        "total_connections": sum(channels.values()),
        "channels": channels,
        "connections": [
            {
                "channel": one.label,
                "connected_at": stamp(one.connected_at),
                "message_count": one.message_count + 1,
            }
            for one in connections
        ],
    }


async def _open(
    websocket: WebSocket, choose: Callable[[], AlphaChannel], *, only_signals: bool = False
) -> None:
    """Serve the channel that *choose* returns, with as much history as `?replay=` asks for."""
    gateway: Gateway = websocket.app.state.gateway
    now = datetime.now(UTC)

    def count_unread() -> None:
        gateway.hub.refusals[Refusal.BAD_JSON] += 1

    not_signals: frozenset[str] = frozenset(kind.lower() for kind in gateway.settings.not_signals)
    dialect = AlphaSignals(count_unread, not_signals) if only_signals else AlphaTerminal(count_unread)
    try:
        channel, replay = choose(), _replay(websocket.query_params.get("replay"))
    except ValueError as error:
        await websocket.accept()
        await websocket.send_text(dialect.error(Refusal.BAD_REQUEST.value, str(error), now).decode())
        await websocket.close(_POLICY, str(error))
        return
    _note_key(websocket.app.state, channel.key)
    opening = Opening(
        dialect=dialect,
        topics=channel.topics,
        label=channel.key,
        greeting=(channel.welcome(now),),
        snapshot=Newest(replay) if replay else Nothing(),
    )
    await serve(websocket, opening)


def _keys_seen(state: State) -> dict[str, None]:
    """Return the keys of all channels that anybody has joined, oldest first."""
    if not hasattr(state, "alpha_keys"):
        state.alpha_keys = {}
    keys: dict[str, None] = state.alpha_keys
    return keys


def _note_key(state: State, key: str) -> None:
    keys = _keys_seen(state)
    keys[key] = None
    if len(keys) > MAX_KEYS_SEEN:
        del keys[next(iter(keys))]


def _replay(asked: str | None) -> int:
    """Return how many past messages a client gets.

    Raises:
        ValueError: it asked for what is no count.
    """
    if asked is None:
        return 0
    if not asked.isascii() or not asked.isdigit():
        raise ValueError(f"replay is a number from 0 to {MAX_REPLAY}")
    return min(int(asked[:9]), MAX_REPLAY)
