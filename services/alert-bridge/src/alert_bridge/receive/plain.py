"""Takes plain JSON alerts over HTTP, and answers only when the bus has the alert."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from alert_bridge.errors import BusAway, Invalid, NotAllowed, Refused, TooLarge, Unreadable
from alert_bridge.metrics import Dialect
from alert_bridge.receive import shape
from alert_bridge.receive.desk import RETRY_AFTER, Desk, body_up_to
from alert_bridge.receive.sources import Source
from alert_bridge.store.outlet import Spooled, outcome_of
from baleen_contracts.alert import Alert

_STATUS = {Unreadable: 400, Invalid: 422, TooLarge: 413}


def alert_routes(desk: Desk) -> APIRouter:
    """`POST /alerts`."""
    routes = APIRouter(tags=["alerts"])

    @routes.post("/alerts", status_code=202)
    async def take_alert(request: Request) -> JSONResponse:
        """Store one alert.

        202 means that the bus has it, or with `spooled` that this bridge's disk has it and the bus will;
        `duplicate` that there was one of this source and id before. The `id` in the answer is the sender's
        own: its `id`, its `Idempotency-Key`, or else a fresh one.
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
        count(outcome_of(stored))
        answer = {"id": alert.id, "seq": stored.seq, "duplicate": stored.duplicate}
        return JSONResponse({**answer, "spooled": True} if isinstance(stored, Spooled) else answer, 202)

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
