"""The operator's endpoints, the same in every service: /livez, /readyz and /metrics."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from baleen_runtime.health import Health


class Whole(Protocol):
    """What several processes that share a port are together; any of them may be asked.

    Both return None where that cannot be told: then the asked process speaks for itself.
    """

    async def metrics(self) -> bytes | None:
        """Return the metrics of all, as Prometheus reads them."""
        ...

    async def health(self) -> tuple[bool, dict[str, str]] | None:
        """Return whether all may be sent work, and each part with "ok" or what it lacks."""
        ...


def operator_routes(health: Health, registry: CollectorRegistry, whole: Whole | None = None) -> APIRouter:
    """Return the routes that probes and Prometheus call.

    `/livez` answers as long as the event loop turns and asks nobody else, so that an outage of NATS restarts
    no service. `/readyz` is 503 with each part's reason until the service may be sent work. Where several
    processes share the port, `/readyz` and `/metrics` speak for *whole*.
    """
    routes = APIRouter(tags=["operator"])

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive", "service": health.service}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        told = await whole.health() if whole is not None else None
        ready, parts = told or (health.ready, health.explain())
        body = {"status": "ready" if ready else "not ready", "service": health.service}
        return JSONResponse({**body, "parts": parts}, status_code=200 if ready else 503)

    @routes.get("/metrics")
    async def metrics() -> Response:
        told = await whole.metrics() if whole is not None else None
        return Response(told or generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


def operator_app(health: Health, registry: CollectorRegistry) -> FastAPI:
    """Return an application with nothing but the operator's endpoints."""
    app = FastAPI(title=health.service, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(operator_routes(health, registry))
    return app
