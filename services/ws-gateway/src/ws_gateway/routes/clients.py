"""`/v1/clients`: what an operator may know of the clients of all workers; with tokens, for admins alone.

A client is named by the word that its welcome tells it, or that the list shows.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from ws_gateway.fleet.questions import MAX_ROWS
from ws_gateway.gateway import Gateway

router = APIRouter(prefix="/v1/clients", tags=["operator"])


@router.get("")
async def clients(
    request: Request,
    label: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 100,
) -> JSONResponse:
    """List clients, the longest connected first; `silent` are workers that did not answer in time."""
    gateway: Gateway = request.app.state.gateway
    rows, silent = await gateway.fleet.clients(label, limit)
    rows.sort(key=lambda row: str(row["connected_at"]))
    totals = gateway.fleet.totals()
    total = totals.connections if label is None else totals.by_label.get(label, 0)
    told: dict[str, Any] = {"clients": rows[:limit], "total": total}
    return JSONResponse({**told, "workers": totals.workers, "silent": silent})


@router.get("/{name}")
async def client(request: Request, name: str) -> JSONResponse:
    """Tell how a client stands, what it hears and what it may; 404 where no worker has it."""
    gateway: Gateway = request.app.state.gateway
    found = await gateway.fleet.find(name)
    if found is None:
        return JSONResponse({"detail": "No client of that name is connected"}, 404)
    return JSONResponse(found)
