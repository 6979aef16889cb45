"""Puts the road together and keeps it running until told to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import BusClosed
from baleen_bus.publisher import Publisher
from baleen_contracts.feed import GapReason
from baleen_runtime.clock import Clock, SystemClock
from baleen_runtime.health import Health
from baleen_runtime.lifecycle import StopRequested, leave_when
from baleen_runtime.logs import hide
from baleen_runtime.operator import operator_app
from baleen_runtime.redact import Redactor
from baleen_runtime.serve import listen_on, serve
from uw_ingest.channels import kind_of
from uw_ingest.connect import socket_url
from uw_ingest.feed import Connection, Feed, FeedSettings
from uw_ingest.gaps import Holes
from uw_ingest.intake import Hearers, Intake
from uw_ingest.limiter import Budget
from uw_ingest.market_hours import MarketHours, exchange_sessions
from uw_ingest.metrics import IngestCollector
from uw_ingest.orders import obey
from uw_ingest.outlet import Outlet
from uw_ingest.polls import Congress, Movers, Poll
from uw_ingest.predecessor import known_disclosures, newest_times
from uw_ingest.protocol import FeedProtocol
from uw_ingest.rest import Rest
from uw_ingest.settings import Settings
from uw_ingest.status import Status
from uw_ingest.tally import Tally
from uw_ingest.watch import Watch

log: Any = structlog.get_logger("uw_ingest")

CALENDAR_AGAIN_AFTER = 86_400.0  # seconds
STORED_WITHIN = 30.0  # seconds; a bus that takes longer is not ready
NO_UPSTREAM = "no token: set UW_INGEST_TOKEN, and UW_INGEST_UPSTREAM_URL unless it is upstream's own"

_Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Ingest:
    """What the tasks of one process share."""

    settings: Settings
    clock: Clock
    tally: Tally
    budget: Budget
    health: Health
    status: Status
    registry: CollectorRegistry


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Ingest until *stop* is set. ``on_listening`` is told the port of probes, metrics and status."""
    hide(settings.secrets())
    clock, tally, budget = SystemClock(), Tally(), Budget(per_minute=settings.rest_per_minute)
    health, registry = Health("uw-ingest", needs=("bus", "upstream")), CollectorRegistry()
    ingest = _Ingest(settings, clock, tally, budget, health, Status(settings, tally, budget, clock), registry)
    app = operator_app(health, registry)
    app.include_router(ingest.status.routes())
    sockets = [listen_on(settings.host, settings.port, variable="UW_INGEST_PORT")]
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(app, sockets=sockets, stop=stop, on_listening=on_listening), name="http")
            tasks.create_task(_ingest(ingest), name="ingest")
            tasks.create_task(leave_when(stop), name="stop-watch")
    except* StopRequested:
        log.info("leaving as asked")


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
            name="uw-ingest",
            on_closed=bus_gone.set,
        ) as bus,
        Publisher(
            bus,
            source=settings.source,
            max_messages=settings.outbox_messages,
            max_bytes=settings.outbox_mib << 20,
        ) as publisher,
        _road(ingest, bus, publisher) as (intake, jobs),
    ):
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, job in jobs.items():
                    tasks.create_task(job(), name=name)
                tasks.create_task(_end_with(bus_gone), name="bus-watch")
        finally:
            ingest.health.drain()
            intake.flush()
            left = await publisher.drain(settings.drain_within)
            log.info("outbox emptied", left=left + intake.backlog)


@contextlib.asynccontextmanager
async def _road(
    ingest: _Ingest, bus: Bus, publisher: Publisher
) -> AsyncIterator[tuple[Intake, dict[str, _Job]]]:
    """Build the parts in the order in which data meets them, and name the jobs to run."""
    settings, clock, tally = ingest.settings, ingest.clock, ingest.tally
    holes = Holes()
    outlet = Outlet(publisher, tally=tally, holes=holes, clock=clock)
    intake = Intake(
        outlet,
        tally=tally,
        holes=holes,
        clock=clock,
        joined=frozenset(settings.channels),
        max_frames=settings.buffer_frames,
        max_bytes=settings.buffer_mib << 20,
    )
    watch = Watch(settings.channels, tally=tally, clock=clock, say=outlet.say, simulated=settings.simulated)
    feed, jobs = None, dict[str, _Job]()
    async with contextlib.AsyncExitStack() as closing:
        upstream = settings.upstream
        if upstream is None or settings.token is None:
            watch.disable(NO_UPSTREAM)
        else:
            token = settings.token.get_secret_value()
            feed = await _feed(
                ingest, bus, socket_url(upstream, token), intake=intake, holes=holes, watch=watch
            )
            rest = Rest(upstream, token, budget=ingest.budget, tally=tally, clock=clock)
            closing.push_async_callback(rest.aclose)
            polls = _polls(ingest, bus, rest, outlet)
            watch.attach(feed, polls)
            jobs["feed"] = feed.run
            jobs["orders"] = partial(obey, bus, feed, clock)
            jobs |= {f"poll-{poll.feed}": poll.run for poll in polls}
        jobs["watch"] = partial(watch.run, partial(_look, ingest, bus, publisher, outlet, feed))
        jobs["calendar"] = partial(_hours, settings, watch, clock)
        ingest.status.attach(bus, publisher, intake, watch, feed)
        ingest.registry.register(
            IngestCollector(tally, publisher, intake, bus, feed=feed, budget=ingest.budget, now=clock.now)
        )
        log.info("ingesting", upstream=upstream or NO_UPSTREAM, simulated=settings.simulated)
        yield intake, jobs


async def _feed(ingest: _Ingest, bus: Bus, url: str, *, intake: Intake, holes: Holes, watch: Watch) -> Feed:
    """Build the socket's keeper; what the predecessor may have lost is a hole from the start."""
    settings = ingest.settings
    every = {channel: kind_of(channel) for channel in settings.channels if kind_of(channel).every}
    newest = await newest_times(bus, {kind.feed: kind for kind in every.values()}.values())
    now, lost = ingest.clock.now(), "what the last process held is lost"
    for channel, kind in every.items():
        if kind.feed in newest:
            holes.open(channel, newest[kind.feed], GapReason.RESTARTED, now=now, detail=lost)

    def on_down(since: datetime) -> None:
        intake.cut()
        for channel in every:
            holes.open(channel, since, GapReason.RECONNECTED, now=ingest.clock.now())

    feed = Feed(
        FeedSettings(url, settings.entitlement_recheck),
        FeedProtocol(settings.channels),
        clock=ingest.clock,
        lively=watch.lively,
        on_text=intake.frame,
        on_refused=intake.refuse,
        on_down=on_down,
        on_joined=intake.rejoined,
        unheard=intake.unheard,
        redact=Redactor(settings.secrets()).text,
    )
    intake.hearers = Hearers(feed.answered, feed.complained, feed.heard)
    return feed


def _polls(ingest: _Ingest, bus: Bus, rest: Rest, outlet: Outlet) -> list[Poll]:
    settings = ingest.settings
    shared = {
        "recheck": settings.entitlement_recheck,
        "say": outlet.say,
        "tally": ingest.tally,
        "clock": ingest.clock,
    }
    return [
        Movers(rest, every=settings.movers_every, **shared),
        Congress(rest, every=settings.congress_every, stored=partial(known_disclosures, bus), **shared),
    ]


def _look(ingest: _Ingest, bus: Bus, publisher: Publisher, outlet: Outlet, feed: Feed | None) -> None:
    """Report readiness, and let the intake tell what is over."""
    outlet.look()
    waits = publisher.oldest_age(asyncio.get_running_loop().time())
    if bus.connected and waits > STORED_WITHIN:
        ingest.health.report("bus", ok=False, reason=f"the oldest message waits {waits:.0f} s to be stored")
    else:
        ingest.health.report("bus", ok=bus.connected, reason="not connected")
    if feed is None:
        ingest.health.report("upstream", ok=False, reason=f"disabled: {NO_UPSTREAM}")
    else:
        up = feed.connection is Connection.CONNECTED
        ingest.health.report("upstream", ok=up, reason=f"{feed.connection}: {feed.reason}")


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
