"""The REST edge: authorisation, accounting and refusals around every route, modelled or captured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute

from uw_simulator.connections import Account
from uw_simulator.faults import RestFault
from uw_simulator.offences import Violation
from uw_simulator.queries import BadQuery, Query
from uw_simulator.samples import rest_body
from uw_simulator.tables import Content, NoHistory, Tables, UnknownTicker
from uw_simulator.upstream import Upstream

_CASES = {case["case"]: case for case in rest_body("_errors")}
_REFUSALS = {
    Violation.IN_FLIGHT: "concurrent_requests",
    Violation.MINUTE: "per_minute",
    Violation.DAY: "daily_limit",
}

_LIMITS = {"in_flight": Violation.IN_FLIGHT, "minute": Violation.MINUTE, "day": Violation.DAY}

CAPTURED_ROUTES = {
    "/api/alerts": "alerts.live",
    "/api/alerts/configuration": "alerts-configuration.live",
    "/api/congress/congress-trader": "congress-congress-trader.live",
    "/api/darkpool/{ticker}/price-levels": "darkpool-price-levels.doc",
    "/api/insider/transactions": "insider-transactions.doc",
    "/api/option-trades": "option-trades.doc",
    "/api/option-trades/flow-alerts/{id}": "option-trades-flow-alerts-id.doc",
    "/api/screener/stocks": "screener-stocks.live",
    "/api/stock/{ticker}/flow-recent": "stock-flow-recent.trimmed.live",
    "/api/stock/{ticker}/greek-exposure": "stock-greek-exposure.doc",
    "/api/stock/{ticker}/greek-exposure/strike": "stock-greek-exposure-strike.doc",
    "/api/stock/{ticker}/net-prem-ticks": "stock-net-prem-ticks.doc",
    "/api/stock/{ticker}/spot-exposures": "stock-spot-exposures.doc",
    "/api/stock/{ticker}/spot-exposures/expiry-strike": "stock-spot-exposures-expiry-strike.doc",
    "/api/stock/{ticker}/spot-exposures/strike": "stock-spot-exposures-strike.doc",
    "/api/stock/{ticker}/stock-state": "stock-stock-state.doc",
}
"""Routes that answer with a captured body, always the same."""

_ADVANCED = frozenset({"/api/market/movers"})
_TICKER = re.compile(r"^[A-Za-z]{1,5}([./-][A-Za-z]{1,2})?$")


class Gate:
    """What every request passes: the edge network, faults, the token, the plan. In that order."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    async def __call__(self, request: Request, answer: Callable[[], Any]) -> Response:
        """Return what upstream answers to *request*, calling *answer* for the content if it gets that far."""
        upstream, path = self.upstream, request.url.path
        if request.headers.get("user-agent", "").startswith(upstream.blocked_agents):
            return Response("error code: 1010", 403, media_type="text/html")
        fault = replace(upstream.rest_fault)
        struck = upstream.rest_fault.strikes(path, upstream.clock())
        if struck and not fault.charged and not fault.limit:
            await asyncio.sleep(fault.delay)
            return _spoilt(fault)
        account = self._account(request)
        if account is None:
            return _json(401, {"error": "Unauthorized"})
        refused = _LIMITS.get(fault.limit) if struck else None
        refused = refused or account.requests.begin(_now(), f"{path} from {_peer(request)}")
        if refused is not None:
            return _json(429, self._refusal_body(refused), account)
        with _charged(account) as outcome:
            await asyncio.sleep(upstream.settings.rest_latency + fault.delay)
            status, body = (fault.status, None) if struck else _answer(request, account, answer)
            outcome.append(status)
        if struck:
            return _spoilt(fault, account)
        return _json(status, body, account)

    def _account(self, request: Request) -> Account | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.upstream.account(token.strip()) if scheme.lower() == "bearer" else None

    def _refusal_body(self, refused: Violation) -> Any:
        plan = self.upstream.plan
        body = dict(_CASES[_REFUSALS[refused]]["body"])
        body["message"] = (
            body["message"]
            .replace("exceeded 3 ", f"exceeded {plan.in_flight} ")
            .replace("limit of 120 ", f"limit of {plan.per_minute} ")
            .replace("limit of 40000 ", f"limit of {plan.per_day} ")
        )
        if "current_limit" in body:
            body["current_limit"] = plan.per_day
        return body


def add_rest_routes(app: FastAPI, upstream: Upstream, tables: Tables) -> None:
    """Give *app* upstream's routes; everything it does not know is 404 `Route not found`."""
    gate, router = Gate(upstream), APIRouter()

    def route(path: str, content: Content) -> None:
        async def endpoint(request: Request) -> Response:
            return await gate(request, partial(content, request.path_params, request.query_params))

        router.routes.append(
            APIRoute(path, endpoint, methods=["GET"], include_in_schema=False, response_model=None)
        )

    for path, content in tables.routes().items():
        route(path, content)
    for path, name in CAPTURED_ROUTES.items():
        route(path, partial(_always, rest_body(name)))
    app.include_router(router)

    @app.get("/api/socket", include_in_schema=False)
    @app.get("/api/socket/{channel}", include_in_schema=False)
    async def documentation() -> dict[str, list[Any]]:
        """Answer like upstream's documentation of a channel."""
        return {"data": []}

    async def not_found(_request: Request, _error: Exception) -> Response:
        return _json(404, _CASES["unknown_route"]["body"])

    app.add_exception_handler(404, not_found)


def _answer(request: Request, account: Account, answer: Callable[[], Any]) -> tuple[int, Any]:
    path = request.url.path
    if path in _ADVANCED and not account.advanced:
        return 403, _CASES["tier_gate"]["body"]
    ticker = request.path_params.get("ticker")
    if ticker is not None and not _TICKER.match(ticker):
        message = f"Invalid path input: {ticker} (valid example: AAPL)"
        return 422, {"path": path, "msg": message, "query": request.url.query}
    try:
        return 200, answer()
    except UnknownTicker:
        return 404, _CASES["unknown_ticker"]["body"]
    except BadQuery as error:
        return 422, {"path": path, "msg": f"Invalid query input(s): {error}", "query": request.url.query}
    except NoHistory as error:
        return 403, {"code": "historic_data_access_missing", "message": str(error)}


def _always(body: Any, _path: Query, _query: Query) -> Any:
    return body


@contextmanager
def _charged(account: Account) -> Iterator[list[int]]:
    """Count the request as answered, even if the client went away or the answer failed."""
    outcome: list[int] = []
    try:
        yield outcome
    finally:
        account.requests.end(outcome[0] if outcome else 500)


def _spoilt(fault: RestFault, account: Account | None = None) -> Response:
    headers = account.requests.headers(_now()) if account else None
    return Response(fault.body, fault.status, headers=headers, media_type=fault.content_type)


def _peer(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else "somebody"


def _json(status: int, body: Any, account: Account | None = None) -> Response:
    headers = {"x-request-id": uuid4().hex}
    if account is not None:
        headers.update(account.requests.headers(_now()))
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")


def _now() -> datetime:
    return datetime.now(UTC)
