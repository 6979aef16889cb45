"""`/api/stream/…`: FlowMind's nine streams and its four HTTP endpoints."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse
from nats.errors import NoRespondersError
from pydantic import ValidationError

from baleen_bus.errors import BusError
from baleen_contracts.catalogue import CATALOGUE, by_name
from baleen_contracts.command import RECONNECT_SUBJECT, CommandReply, CommandRequest
from baleen_runtime import tracing
from baleen_runtime.traceparent import heard_in
from ws_gateway.dialects import flowmind_status
from ws_gateway.dialects.flowmind import (
    CONGRESS,
    DARK_POOL,
    FLOW,
    GEX,
    GEX_STRIKE_EXPIRY,
    LIT_TRADES,
    MARKET_MOVERS,
    OFF_LIT_TRADES,
    OPTION_TRADES,
    TICKER_CHANNELS,
    Channel,
    FlowMind,
)
from ws_gateway.dialects.flowmind_status import Clients, Feeds
from ws_gateway.dialects.path_keys import ticker_of, topic_of_ticker
from ws_gateway.event import Event
from ws_gateway.gateway import Gateway
from ws_gateway.opening import Last, Newest, Opening
from ws_gateway.session import serve, turn_away
from ws_gateway.traces import answered, asking, hearing

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/stream")

NEWEST: Final = Newest(50)
MATRIX_POINTS: Final = 1_000
"""Strikes that a page is shown at once: it keeps no more, and making many thousands ready holds others up."""
RECONNECT_EVERY: Final = 60.0
TOO_SOON: Final = "TOO_SOON"
"""The code with which uw-ingest says that it has reconnected lately."""
_ANSWERED_WITHIN: Final = 10.0
_DIALECT: Final = FlowMind()
_TICKERS: Final = FlowMind("flowmind.tickers", TICKER_CHANNELS)
_UPSTREAM: Final = tuple(
    entity.pattern
    for entity in CATALOGUE
    if entity.producer == "uw-ingest" and not entity.name.startswith("feed_")
)


@router.websocket(FLOW.path)
async def on_flow(websocket: WebSocket) -> None:
    """Flow alerts, beginning with the newest 50."""
    await _open(websocket, FLOW, NEWEST)


@router.websocket(MARKET_MOVERS.path)
async def on_market_movers(websocket: WebSocket) -> None:
    """Market movers, beginning with the last of every ticker."""
    await _open(websocket, MARKET_MOVERS, Last())


@router.websocket(DARK_POOL.path)
async def on_dark_pool(websocket: WebSocket) -> None:
    """Dark-pool prints, beginning with the newest 50."""
    await _open(websocket, DARK_POOL, NEWEST)


@router.websocket(CONGRESS.path)
async def on_congress(websocket: WebSocket) -> None:
    """Congress trades, beginning with the newest 50."""
    await _open(websocket, CONGRESS, NEWEST)


@router.websocket(GEX.path)
async def on_gex(websocket: WebSocket, ticker: str) -> None:
    """The exposure of one ticker, beginning with the last."""
    await _open_ticker(websocket, GEX, ticker, Last())


@router.websocket(GEX_STRIKE_EXPIRY.path)
async def on_gex_strike_expiry(websocket: WebSocket, ticker: str) -> None:
    """The exposure of one ticker by strike and expiry, beginning with as many of the last as a page keeps."""
    await _open_ticker(websocket, GEX_STRIKE_EXPIRY, ticker, Last(MATRIX_POINTS))


@router.websocket(OPTION_TRADES.path)
async def on_option_trades(websocket: WebSocket, ticker: str) -> None:
    """Option prints of one ticker, beginning with the newest at hand."""
    await _open_ticker(websocket, OPTION_TRADES, ticker, NEWEST)


@router.websocket(LIT_TRADES.path)
async def on_lit_trades(websocket: WebSocket, ticker: str) -> None:
    """Prints of one ticker on exchanges, beginning with the newest at hand."""
    await _open_ticker(websocket, LIT_TRADES, ticker, NEWEST)


@router.websocket(OFF_LIT_TRADES.path)
async def on_off_lit_trades(websocket: WebSocket, ticker: str) -> None:
    """Prints of one ticker off the exchanges, beginning with the newest at hand."""
    await _open_ticker(websocket, OFF_LIT_TRADES, ticker, NEWEST)


@router.get("/status", tags=["flowmind"])
async def status(request: Request) -> dict[str, Any]:
    """Say how the upstream stands and who listens."""
    gateway: Gateway = request.app.state.gateway
    return flowmind_status.status(_feeds(gateway), _clients(gateway))


@router.get("/channels", tags=["flowmind"])
async def channels(request: Request) -> dict[str, Any]:
    """List the streams."""
    gateway: Gateway = request.app.state.gateway
    return flowmind_status.channels(_feeds(gateway), _clients(gateway))


@router.get("/health", tags=["flowmind"])
async def health(request: Request) -> JSONResponse:
    """Answer 200 while upstream data can arrive, else 503."""
    gateway: Gateway = request.app.state.gateway
    code, body = flowmind_status.health(_feeds(gateway), _clients(gateway))
    return JSONResponse(body, code)


@router.post("/reconnect", tags=["flowmind"])
async def reconnect(request: Request) -> JSONResponse:
    """Ask uw-ingest to connect anew: 200 when it has, 429 within a minute, 503 without anybody to ask."""
    with hearing("/api/stream/reconnect", heard_in(request.scope["headers"])) as span:
        answer = await _reconnect(request)
        span.note(http__response__status_code=answer.status_code)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.fail(str(answer.status_code))
        return answer


async def _reconnect(request: Request) -> JSONResponse:
    state = request.app.state
    wait = getattr(state, "reconnect_allowed_at", 0.0) - time.monotonic()
    if wait > 0:
        seconds = str(math.ceil(wait))
        detail = f"Reconnected less than a minute ago; try again in {seconds} s"
        return JSONResponse({"detail": detail}, 429, {"Retry-After": seconds})
    # Said before the answer is awaited, so that a second request cannot slip in between.
    state.reconnect_allowed_at = time.monotonic() + RECONNECT_EVERY
    reply = await _ask_ingest(state.gateway, request)
    if reply is None:
        return JSONResponse({"detail": "WebSocket client not initialized"}, 503)
    if reply.code == TOO_SOON:  # somebody has asked another worker or replica
        detail, seconds = reply.message or "Reconnected lately", str(math.ceil(RECONNECT_EVERY))
        return JSONResponse({"detail": detail}, 429, {"Retry-After": seconds})
    if not reply.ok:
        return JSONResponse({"detail": reply.message or "Failed to reconnect"}, 500)
    return JSONResponse({"status": "success", "message": "Reconnected to Unusual Whales WebSocket"})


async def _ask_ingest(gateway: Gateway, request: Request) -> CommandReply | None:
    """Return the answer of uw-ingest, None where nobody answers.

    Where nobody even listens, nothing has been done, and the next request need not wait.
    """
    if gateway.bus is None:
        request.app.state.reconnect_allowed_at = 0.0
        return None
    client = request.client.host if request.client else None
    command = CommandRequest(action="reconnect", client=client)
    body = command.model_dump(mode="json", exclude_none=True)
    with asking(RECONNECT_SUBJECT, command.action) as span:
        try:
            answer = await gateway.bus.request_json(
                RECONNECT_SUBJECT, body, headers=tracing.headers(), within=_ANSWERED_WITHIN
            )
            reply = CommandReply.model_validate(answer)
        except (BusError, ValidationError) as error:
            log.warning("nobody reconnects", reason=str(error))
            if isinstance(error.__cause__, NoRespondersError):
                request.app.state.reconnect_allowed_at = 0.0
            span.fail("no_answer")
            return None
        answered(span, reply)
        return reply


async def _open(websocket: WebSocket, channel: Channel, snapshot: Last | Newest) -> None:
    topics = (by_name(channel.entity).pattern,)
    await serve(websocket, Opening(dialect=_DIALECT, topics=topics, label=channel.id, snapshot=snapshot))


async def _open_ticker(websocket: WebSocket, channel: Channel, asked: str, snapshot: Last | Newest) -> None:
    """Serve one ticker, however it is spelt; what can be none is closed, and the reason says why."""
    try:
        ticker = ticker_of(asked)
        topic = topic_of_ticker(channel.entity, ticker)
    except ValueError as error:
        await turn_away(websocket, _TICKERS, channel.id, str(error))
        return
    label = channel.name_of(ticker)
    await serve(websocket, Opening(dialect=_TICKERS, topics=(topic,), label=label, snapshot=snapshot))


def _feeds(gateway: Gateway) -> Feeds:
    newest = [event for pattern in _UPSTREAM for event in gateway.newest(pattern, 1)]
    heard = [moment for event in newest if (moment := _received_at(event)) is not None]
    return Feeds(gateway.feed_statuses().values(), datetime.now(UTC), heard)


def _received_at(event: Event) -> datetime | None:
    """Return when a message reached us, None where it does not say so: one bad row hides no good one."""
    try:
        moment = datetime.fromisoformat(event.data["received_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return moment if moment.tzinfo is not None else None


def _clients(gateway: Gateway) -> Clients:
    totals = gateway.fleet.totals()
    uptime = 0.0 if totals.since is None else max(0.0, time.time() - totals.since)
    return Clients(totals.by_label, totals.connects, totals.disconnects, totals.messages, uptime)
