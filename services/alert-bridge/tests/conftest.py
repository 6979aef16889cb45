"""A bridge of its own for each test: real HTTP on a free port, a real nats-server behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from alert_bridge.receive.sources import Source, add_source
from alert_bridge.service import run
from alert_bridge.settings import Settings
from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.alert import Alert


@dataclass
class RunningBridge:
    """A bridge and a client of it."""

    client: httpx.AsyncClient
    source: Source
    stop: asyncio.Event

    @property
    def webhook(self) -> str:
        """The path of its one source's webhook."""
        return f"/api/webhooks/{self.source.id}/{self.source.token}"

    async def until_ready(self) -> None:
        """Wait until it may be sent work."""
        await _until(lambda: self.client.get("/readyz"), lambda answer: answer.status_code == 200)

    async def until_waiting(self) -> None:
        """Wait until an alert waits for the bus."""
        await _until(lambda: self.metric("baleen_alert_bridge_waiting_alerts"), lambda value: value > 0)

    async def metric(self, line: str) -> float:
        """The value of the metric whose line begins with *line*."""
        text = (await self.client.get("/metrics")).text
        return float(next(found for found in text.splitlines() if found.startswith(line)).rsplit(" ", 1)[1])


async def _until(ask: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(10):
        while not enough(await ask()):  # noqa: ASYNC110 - the answer is on the other side of a socket
            await asyncio.sleep(0.01)


async def stored_alerts(url: str) -> list[Alert]:
    """All alerts that the stream has, in order."""
    async with open_bus(url=url, name="reader", connect_within=5) as bus:
        state = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]
        count = state["messages"]
        messages = [await bus.js.get_msg("ALERT", state["first_seq"] + place) for place in range(count)]
        return [Alert.model_validate_json(message.data or b"") for message in messages]


@asynccontextmanager
async def running_bridge(nats: NatsServer, folder: Path, **settings: object) -> AsyncIterator[RunningBridge]:
    """A bridge over *nats* until the block ends; leaves in order."""
    source = add_source(folder / "sources.json", "bot")
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    given = Settings(port=0, nats_url=nats.url, sources=folder / "sources.json", **settings)
    service = asyncio.create_task(run(given, stop, on_listening=listening.set_result), name="bridge")
    await asyncio.wait({service, listening}, return_when=asyncio.FIRST_COMPLETED)
    if service.done():
        service.result()
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.result()}", timeout=10)
    try:
        async with client:
            yield RunningBridge(client, source, stop)
    finally:
        stop.set()
        await service


@pytest.fixture
async def bridge(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[RunningBridge]:
    """A bridge that is ready."""
    async with running_bridge(nats_server, tmp_path) as running:
        await running.until_ready()
        yield running


@pytest.fixture
def bridge_with(nats_server: NatsServer, tmp_path: Path) -> Callable[..., object]:
    """Starts a bridge with settings of the test's own."""
    return lambda **settings: running_bridge(nats_server, tmp_path, **settings)


@pytest.fixture
def alerts(nats_server: NatsServer) -> Callable[[], Awaitable[list[Alert]]]:
    """Reads what the stream has."""
    return lambda: stored_alerts(nats_server.url)
