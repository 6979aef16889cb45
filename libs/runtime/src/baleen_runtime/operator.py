"""The operator's endpoints, the same in every service: /livez, /readyz and /metrics."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from baleen_runtime.health import Health


def operator_routes(health: Health, registry: CollectorRegistry) -> APIRouter:
    """Return the routes that probes and Prometheus call.

    `/livez` answers as long as the event loop turns and asks nobody else, so that an outage of NATS restarts
    no service. `/readyz` is 503 with each part's reason until the service may be sent work.
    """
    routes = APIRouter(tags=["operator"])

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive", "service": health.service}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        body = {"status": "ready" if health.ready else "not ready", "service": health.service}
        return JSONResponse({**body, "parts": health.explain()}, status_code=200 if health.ready else 503)

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


def operator_app(health: Health, registry: CollectorRegistry) -> FastAPI:
    """Return an application with nothing but the operator's endpoints."""
    app = FastAPI(title=health.service, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(operator_routes(health, registry))
    return app
