"""`/api/v1/ws/…`: Alpha Terminal's ten channels and its statistics, and the same under `/ws/…`.

Its documents and three of its widgets leave the prefix out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, WebSocket
from starlette.datastructures import State

from ws_gateway.dialects.alpha_channels import (
    AlphaChannel,
    agent,
    dark_pool,
    divergence,
    gamma,
    health,
    is_alpha,
    market,
    narrative,
    options,
    signals,
    unified,
)
from ws_gateway.dialects.alpha_terminal import AlphaDivergence, AlphaSignals, AlphaTerminal
from ws_gateway.dialects.timestamps import stamp
from ws_gateway.errors import Refusal
from ws_gateway.fleet.questions import MAX_ROWS
from ws_gateway.gateway import Gateway
from ws_gateway.opening import Newest, Nothing, Opening
from ws_gateway.session import serve, turn_away

_channels = APIRouter()

MAX_REPLAY: Final = 200
MAX_KEYS_SEEN: Final = 1_000
"""Channels that stay in the statistics; a client may invent any ticker, so the oldest gives way."""
FAMILY: Final = "alpha_terminal"
"""What the names of all dialects of these channels begin with."""


@_channels.websocket("/unified")
async def on_unified(websocket: WebSocket) -> None:
    """Everything: alerts, signals, market data, agents' insights, narratives."""
    await _open(websocket, unified)


@_channels.websocket("/market/{symbol}")
async def on_market(websocket: WebSocket, symbol: str) -> None:
    """Everything about one ticker."""
    await _open(websocket, lambda: market(symbol))


@_channels.websocket("/signals")
async def on_signals(websocket: WebSocket) -> None:
    """Signals, and the alerts that are signals."""
    await _open(websocket, signals, _signals)


@_channels.websocket("/agents/{agent_name}")
async def on_agent(websocket: WebSocket, agent_name: str) -> None:
    """The insights of one agent."""
    await _open(websocket, lambda: agent(agent_name))


@_channels.websocket("/narrative")
async def on_narrative(websocket: WebSocket) -> None:
    """The market told as a story."""
    await _open(websocket, narrative)


@_channels.websocket("/darkpool/{symbol}")
async def on_dark_pool(websocket: WebSocket, symbol: str) -> None:
    """Prints of one ticker off the exchanges."""
    await _open(websocket, lambda: dark_pool(symbol))


@_channels.websocket("/gamma/{symbol}")
async def on_gamma(websocket: WebSocket, symbol: str) -> None:
    """The gamma exposure of one ticker."""
    await _open(websocket, lambda: gamma(symbol))


@_channels.websocket("/options/{symbol}")
async def on_options(websocket: WebSocket, symbol: str) -> None:
    """The flow alerts of one ticker."""
    await _open(websocket, lambda: options(symbol))


@_channels.websocket("/divergence")
async def on_divergence(websocket: WebSocket) -> None:
    """Alerts of divergences."""
    await _open(websocket, divergence, lambda _gateway, count: AlphaDivergence(count))


@_channels.websocket("/health")
async def on_health(websocket: WebSocket) -> None:
    """How the feeds stand."""
    await _open(websocket, health)


@_channels.get("/stats", tags=["alpha terminal"])
async def stats(request: Request) -> dict[str, Any]:
    """Count connections by channel; a channel that everybody left stays, at 0.

    `message_count` counts all that was said to a client: welcome and pongs too. The connections of this
    worker are all shown, of each other the longest `MAX_ROWS`.
    """
    gateway: Gateway = request.app.state.gateway
    elsewhere, _silent = await gateway.fleet.clients_elsewhere(dialect=FAMILY, limit=MAX_ROWS)
    by_label = gateway.fleet.totals().by_label
    seen = dict.fromkeys((*_keys_seen(request.app.state), *gateway.fleet.presence.labels_seen), 0)
    channels = {label: count for label, count in (seen | dict(by_label)).items() if is_alpha(label)}
    connections = [
        {
            "channel": one.label,
            "connected_at": stamp(one.connected_at),
            "message_count": one.message_count,
        }
        for one in gateway.hub.stats().connections
        if is_alpha(one.label)
    ]
    connections += [
        {"channel": row["label"], "connected_at": row["connected_at"], "message_count": row["messages"]}
        for row in elsewhere
    ]
    return {
        "total_connections": sum(channels.values()),
        "channels": channels,
        "connections": connections,
    }


def _plain(_gateway: Gateway, count_unread: Callable[[], None]) -> AlphaTerminal:
    return AlphaTerminal(count_unread)


def _signals(gateway: Gateway, count_unread: Callable[[], None]) -> AlphaTerminal:
    return AlphaSignals(count_unread, frozenset(kind.lower() for kind in gateway.settings.not_signals))


async def _open(
    websocket: WebSocket,
    choose: Callable[[], AlphaChannel],
    speak: Callable[[Gateway, Callable[[], None]], AlphaTerminal] = _plain,
) -> None:
    """Serve the channel that *choose* returns, with as much history as `?replay=` asks for."""
    gateway: Gateway = websocket.app.state.gateway
    now = datetime.now(UTC)

    def count_unread() -> None:
        gateway.hub.refusals[Refusal.BAD_JSON] += 1

    dialect = speak(gateway, count_unread)
    try:
        channel, replay = choose(), _replay(websocket.query_params.get("replay"))
    except ValueError as error:
        await turn_away(websocket, dialect, "alpha", str(error))
        return
    opening = Opening(
        dialect=dialect,
        topics=channel.topics,
        label=channel.key,
        greeting=(channel.welcome(now),),
        snapshot=Newest(replay) if replay else Nothing(),
    )
    await serve(websocket, opening)
    if channel.key in gateway.hub.by_label:  # whoever was turned away leaves no trace
        _note_key(websocket.app.state, channel.key)


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


router = APIRouter()
for _prefix in ("/api/v1/ws", "/ws"):
    router.include_router(_channels, prefix=_prefix)
