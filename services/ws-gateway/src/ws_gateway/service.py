"""The life of ws-gateway: serve, hear the bus, leave politely; by one process or several."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry

from baleen_bus import open_bus
from baleen_runtime.health import Health
from baleen_runtime.lifecycle import StopRequested
from baleen_runtime.operator import Whole
from baleen_runtime.serve import serve
from ws_gateway.app import make_app
from ws_gateway.bus.listen import follow_all
from ws_gateway.bus.reread import Rereader
from ws_gateway.errors import BusLost
from ws_gateway.fleet.ports import listen_on_all
from ws_gateway.fleet.supervisor import supervise
from ws_gateway.gateway import Gateway
from ws_gateway.metrics import GatewayCollector
from ws_gateway.settings import Settings
from ws_gateway.wire.answering import HandOverAnswer
from ws_gateway.wire.transport import HandOver

log = structlog.get_logger(__name__)

_GARBAGE_THRESHOLDS = (10_000, 100, 50)  # a pass over new objects took up to 6 ms, 15 while thousands joined


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Serve clients until *stop* is set, then say goodbye to them within the drain time.

    Args:
        settings: what the operator decided.
        stop: set by the owner when it is time to leave.
        on_listening: called with the first port once connections are accepted.

    Raises:
        PortBusy: another program has one of our ports.
        BusLost: the connection to the bus ended for good.
        CannotServe: of several workers, some do not start or do not last.
    """
    if settings.workers > 1:
        await supervise(settings, stop, on_listening=on_listening)
    else:
        await work(settings, stop, sockets=listen_on_all(settings), on_listening=on_listening)


class Line(Whole, Protocol):
    """What a worker of several has to do with its supervisor."""

    def note_listening(self, port: int) -> None:
        """Note that connections are accepted."""
        ...

    async def run(self, health: Health, registry: CollectorRegistry, stop: asyncio.Event) -> None:
        """Tell the supervisor how this worker is; set *stop* once there is none."""
        ...


async def work(
    settings: Settings,
    stop: asyncio.Event,
    *,
    sockets: list[socket.socket],
    line: Line | None = None,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve clients on *sockets* by this process until *stop* is set.

    Args:
        settings: what the operator decided.
        stop: set by the owner when it is time to leave.
        sockets: of all our ports; closed on return.
        line: to the supervisor, where there are several workers.
        on_listening: called with the first port once connections are accepted.

    Raises:
        BusLost: the connection to the bus ended for good.
    """
    gateway = Gateway(settings)
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway))
    _calm_the_collector()
    admin_port = sockets[-1].getsockname()[1] if settings.admin_port is not None else None
    if admin_port is not None:
        log.info("operators are answered apart", port=admin_port)
    served = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            if line is not None:
                tasks.create_task(line.run(gateway.health, registry, stop), name="line")
            serving = serve(
                make_app(gateway, registry, line, admin_port=admin_port),
                sockets=sockets,
                stop=served,
                on_listening=on_listening if line is None else line.note_listening,
                grace=1.0,
                http=HandOverAnswer,
                ws=HandOver,
                ws_max_size=settings.max_frame_bytes,
                ws_per_message_deflate=settings.deflate,
                proxy_headers=False,  # the door knows itself whose word about addresses counts
                ws_ping_interval=None,  # the hub pings all clients in turns, with one timer
            )
            tasks.create_task(serving, name="serve")
            tasks.create_task(_listen(gateway), name="listen")
            tasks.create_task(gateway.entry.keep_keys(), name="keys")
            tasks.create_task(_leave(gateway, stop, served), name="leave")
    except* StopRequested:
        log.info("clients told, leaving")
    finally:
        gateway.close()


async def _listen(gateway: Gateway) -> None:
    """Hear the bus until cancelled.

    Raises:
        BusLost: the connection ended for good.
    """
    try:
        await _hear_the_bus(gateway)
    except OSError:
        if not gateway.leaving:  # a bus that goes down while we hang up is no failure of ours
            raise


async def _hear_the_bus(gateway: Gateway) -> None:
    settings = gateway.settings
    lost = asyncio.Event()
    opening = open_bus(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value() if settings.nats_password else None,
        name="ws-gateway",
        on_closed=lost.set,
        on_failed=lambda why: gateway.health.report("bus", ok=False, reason=why),
    )
    async with opening as bus, AsyncExitStack() as closing:
        gateway.mind_bus(None)
        bus.on_disconnected(lambda: gateway.mind_bus("disconnected from NATS"))
        bus.on_reconnected(lambda: gateway.mind_bus(None))
        gateway.bus, gateway.rereader = bus, Rereader(bus, gateway.past)
        await closing.enter_async_context(gateway.fleet.on_bus(bus))
        gateway.followers = await follow_all(gateway, bus, closing)
        # Before Python 3.12 asyncio.wait_for may swallow a cancellation that races with its result.
        if gateway.leaving:
            return
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again and again
        await lost.wait()
        raise BusLost


async def _leave(gateway: Gateway, stop: asyncio.Event, served: asyncio.Event) -> None:
    """Wait until asked to leave; then no more clients, a word to each, and the server's end."""
    await stop.wait()
    await gateway.leave(gateway.settings.drain_seconds)
    served.set()
    raise StopRequested


def _calm_the_collector() -> None:
    """Look for garbage cycles more rarely: a pass over all clients' objects makes frames late."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
