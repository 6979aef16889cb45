"""The web application: every router, and the gateway they all reach."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from baleen_runtime.operator import Whole, operator_routes
from ws_gateway.doors.aside import Aside
from ws_gateway.doors.guard import Guard
from ws_gateway.events.station import Station
from ws_gateway.gateway import Gateway
from ws_gateway.routes import (
    alpha_terminal,
    bridge,
    clients,
    events,
    flowmind,
    native,
    page,
    sessions,
)


def make_app(
    gateway: Gateway,
    registry: CollectorRegistry,
    whole: Whole | None = None,
    *,
    admin_port: int | None = None,
) -> FastAPI:
    """Return the application that serves *gateway*.

    Args:
        gateway: what everything reaches.
        registry: the metrics of this process.
        whole: what several workers are together.
        admin_port: the port that alone answers operators, where there is one.
    """
    app = FastAPI(title="Baleen gateway", docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    app.state.bridge = bridge.Stage(gateway)
    app.state.events = Station(gateway)
    for routes in (flowmind, alpha_terminal, bridge, native, events, page, clients, sessions):
        app.include_router(routes.router)
    app.add_middleware(Guard, doors=gateway.doors, entry=gateway.entry)
    if admin_port is not None:
        app.add_middleware(Aside, port=admin_port)  # the last one added is the first one asked
    app.include_router(operator_routes(gateway.health, registry, whole))
    return app
