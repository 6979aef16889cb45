"""Puts the road together and keeps it running until told to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import BusClosed
from baleen_bus.publisher import Publisher
from baleen_runtime.clock import Clock, SystemClock
from baleen_runtime.health import Health
from baleen_runtime.lifecycle import StopRequested
from baleen_runtime.logs import hide
from baleen_runtime.memory import give_back
from baleen_runtime.operator import operator_app
from baleen_runtime.serve import listen_on, serve
from uw_ingest.feeds.gaps import Holes
from uw_ingest.feeds.market_hours import MarketHours, exchange_sessions
from uw_ingest.fleet.fleet import Fleet, open_fleet
from uw_ingest.operator.metrics import IngestCollector
from uw_ingest.operator.status import Status
from uw_ingest.pipeline.ebb import Ebb
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.settings import Settings
from uw_ingest.slots.watch import Watch
from uw_ingest.tally import Tally
from uw_ingest.upstream.tap import Tap

log: Any = structlog.get_logger("uw_ingest")

CALENDAR_AGAIN_AFTER = 86_400.0  # seconds
STORED_WITHIN = 30.0  # seconds; a bus that takes longer is not ready
LEFT_WITHIN = 25.0  # seconds for handing over and saying all, as long as it moves
NO_UPSTREAM = "no token: set UW_INGEST_TOKEN, and UW_INGEST_UPSTREAM_URL unless it is upstream's own"

_Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Ingest:
    """What the tasks of one process share."""

    settings: Settings
    clock: Clock
    tally: Tally
    health: Health
    status: Status
    registry: CollectorRegistry
    tap: Tap
    fleet: Fleet | None = field(default=None)
    ebb: Ebb = field(default_factory=Ebb)


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Ingest until *stop* is set. ``on_listening`` is told the port of probes, metrics and status."""
    hide(settings.secrets())
    clock, tally, tap = SystemClock(), Tally(), Tap()
    health, registry = Health("uw-ingest", needs=("bus", "upstream")), CollectorRegistry()
    ingest = _Ingest(settings, clock, tally, health, Status(settings, tally, clock), registry, tap)
    app = operator_app(health, registry)
    app.include_router(ingest.status.routes())
    app.include_router(tap.routes())
    sockets = [listen_on(settings.host, settings.port, variable="UW_INGEST_PORT")]
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(app, sockets=sockets, stop=stop, on_listening=on_listening), name="http")
            tasks.create_task(_ingest(ingest), name="ingest")
            tasks.create_task(_leave(ingest, stop), name="leave")
    except* StopRequested:
        log.info("leaving as asked")


async def _leave(ingest: _Ingest, stop: asyncio.Event) -> None:
    """When told to stop, hand over what we hold while everything still runs; then end the rest."""
    await stop.wait()
    ingest.health.drain()
    ingest.tap.close()
    if ingest.fleet is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEFT_WITHIN):
                await ingest.fleet.leave(ingest.settings.hand_over_within)
    raise StopRequested


async def _ingest(ingest: _Ingest) -> None:
    """Open the bus, run everything that stands on it, and empty the outbox before leaving."""
    settings, bus_gone = ingest.settings, asyncio.Event()
    ingest.health.report("bus", ok=False, reason="not connected yet")
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    async with (
        open_bus(
            url=settings.nats_url,
            user=settings.nats_user,
            password=password,
            name=f"uw-ingest/{settings.replica}",
            on_closed=bus_gone.set,
            on_failed=lambda why: ingest.health.report("bus", ok=False, reason=why),
        ) as bus,
        Publisher(
            bus,
            source=settings.source,
            max_messages=settings.outbox_messages,
            max_bytes=settings.outbox_mib << 20,
        ) as publisher,
        _road(ingest, bus, publisher) as (outlet, jobs),
    ):
        bus.on_disconnected(lambda: ingest.health.report("bus", ok=False, reason="disconnected"))
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, job in jobs.items():
                    tasks.create_task(job(), name=name)
                tasks.create_task(_end_with(bus_gone), name="bus-watch")
        finally:
            ingest.health.drain()
            if ingest.fleet is not None:
                ingest.fleet.slots.drop("leaving")
            left = await publisher.drain(settings.drain_within)
            log.info("outbox emptied", left=left + outlet.backlog)


@contextlib.asynccontextmanager
async def _road(
    ingest: _Ingest, bus: Bus, publisher: Publisher
) -> AsyncIterator[tuple[Outlet, dict[str, _Job]]]:
    """Build the parts in the order in which data meets them, and name the jobs to run."""
    settings, clock, tally = ingest.settings, ingest.clock, ingest.tally
    holes = Holes()
    outlet = Outlet(publisher, tally=tally, holes=holes, clock=clock)
    watch = Watch(settings.channels, tally=tally, clock=clock, say=outlet.say, simulated=settings.simulated)
    jobs = dict[str, _Job]()
    async with contextlib.AsyncExitStack() as closing:
        if settings.upstream is None:
            watch.disable(NO_UPSTREAM)
        else:
            fleet = await closing.enter_async_context(
                open_fleet(
                    settings,
                    bus=bus,
                    publisher=publisher,
                    outlet=outlet,
                    holes=holes,
                    watch=watch,
                    tally=tally,
                    clock=clock,
                    tap=ingest.tap,
                )
            )
            ingest.fleet = fleet
            jobs |= fleet.jobs()
        jobs["watch"] = partial(watch.run, partial(_look, ingest, bus, publisher, outlet))
        jobs["calendar"] = partial(_hours, settings, watch, clock)
        ingest.status.attach(bus, publisher, outlet, watch, ingest.fleet)
        ingest.registry.register(
            IngestCollector(
                tally,
                publisher,
                outlet,
                bus,
                fleet=ingest.fleet,
                tap=ingest.tap,
                watch=watch,
                room={"buffer": settings.buffer_frames, "outbox": settings.outbox_messages},
                now=clock.now,
            )
        )
        log.info(
            "ingesting",
            upstream=settings.upstream or NO_UPSTREAM,
            simulated=settings.simulated,
            replica=settings.replica,
        )
        yield outlet, jobs


def _look(ingest: _Ingest, bus: Bus, publisher: Publisher, outlet: Outlet) -> None:
    """Report readiness, let the outlet tell what is over, and give back what a backlog took."""
    outlet.look()
    frames = ingest.fleet.slots.backlog if ingest.fleet is not None else 0
    if ingest.ebb.reached(frames + outlet.backlog + publisher.backlog):
        give_back()
    waits = publisher.oldest_age(asyncio.get_running_loop().time())
    if bus.connected:  # else the connection has said why
        stuck = waits > STORED_WITHIN
        why = f"the oldest message waits {waits:.0f} s to be stored"
        ingest.health.report("bus", ok=not stuck, reason=why)
    if ingest.fleet is None:
        ingest.health.report("upstream", ok=False, reason=f"disabled: {NO_UPSTREAM}")
    else:
        ok, reason = ingest.fleet.slots.serving()
        ingest.health.report("upstream", ok=ok, reason=reason)


async def _hours(settings: Settings, watch: Watch, clock: Clock) -> None:
    """Load the exchange's calendar off the loop, anew every day."""
    if settings.calendar == "always_open":
        watch.hours = MarketHours(always_open=True)
        return
    while True:
        watch.hours = MarketHours(await asyncio.to_thread(exchange_sessions, clock.now()))
        await asyncio.sleep(CALENDAR_AGAIN_AFTER)


async def _end_with(bus_gone: asyncio.Event) -> None:
    await bus_gone.wait()
    raise BusClosed("the bus connection closed for good")
