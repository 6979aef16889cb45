"""Takes plain JSON alerts over HTTP: a bounded body in, and an answer only when the bus has the alert."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from alert_bridge import shape
from alert_bridge.errors import BusAway, Invalid, NotAllowed, Outcome, Refused, TooLarge, Unreadable
from alert_bridge.metrics import Dialect, Metrics
from alert_bridge.mint import Mint
from alert_bridge.publish import Outlet
from alert_bridge.settings import Settings
from alert_bridge.sources import Source, Sources
from baleen_contracts.alert import Alert
from baleen_runtime.clock import Clock

RETRY_AFTER = 2
"""Seconds after which a sender should come back when the bus is away."""

_STATUS = {Unreadable: 400, Invalid: 422, TooLarge: 413}


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    settings: Settings
    sources: Sources
    outlet: Outlet
    metrics: Metrics
    mint: Mint
    clock: Clock

    def fresh_id(self) -> str:
        """An id for an alert that brings none."""
        return self.mint.fresh(self.clock.now())

    def timer(self, request: Request, dialect: Dialect) -> Callable[[Outcome], None]:
        """Starts a clock now; what it returns counts the request with its outcome.

        The request carries it along, for whoever answers when the route fails.
        """
        began = time.perf_counter()

        def count(outcome: Outcome) -> None:
            self.metrics.answered(dialect, outcome, time.perf_counter() - began)

        request.state.count = count
        return count

    def turned_away(self, path: str, outcome: Outcome) -> None:
        """Counts an alert that did not get as far as its route."""
        if path == "/alerts":
            self.metrics.answered(Dialect.JSON, outcome, 0.0)


async def chunks_up_to(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The request's body, piece by piece.

    Raises:
        TooLarge: it is longer than *limit* bytes; nothing beyond is read.
        Unreadable: the sender hung up before its end.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    got = 0
    try:
        async for chunk in request.stream():
            got += len(chunk)
            if got > limit:
                raise TooLarge(f"the body is over {limit} bytes")
            yield chunk
    except ClientDisconnect:
        raise Unreadable("the sender hung up") from None


async def body_up_to(request: Request, limit: int) -> bytes:
    """The request's whole body; raises as `chunks_up_to`."""
    return b"".join([chunk async for chunk in chunks_up_to(request, limit)])


def alert_routes(desk: Desk) -> APIRouter:
    """`POST /alerts`."""
    routes = APIRouter(tags=["alerts"])

    @routes.post("/alerts", status_code=202)
    async def take_alert(request: Request) -> JSONResponse:
        """Store one alert.

        202 means that the bus has it; `duplicate` that it had one of this source and id before. The `id` in
        the answer is the sender's own: its `id`, its `Idempotency-Key`, or else a fresh one.
        """
        count = desk.timer(request, Dialect.JSON)
        try:
            alert = await _read_alert(desk, request)
            stored = await desk.outlet.store(alert)
        except Refused as error:
            count(error.outcome)
            return _refused(error)
        except BusAway as error:
            count(error.outcome)
            return JSONResponse(
                {"error": error.outcome, "message": str(error)},
                503,
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        count(Outcome.DUPLICATE if stored.duplicate else Outcome.STORED)
        return JSONResponse({"id": alert.id, "seq": stored.seq, "duplicate": stored.duplicate}, 202)

    return routes


async def _read_alert(desk: Desk, request: Request) -> Alert:
    sender = _sender(desk, request)
    body = await body_up_to(request, desk.settings.max_body_bytes)
    return shape.alert_from_json(
        shape.read_object(body),
        key=request.headers.get("idempotency-key"),
        sender=sender,
        fresh_id=desk.fresh_id(),
        now=desk.clock.now(),
    )


def _sender(desk: Desk, request: Request) -> Source | None:
    """Who sends, where that is proven; None where nobody has to prove it.

    Raises:
        NotAllowed: a credential is missing or wrong, or a web page tries to use an open door.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        sender = desk.sources.by_token(token.strip())
        if sender is None:
            raise NotAllowed("this bearer token is not known")
        return sender
    if not desk.settings.alerts_open:
        raise NotAllowed("a bearer token is needed: that of a source")
    if "origin" in request.headers:  # only browsers send it: any page could post to a port of this machine
        raise NotAllowed("web pages need a bearer token", known=True)
    return None


def _refused(error: Refused) -> JSONResponse:
    body: dict[str, object] = {"error": error.outcome, "message": str(error)}
    if isinstance(error, NotAllowed):
        headers = {} if error.known else {"WWW-Authenticate": "Bearer"}
        return JSONResponse(body, 403 if error.known else 401, headers=headers)
    if isinstance(error, Invalid):
        body["errors"] = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    return JSONResponse(body, _STATUS[type(error)])
