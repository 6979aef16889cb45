"""FlowMind's dialect: the superset frame, which its documents and its widgets both read. Pure.

The documents promise `{channel, timestamp, data}`; some widgets read flat fields at the root of the frame,
some within `data`. So a frame carries both: `data` is the contract message plus the flat fields, and the flat
fields stand at the root again. A widget calls methods of numbers without asking, so every number it needs is
there or the message is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from ws_gateway.dialects.flowmind_rows import congress_row, dark_pool_row, flow_row, mover_row
from ws_gateway.dialects.flowmind_ticker_rows import (
    gex_row,
    gex_strike_expiry_row,
    lit_trade_row,
    off_lit_trade_row,
    option_trade_row,
)
from ws_gateway.dialects.timestamps import occurred
from ws_gateway.event import Event


@dataclass(frozen=True)
class Channel:
    """One of FlowMind's streams.

    Attributes:
        id: its id at `/api/stream/channels`, which its front end uses too.
        wire: its name in frames; a channel of one ticker is named `<wire>:<TICKER>`.
        path: its WebSocket's path below `/api/stream`.
        entity: the catalogue's entity it shows.
        row: the flat fields of a message, or None for a message that the widget cannot show.
        name: its title at `/api/stream/channels`.
        description: what it carries, for people.
        verified: whether the upstream has a socket channel of that very name.
        of_ticker: whether each client hears one ticker, which its path names.
    """

    id: str
    wire: str
    path: str
    entity: str
    row: Callable[[Mapping[str, Any]], dict[str, Any] | None]
    name: str
    description: str
    verified: bool = False
    of_ticker: bool = False

    def name_of(self, ticker: str) -> str:
        """Return the name in frames and in statistics of this channel for *ticker*."""
        return f"{self.wire}:{ticker}"


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
GEX: Final = Channel(
    id="gex",
    wire="gex",
    path="/ws/gex/{ticker}",
    entity="gex",
    row=gex_row,
    name="Gamma Exposure",
    description="Dealers' gamma exposure of a ticker",
    verified=True,
    of_ticker=True,
)
GEX_STRIKE_EXPIRY: Final = Channel(
    id="gex-strike-expiry",
    wire="gex_strike_expiry",
    path="/ws/gex-strike-expiry/{ticker}",
    entity="gex_strike_expiry",
    row=gex_strike_expiry_row,
    name="Gamma Exposure by Strike and Expiry",
    description="Dealers' gamma exposure of a ticker at each strike of each expiry",
    verified=True,
    of_ticker=True,
)
OPTION_TRADES: Final = Channel(
    id="option-trades",
    wire="option_trades",
    path="/ws/option-trades/{ticker}",
    entity="option_trade",
    row=option_trade_row,
    name="Option Trades",
    description="Every option print of a ticker",
    verified=True,
    of_ticker=True,
)
LIT_TRADES: Final = Channel(
    id="lit-trades",
    wire="lit_trades",
    path="/ws/lit-trades/{ticker}",
    entity="lit_trade",
    row=lit_trade_row,
    name="Lit Trades",
    description="Prints of a ticker on exchanges",
    verified=True,
    of_ticker=True,
)
OFF_LIT_TRADES: Final = Channel(
    id="off-lit-trades",
    wire="off_lit_trades",
    path="/ws/off-lit-trades/{ticker}",
    entity="dark_pool",
    row=off_lit_trade_row,
    name="Off-Exchange Trades",
    description="Prints of a ticker off the exchanges",
    verified=True,
    of_ticker=True,
)
CHANNELS: Final = (FLOW, MARKET_MOVERS, DARK_POOL, CONGRESS)
TICKER_CHANNELS: Final = (GEX, GEX_STRIKE_EXPIRY, OPTION_TRADES, LIT_TRADES, OFF_LIT_TRADES)


class FlowMind:
    """How FlowMind's clients are spoken to; they say nothing that has a meaning."""

    seed: bool = True

    def __init__(self, name: str = "flowmind", channels: Iterable[Channel] = CHANNELS) -> None:
        """Make the dialect of *channels*, no two of which show the same entity; *name* is theirs alone."""
        self.name = name
        self._by_entity = {channel.entity: channel for channel in channels}

    def encode(self, event: Event) -> bytes | None:
        """Return the superset frame of *event*, or None where no widget could show it.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        channel = self._by_entity.get(event.entity)
        if channel is None:
            return None
        body = event.data
        row = channel.row(body)
        if row is None:
            return None
        name = channel.wire
        if channel.of_ticker:
            ticker = row["ticker"] = body["symbol"].upper()
            name = channel.name_of(ticker)
        row["timestamp"] = occurred(body)
        return orjson.dumps({"channel": name, **row, "data": {**body, **row}})

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:  # noqa: ARG002 - the dialect's signature
        """Answer nothing: the protocol has no client commands."""
        return ()

    def error(self, code: str, message: str, now: datetime) -> bytes:  # noqa: ARG002 - the dialect's signature
        """Return nothing: a widget takes every frame for a row and fails on one without numbers.

        The close code and its reason tell the client instead.
        """
        return b""
