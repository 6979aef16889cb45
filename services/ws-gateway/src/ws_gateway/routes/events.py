"""`/v1/events`: the native protocol's topics as Server-Sent Events. `docs/events.md` is its document."""

from __future__ import annotations

import random
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ws_gateway.doors.rights import Identity
from ws_gateway.errors import Farewell, Refusal
from ws_gateway.events.asking import asked
from ws_gateway.events.station import Station
from ws_gateway.events.stream import EventStream
from ws_gateway.gateway import Gateway
from ws_gateway.native.farewells import FAREWELLS
from ws_gateway.native.requests import CROWDED_FILTERS, Subscribe, Wrong
from ws_gateway.wire.answering import take_answer
from ws_gateway.wire.one_way import OneWay

router = APIRouter()

PATH: Final = "/v1/events"
_COME_BACK: Final = (2, 5)
_SHOWN: Final = b"authorization, cache-control, last-event-id"
_STATUS: Final = {Farewell.ORIGIN: 403, Farewell.CROWDED: 429, Farewell.LEAVING: 503, Farewell.BUSY: 503}
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy in front must not collect events before it passes them on
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),  # the address may hold a token
)


class _Begun(Response):
    """The answer that goes on elsewhere: nothing is left to be sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


@router.get(PATH)
async def events(request: Request) -> Response:
    """Tell of topics for as long as the client stays."""
    gateway: Gateway = request.app.state.gateway
    station: Station = request.app.state.events
    identity: Identity = request.state.identity
    wait = gateway.entry.wait_of(request.scope)
    if wait is not None:
        return _refused(request, 503, Refusal.BUSY, "too many connections are being made", wait)
    wanted = asked(request.query_params.multi_items(), request.headers.get("last-event-id"))
    if isinstance(wanted, Wrong):
        gateway.hub.refusals[wanted.refusal] += 1
        return _refused(request, 400, wanted.refusal, wanted.message)
    denied = next((topic for topic in wanted.topics if not identity.may_subscribe(topic)), None)
    if denied is not None:
        gateway.hub.refusals[Refusal.FORBIDDEN] += 1
        return _refused(request, 403, Refusal.FORBIDDEN, f"the token does not allow {denied[:80]!r}")
    if not gateway.hub.lanes.has_room_for(wanted.filter):
        gateway.hub.refusals[Refusal.BUSY] += 1
        return _refused(request, 503, Refusal.BUSY, CROWDED_FILTERS, _soon())
    if not await station.knows(wanted.topics) and not gateway.leaving:
        return _refused(request, 503, Refusal.BUSY, "the gateway has only just begun", _soon())
    return _begun(request, wanted, identity)


@router.options(PATH)
async def ask_first(request: Request) -> Response:
    """Tell a browser which headers pages of other origins may send."""
    headers = dict(_cross_origin(request))
    if b"access-control-allow-origin" not in headers:
        return _refused(request, 403, Farewell.ORIGIN, FAREWELLS[Farewell.ORIGIN][1])
    headers |= {b"access-control-allow-methods": b"GET", b"access-control-allow-headers": _SHOWN}
    return Response(status_code=204, headers=_texts(headers))


def _begun(request: Request, wanted: Subscribe, identity: Identity) -> Response:
    """Begin the answer, or refuse; nothing is awaited here, so that limits hold."""
    gateway: Gateway = request.app.state.gateway
    station: Station = request.app.state.events
    reason = gateway.objection(request)
    stream = EventStream(gateway, station.dialect(wanted.topics))
    wire = OneWay(gateway.hub, stream)
    if reason is None and gateway.entry.let_listen(wire, request.scope, identity) is not None:
        reason = Farewell.CROWDED
    if reason is not None:
        code, words = FAREWELLS[reason]
        gateway.hub.farewells[code, reason] += 1
        return _refused(
            request, _STATUS[reason], reason, words, None if reason is Farewell.ORIGIN else _soon()
        )
    try:
        take_answer(request, wire, [*_HEADERS, *_cross_origin(request)])
    except ConnectionResetError:
        gateway.hub.lost(wire)
        return Response()
    try:
        stream.open(wire, wanted)
    except Exception:
        gateway.hub.end(wire, Farewell.FAILED)
        raise
    return _Begun()


def _refused(
    request: Request, status: int, code: Refusal | Farewell, words: str, wait: int | None = None
) -> Response:
    """Say why nothing is told, in the native protocol's words, and after how many seconds to come back."""
    headers = {"Cache-Control": "no-store", **_texts(dict(_cross_origin(request)))}
    if wait is not None:
        headers |= {"Retry-After": str(wait)}
    told: dict[str, Any] = {"code": code.value, "message": words}
    return JSONResponse(told, status, headers)


def _cross_origin(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the headers by which a browser lets a page of an admitted origin read the answer."""
    gateway: Gateway = request.app.state.gateway
    origin, host = request.headers.get("origin"), request.headers.get("host")
    varies = (b"vary", b"origin")
    if origin is None or not gateway.doors.admits(origin, host):
        return [varies]
    allowed = (b"access-control-allow-origin", origin.encode("latin-1"))
    return [varies, allowed, (b"access-control-expose-headers", b"retry-after")]


def _texts(headers: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in headers.items()}


def _soon() -> int:
    return random.randint(*_COME_BACK)  # noqa: S311 - spreads load, guards nothing
