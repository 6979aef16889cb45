"""FlowMind's dialect: the superset frame, which its documents and its widgets both read. Pure.

The documents promise `{channel, timestamp, data}`; the widgets read flat fields at the root of the frame. So
a frame carries both: `data` is the contract message plus the flat fields, and the flat fields stand at the
root again. A widget calls methods of numbers without asking, so every number is there or the message is not
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from ws_gateway.dialects.flowmind_rows import congress_row, dark_pool_row, flow_row, mover_row
from ws_gateway.dialects.timestamps import occurred
from ws_gateway.event import Event


@dataclass(frozen=True)
class Channel:
    """One of FlowMind's streams.

    Attributes:
        id: its id at `/api/stream/channels`, which its front end uses too.
        wire: its name in frames.
        path: its WebSocket's path below `/api/stream`.
        entity: the catalogue's entity it shows.
        row: the flat fields of a message, or None for a message that the widget cannot show.
        name: its title at `/api/stream/channels`.
        description: what it carries, for people.
        verified: whether the upstream has a socket channel of that very name.
    """

    id: str
    wire: str
    path: str
    entity: str
    row: Callable[[Mapping[str, Any]], dict[str, Any] | None]
    name: str
    description: str
    verified: bool = False


FLOW: Final = Channel(
    id="flow-alerts",
    wire="flow-alerts",
    path="/ws/flow",
    entity="flow_alert",
    row=flow_row,
    name="Options Flow Alerts",
    description="Real-time options flow activity and unusual trades",
    verified=True,
)
MARKET_MOVERS: Final = Channel(
    id="market-movers",
    wire="market-movers",
    path="/ws/market-movers",
    entity="market_mover",
    row=mover_row,
    name="Market Movers",
    description="Stocks that move the most: gainers, losers, most active",
)
DARK_POOL: Final = Channel(
    id="dark-pool",
    wire="dark-pool",
    path="/ws/dark-pool",
    entity="dark_pool",
    row=dark_pool_row,
    name="Dark Pool",
    description="Real-time off-exchange prints",
)
CONGRESS: Final = Channel(
    id="congress",
    wire="congress-trades",
    path="/ws/congress",
    entity="congress_trade",
    row=congress_row,
    name="Congress Trades",
    description="Trades that members of congress disclosed",
)
CHANNELS: Final = (FLOW, MARKET_MOVERS, DARK_POOL, CONGRESS)

_BY_ENTITY: Final = {channel.entity: channel for channel in CHANNELS}


class FlowMind:
    """How FlowMind's clients are spoken to; they say nothing that has a meaning."""

    name: str = "flowmind"
    seed: bool = True

    def encode(self, event: Event) -> bytes | None:
        """Return the superset frame of *event*, or None where no widget could show it.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        channel = _BY_ENTITY.get(event.entity)
        if channel is None:
            return None
        body = event.data
        row = channel.row(body)
        if row is None:
            return None
        row["timestamp"] = occurred(body)
        return orjson.dumps({"channel": channel.wire, **row, "data": {**body, **row}})

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:  # noqa: ARG002 - the dialect's signature
        """Answer nothing: the protocol has no client commands."""
        return ()

    def error(self, code: str, message: str, now: datetime) -> bytes:  # noqa: ARG002 - the dialect's signature
        """Return nothing: a widget takes every frame for a row and fails on one without numbers.

        The close code and its reason tell the client instead.
        """
        return b""
