"""Takes plain JSON alerts over HTTP, and answers only when they are kept."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from alert_bridge.metrics import Dialect
from alert_bridge.receive import shape
from alert_bridge.receive.answer import Answer, refusal
from alert_bridge.receive.body import body_up_to
from alert_bridge.receive.desk import Desk, Taken, answered
from alert_bridge.receive.schema import alert_schema
from alert_bridge.receive.signature import refuse_unsigned


def alert_routes(desk: Desk) -> APIRouter:
    """`POST /alerts`, and the schema of what it takes at `GET /alerts/schema`."""
    routes = APIRouter(tags=["alerts"])
    schema = alert_schema()

    async def take_alert(request: Request) -> Response:
        """Store one alert.

        202 means that it is kept; `duplicate` that there was one of this source and id before. The `id` in
        the answer is the sender's own: its `id`, its `Idempotency-Key`, or else a fresh one. `seq` is its
        number in the stream, and null beside `spooled` while the bus is away and this disk has the alert.
        """
        return await answered(desk, request, Dialect.JSON, lambda: _take(desk, request), refusal)

    async def show_schema(_: Request) -> Response:
        """The JSON Schema of one alert."""
        return JSONResponse(schema, media_type="application/schema+json")

    takes = {"content": {"application/json": {"schema": schema}}, "required": True}
    routes.add_api_route(
        "/alerts",
        take_alert,
        methods=["POST"],
        status_code=202,
        response_model=None,
        openapi_extra={"requestBody": takes},
    )
    routes.add_api_route("/alerts/schema", show_schema, methods=["GET"], response_model=None)
    return routes


async def _take(desk: Desk, request: Request) -> Taken:
    sender = desk.sender(request)
    body = await body_up_to(request, desk.settings.max_body_bytes, desk.settings.body_within)
    refuse_unsigned(sender, request.headers, body, desk.clock.now())
    alert = shape.alert_from_json(
        shape.read_object(body),
        key=request.headers.get("idempotency-key"),
        sender=sender,
        fresh_id=desk.fresh_id(),
        now=desk.clock.now(),
    )
    kept = await desk.keep(alert)
    said = {"id": kept.alert.id, "seq": kept.seq, "duplicate": kept.duplicate}
    return kept.outcome, Answer(202, {**said, "spooled": True} if kept.seq is None else said)
