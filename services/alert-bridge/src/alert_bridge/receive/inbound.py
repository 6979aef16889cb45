"""Takes what other people's programs send at `/in/<dialect>`, and answers only when all of it is kept.

The source is told by a bearer token, by the password of Basic, or, for senders that can set no header, by the
id and token of a webhook in the path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response

from alert_bridge.errors import NotAllowed, Outcome
from alert_bridge.metrics import Dialect
from alert_bridge.receive.answer import Answer, refusal
from alert_bridge.receive.body import body_up_to
from alert_bridge.receive.desk import INBOUND, Desk, Kept, Taken, answered
from alert_bridge.receive.dialects.alertmanager import read_group
from alert_bridge.receive.dialects.anyjson import read_any
from alert_bridge.receive.dialects.apprise import read_apprise
from alert_bridge.receive.dialects.tradingview import read_tradingview
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.signature import refuse_unsigned
from alert_bridge.receive.source import Source
from alert_bridge.receive.told import Told

_READERS: dict[Dialect, Callable[[Told], list[BridgedAlert]]] = {
    Dialect.ALERTMANAGER: read_group,
    Dialect.GRAFANA: read_group,
    Dialect.TRADINGVIEW: read_tradingview,
    Dialect.APPRISE: read_apprise,
    Dialect.ANY_JSON: read_any,
}
_CARRY_FILES = {Dialect.APPRISE}
_KEYS = ("idempotency-key", "webhook-id")
"""Headers that name a request; the first that is there."""
_WORST = (Outcome.SPOOLED, Outcome.STORED, Outcome.DUPLICATE)
"""How a request of several alerts counts: as the first of these that one of them is."""


def inbound_routes(desk: Desk) -> APIRouter:
    """`POST` (and `PUT`, which Grafana may use) of every dialect, with and without a token in the path."""
    routes = APIRouter(prefix="/in", tags=["dialects"])
    for name, dialect in INBOUND.items():
        for path in (f"/{name}", f"/{name}/{{webhook_id}}/{{token}}"):
            for method in ("POST", "PUT"):
                take = _endpoint(desk, dialect, name)
                routes.add_api_route(path, take, methods=[method], response_model=None, name=f"take_{name}")
    return routes


def _endpoint(desk: Desk, dialect: Dialect, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answered(desk, request, dialect, partial(_take, desk, request, dialect, name), refusal)

    endpoint.__doc__ = f"Store what was sent in the dialect `{name}`: 200 once all its alerts are kept."
    return endpoint


async def _take(desk: Desk, request: Request, dialect: Dialect, name: str) -> Taken:
    if dialect is Dialect.TRADINGVIEW:
        refuse_stranger(desk.settings.tradingview_from, request.client.host if request.client else "")
    sender = _sender(desk, request)
    settings = desk.settings
    limit = settings.max_upload_bytes if dialect in _CARRY_FILES else settings.max_body_bytes
    body, now = await body_up_to(request, limit, settings.body_within), desk.clock.now()
    refuse_unsigned(sender, request.headers, body, now)
    told = Told(
        dialect=name,
        body=body,
        sender=sender,
        key=next((request.headers[key] for key in _KEYS if key in request.headers), None),
        fresh_id=desk.fresh_id(),
        now=now,
    )
    kept = await desk.keep_all(_READERS[dialect](told))
    return _outcome(kept), Answer(200, {"alerts": [_said(one) for one in kept]})


def _sender(desk: Desk, request: Request) -> Source | None:
    path = request.path_params
    return desk.webhook(path["webhook_id"], path["token"]) if "token" in path else desk.sender(request)


def refuse_stranger(allowed: str, host: str) -> None:
    """Let a request from *host* pass if *allowed* names no addresses, or this one.

    Raises:
        NotAllowed: it names others.
    """
    listed = [address.strip() for address in allowed.split(",") if address.strip()]
    if listed and _address(host) not in map(_address, listed):
        raise NotAllowed(
            "requests from this address are not taken; see ALERT_BRIDGE_TRADINGVIEW_FROM", known=True
        )


def _address(text: str) -> str:
    """One spelling of an address; an IPv4 address that came over IPv6 is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


def _outcome(kept: list[Kept]) -> Outcome:
    ended = {one.outcome for one in kept}
    return next((outcome for outcome in _WORST if outcome in ended), Outcome.STORED)


def _said(one: Kept) -> dict[str, object]:
    return {"id": one.alert.id, "seq": one.seq, "duplicate": one.duplicate}
