"""Runs the bridge: HTTP from the first moment, the bus as soon as it is there, and an orderly leave."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import Callable
from contextlib import suppress

import structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from alert_bridge.account.books import Books
from alert_bridge.account.gate import Gate
from alert_bridge.account.gauges import AccountGauges
from alert_bridge.account.operating import operating_routes
from alert_bridge.account.routes import history_routes
from alert_bridge.deliver.couriers import LEAVE_WITHIN, Couriers
from alert_bridge.deliver.ledger import Ledger
from alert_bridge.deliver.metrics import DeliveryMetrics
from alert_bridge.deliver.totals import Account
from alert_bridge.destinations.build import build
from alert_bridge.errors import Outcome
from alert_bridge.metrics import Metrics
from alert_bridge.receive.desk import COUNT, Desk, response_of
from alert_bridge.receive.discord_answers import failed_answer
from alert_bridge.receive.door import Door
from alert_bridge.receive.inbound import inbound_routes
from alert_bridge.receive.mint import Mint
from alert_bridge.receive.plain import alert_routes
from alert_bridge.receive.reread import run_sources
from alert_bridge.receive.shortcut import Shortcut
from alert_bridge.receive.sources import load_sources
from alert_bridge.receive.webhook import webhook_routes
from alert_bridge.rules.holder import RulesHolder
from alert_bridge.settings import Settings
from alert_bridge.store.figures import show_spool
from alert_bridge.store.outlet import Outlet
from alert_bridge.store.spool import Spool, open_spool
from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.watcher import Watcher
from baleen_bus import Bus, BusClosed, open_bus
from baleen_runtime.clock import SystemClock
from baleen_runtime.health import Health
from baleen_runtime.logs import hide
from baleen_runtime.operator import operator_routes
from baleen_runtime.serve import listen_on, serve

_DRAIN_SECONDS = 2.0
_ENROLLED_WITHIN = 10.0
"""Seconds; a bus on which alerts can wait for nobody must not keep them from being stored for ever."""

log = structlog.get_logger(__name__)


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Serve until *stop* is set.

    Args:
        settings: what the operator set.
        stop: set by the owner when it is time to leave.
        on_listening: told the port once connections are accepted.

    Raises:
        SourcesUnreadable: the file of sources cannot be used.
        RulesUnreadable: the file of rules cannot be used.
        PortBusy: another program has the port.
        SpoolUnusable: the file of the spool cannot be used.
    """
    async with open_spool(settings.spool, max_bytes=settings.spool_max_bytes) as spool:
        await _run(settings, stop, spool, on_listening)


async def _run(
    settings: Settings,
    stop: asyncio.Event,
    spool: Spool | None,
    on_listening: Callable[[int], None] | None,
) -> None:
    sources = load_sources(settings.sources)
    hide(sources.tokens)
    rules = RulesHolder(settings.rules, os.environ)
    registry = CollectorRegistry()
    outlet = Outlet(within=settings.store_within, at_most=settings.max_waiting, spool=spool)
    metrics = Metrics(registry)
    metrics.waiting.set_function(lambda: outlet.waiting)
    metrics.rules_valid.set_function(lambda: rules.problem is None)
    health = Health("alert-bridge", needs=("bus",))
    if outlet.relay is not None:
        show_spool(outlet.relay, health, registry)
    books, gauges = Books(), AccountGauges(registry)
    couriers = _couriers(settings, rules, registry)
    watcher = Watcher(rules, figures=WatchFigures(registry), clock=SystemClock(), replica=settings.replica)
    desk = Desk(
        settings, sources, outlet, metrics, Mint(secrets.randbelow(1024)), SystemClock(), books.archive
    )
    app = _app(desk, health, registry, books)
    socket = listen_on(settings.host, settings.port, variable="ALERT_BRIDGE_PORT")
    async with asyncio.TaskGroup() as tasks:
        bus = tasks.create_task(
            _hold_bus(
                settings,
                health,
                metrics,
                outlet=outlet,
                books=books,
                couriers=couriers,
                watcher=watcher,
                rules=rules,
            ),
            name="bus",
        )
        accounts = tasks.create_task(gauges.run(books), name="account-gauges")
        leaving = tasks.create_task(_leave_when_told(stop, health, couriers, watcher), name="leaving")
        watching = tasks.create_task(rules.watch(stop, health), name="rules")
        rereading = tasks.create_task(run_sources(settings.sources, sources, health), name="sources")
        await serve(
            app,
            sockets=[socket],
            stop=stop,
            on_listening=on_listening,
            grace=settings.store_within + 0.5,
            ws="none",
        )
        left = await outlet.drain(within=_DRAIN_SECONDS)
        if left:
            log.warning("left before the bus confirmed every alert", alerts=left)
        await leaving
        bus.cancel()
        watching.cancel()
        rereading.cancel()
        accounts.cancel()


def _app(desk: Desk, health: Health, registry: CollectorRegistry, books: Books) -> ASGIApp:
    """The door, the short way to the receivers, and behind it the framework with what is asked seldom."""
    app = FastAPI(title="Baleen alert-bridge", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.include_router(operator_routes(health, registry))
    receivers = [webhook_routes(desk), alert_routes(desk), inbound_routes(desk)]
    for router in receivers:
        app.include_router(router)
    gate = _gate(desk.settings)
    app.include_router(history_routes(books, gate, desk.metrics, desk.clock))
    app.include_router(operating_routes(books, gate, desk.clock))

    async def failed(request: Request, _: Exception) -> Response:
        count = request.scope.get(COUNT)
        if count is not None:
            count(Outcome.FAILED)
        return response_of(failed_answer())

    app.add_exception_handler(Exception, failed)

    @app.exception_handler(404)
    async def not_found(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"message": "404: Not Found", "code": 0}, 404)

    short = Shortcut(app, routes=[route for router in receivers for route in router.routes], failed=failed)
    if not desk.settings.trusts_loopback:
        return short
    return Door(
        short,
        knows=lambda token: desk.sources.by_token(token) is not None or gate.knows(token),
        on_refused=desk.turned_away,
    )


def _gate(settings: Settings) -> Gate:
    token = settings.admin_token.get_secret_value() if settings.admin_token else None
    hide([token] if token else [])
    return Gate(token, trusts_loopback=settings.trusts_loopback)


def _couriers(settings: Settings, rules: RulesHolder, registry: CollectorRegistry) -> Couriers:
    clock = SystemClock()
    if settings.rules is None:
        log.warning("there are no rules: alerts are stored, and nobody is told; set ALERT_BRIDGE_RULES")
    return Couriers(
        rules,
        clock=clock,
        metrics=DeliveryMetrics(registry),
        build=lambda name, spec: build(name, spec, clock=clock),
        chance=random.SystemRandom().random,
        replica=settings.replica,
        longest_wait=settings.retry_within,
    )


async def _hold_bus(
    settings: Settings,
    health: Health,
    metrics: Metrics,
    *,
    outlet: Outlet,
    books: Books,
    couriers: Couriers,
    watcher: Watcher,
    rules: RulesHolder,
) -> None:
    """Connect, and lend the connection to *outlet*, *books*, *couriers* and *watcher* until cancelled.

    Raises:
        BusClosed: the connection is gone for good.
        AccessRefused: the bus does not let this user in.
    """
    closed = asyncio.Event()
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    _report_away(outlet, health, "not connected yet")
    async with open_bus(
        url=settings.nats_url,
        user=settings.nats_user,
        password=password,
        name="alert-bridge",
        on_closed=closed.set,
        on_failed=lambda why: _report_away(outlet, health, why),
    ) as bus:
        _report_on(bus, outlet, health, metrics)
        enrolled = _report_deliveries(couriers, health)
        books.archive.on_trouble(lambda why: _report_stream(outlet, health, why))
        reading = books.over(bus, ledger=Ledger(bus), accounts=Account(bus, couriers, rules))
        async with reading, asyncio.TaskGroup() as tasks:
            tasks.create_task(couriers.run(bus, outlet.store), name="couriers")
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENROLLED_WITHIN):
                    await enrolled.wait()
            tasks.create_task(watcher.run(bus), name="watcher")
            async with outlet.over(bus):
                await closed.wait()
                raise BusClosed("the bus closed the connection for good")


def _report_away(outlet: Outlet, health: Health, why: str) -> None:
    """Without the bus it may be sent work only if a spool keeps it."""
    health.report("bus", ok=outlet.relay is not None, reason=why, note=f"{why}; alerts are kept on disk")


def _report_on(bus: Bus, outlet: Outlet, health: Health, metrics: Metrics) -> None:
    def connected() -> None:
        health.report("bus", ok=True)
        metrics.connected.set(1)

    def disconnected() -> None:
        _report_away(outlet, health, "disconnected")
        metrics.connected.set(0)

    bus.on_reconnected(connected)
    bus.on_disconnected(disconnected)
    connected()


def _report_stream(outlet: Outlet, health: Health, why: str) -> None:
    """Without its stream no alert can be stored; a spool keeps it until the bootstrap has run."""
    health.report("stream", ok=not why or outlet.relay is not None, reason=why, note=why)


def _report_deliveries(couriers: Couriers, health: Health) -> asyncio.Event:
    """It is ready once alerts wait for every destination: what is stored before would not be told.

    Returns what is set then for the first time.
    """
    enrolled = asyncio.Event()

    def report() -> None:
        ok, why = couriers.serving
        health.report("delivery", ok=ok, reason=why)
        if ok:
            enrolled.set()

    couriers.on_arranged = report
    report()
    return enrolled


async def _leave_when_told(stop: asyncio.Event, health: Health, couriers: Couriers, watcher: Watcher) -> None:
    """Take no more work, and hand over destinations and watches while the last senders are answered."""
    await stop.wait()
    health.drain()
    await asyncio.gather(couriers.leave(LEAVE_WITHIN), watcher.leave())
