"""A gateway on a real socket in the test's own loop, fed by hand where the bus is not the point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus import Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import entity_of
from baleen_runtime.serve import listen_on, serve
from ws_gateway.app import make_app
from ws_gateway.bus.heard import heard_streams
from ws_gateway.event import Event
from ws_gateway.gateway import Gateway
from ws_gateway.metrics import GatewayCollector
from ws_gateway.settings import Settings
from ws_gateway.testing import GatewayProcess
from ws_gateway.wire.answering import HandOverAnswer
from ws_gateway.wire.transport import HandOver

PATIENCE = 5.0


class Serving:
    """A running gateway and the means to talk to it."""

    def __init__(self, gateway: Gateway, port: int, registry: CollectorRegistry) -> None:
        self.gateway = gateway
        self.port = port
        self.registry = registry
        self.number = 0

    def url(self, path: str) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def connect(self, path: str = "/v1/stream", **options: Any) -> connect:
        """Open a WebSocket."""
        return connect(self.url(path), **{"max_queue": None, "compression": None, **options})

    def connect_as(self, path: str, host: str, origin: str | None) -> connect:
        """Open a WebSocket as a page of *origin* does that reaches us under the name *host*."""
        here = {"host": "127.0.0.1", "port": self.port, "compression": None}
        return connect(f"ws://{host}{path}", origin=origin, proxy=None, **here)

    def say(self, subject: str, **data: Any) -> Event:
        """Put a message into the gateway as the bus would."""
        self.number += 1
        entity = entity_of(subject)
        assert entity is not None
        assert entity.stream is not None
        event = Event(
            subject,
            entity.name,
            entity.stream,
            self.number,
            f"{entity.stream}.e.{self.number}",
            f"2026-01-01T00:00:00.{self.number:06}Z",
            orjson.dumps({"n": self.number, **data}),
        )
        self.gateway.take(event)
        return event

    async def hear(self, client: ClientConnection) -> dict[str, Any]:
        """Return the next frame that is no heartbeat, for those come when they come."""
        while (frame := await self.hear_any(client))["op"] == "heartbeat":
            pass
        return frame

    async def hear_any(self, client: ClientConnection) -> dict[str, Any]:
        """Return the next frame."""
        return {"op": None, **orjson.loads(await asyncio.wait_for(client.recv(), PATIENCE))}

    async def ask(self, client: ClientConnection, **request: Any) -> dict[str, Any]:
        """Say *request* and return the next frame."""
        await client.send(orjson.dumps(request).decode())
        return await self.hear(client)

    async def subscribed(self, client: ClientConnection, *topics: str, **more: Any) -> None:
        """Subscribe without a snapshot, past the welcome if it has not been read."""
        answer = await self.ask(client, op="subscribe", topics=topics, snapshot=False, **more)
        if answer["op"] == "welcome":
            answer = await self.hear(client)
        assert answer["op"] == "subscribed", answer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - it may depend on anything
                await asyncio.sleep(0.002)

    def metrics(self) -> str:
        """Return what Prometheus would read."""
        return generate_latest(self.registry).decode()


@asynccontextmanager
async def serving(**chosen: Any) -> AsyncIterator[Serving]:
    """Serve a gateway with *chosen* settings on a free port."""
    settings = Settings(port=0, **chosen)
    gateway = Gateway(settings)
    for stream, entities in heard_streams().items():
        patterns = tuple(entity.pattern for entity in entities)
        past = gateway.past.follow(
            stream, patterns, newest_only=False, epoch=lambda: "e", read=lambda _delivered: None
        )
        past.tail.begin(0)
        gateway.settle(stream)
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway))
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(
            make_app(gateway, registry),
            sockets=[listen_on("127.0.0.1", 0)],
            stop=stop,
            on_listening=port.set_result,
            grace=1.0,
            http=HandOverAnswer,
            ws=HandOver,
            ws_max_size=settings.max_frame_bytes,
            ws_per_message_deflate=settings.deflate,
            proxy_headers=False,
            ws_ping_interval=None,
        )
    )
    keys = asyncio.create_task(gateway.entry.keep_keys())
    try:
        yield Serving(gateway, await port, registry)
    finally:
        await gateway.leave(1.0)
        stop.set()
        await server
        keys.cancel()
        gateway.close()


@pytest.fixture
def serve_with() -> Callable[..., AbstractAsyncContextManager[Serving]]:
    """Serve a gateway with chosen settings."""
    return serving


@pytest.fixture
async def live() -> AsyncIterator[Serving]:
    """A gateway with default settings."""
    async with serving() as running:
        yield running


@pytest.fixture(scope="module")
def bus_url() -> Iterator[str]:
    """A real nats-server with every stream, for all tests of one file."""
    with NatsServer() as server:
        asyncio.run(bootstrap(url=server.url))
        yield server.url


@pytest.fixture(scope="module")
def gateway(bus_url: str) -> Iterator[GatewayProcess]:
    """A gateway process with its defaults, for all tests of one file."""
    with GatewayProcess(bus_url) as running:
        yield running


@pytest.fixture
async def publisher(bus_url: str) -> AsyncIterator[Publisher]:
    """What other programs say on the bus is said with this."""
    async with open_bus(url=bus_url, name="test") as bus, Publisher(bus, source="test") as publishing:
        yield publishing
