"""A bridge of its own for each test: real HTTP on a free port, a real nats-server behind it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from alert_bridge.receive.sources import Source, add_source
from alert_bridge.service import run
from alert_bridge.settings import Settings
from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.alert import Alert
from baleen_runtime.testing import ServiceProcess


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

    async def until_known(self, webhook: str) -> None:
        """Wait until the source whose webhook this is has been read."""
        await _until(lambda: self.client.get(webhook), lambda answer: answer.status_code == 200)

    async def until_answer(self, path: str, body: bytes, status: int) -> None:
        """Wait until a post is answered so."""
        await _until(
            lambda: self.client.post(path, content=body), lambda answer: answer.status_code == status
        )

    async def until_part(self, part: str, words: str) -> None:
        """Wait until readiness says *words* of *part*."""

        async def told() -> str:
            return str((await self.client.get("/readyz")).json()["parts"].get(part, ""))

        await _until(told, lambda said: words in said)

    async def until_metric(self, line: str, value: float) -> None:
        """Wait until the metric whose line begins with *line* has reached *value*."""
        await _until(lambda: self.metric(line), lambda now: now >= value)

    async def metric(self, line: str) -> float:
        """The value of the metric whose line begins with *line*."""
        text = (await self.client.get("/metrics")).text
        return float(next(found for found in text.splitlines() if found.startswith(line)).rsplit(" ", 1)[1])


async def _until(ask: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(20):
        while not enough(await ask()):  # noqa: ASYNC110 - the answer is on the other side of a socket
            await asyncio.sleep(0.01)


async def stored_alerts(url: str) -> list[Alert]:
    """All alerts that the stream has, in order."""
    async with open_bus(url=url, name="reader", connect_within=5) as bus:
        state = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]
        count = state["messages"]
        messages = [await bus.js.get_msg("ALERT", state["first_seq"] + place) for place in range(count)]
        return [Alert.model_validate_json(message.data or b"") for message in messages]


@dataclass
class RunningProcess:
    """A bridge in a process of its own, and a client of it."""

    process: ServiceProcess
    client: httpx.AsyncClient

    async def until_metric(self, name: str, fits: Callable[[float], bool]) -> None:
        """Wait until a metric of the bridge fits."""
        await _until(self._metrics, lambda found: fits(found.get(f"baleen_alert_bridge_{name}", 0.0)))

    async def _metrics(self) -> dict[str, float]:
        lines = (await self.client.get("/metrics")).text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


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


@asynccontextmanager
async def bridge_process(nats: NatsServer, folder: Path, **variables: str) -> AsyncIterator[RunningProcess]:
    """A bridge in a process of its own, that a test may kill; what lives at the end is killed."""
    add_source(folder / "sources.json", "bot")
    ours = {
        "BALEEN_NATS_URL": nats.url,
        "ALERT_BRIDGE_PORT": "0",
        "ALERT_BRIDGE_SOURCES": str(folder / "sources.json"),
    }
    async with (
        ServiceProcess("alert_bridge", {**ours, **variables}) as process,
        httpx.AsyncClient(base_url=process.http, timeout=10) as client,
    ):
        try:
            yield RunningProcess(process, client)
        finally:
            process.kill()


@pytest.fixture
def process_with(nats_server: NatsServer, tmp_path: Path) -> Callable[..., object]:
    """Starts a bridge in a process of its own, with environment variables of the test's own."""
    return lambda **variables: bridge_process(nats_server, tmp_path, **variables)


@pytest.fixture
def alerts(nats_server: NatsServer) -> Callable[[], Awaitable[list[Alert]]]:
    """Reads what the stream has."""
    return lambda: stored_alerts(nats_server.url)


@dataclass(frozen=True)
class Asked:
    """A request that a stranger got; names of headers in small letters."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What its body says."""
        return json.loads(self.body)


class Stranger:
    """An HTTP server of somebody else's: it answers as the test says, else like a webhook of Discord."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.port = 0
        self.heard = asyncio.Event()
        self._answers: deque[tuple[int, bytes, dict[str, str]] | None] = deque()
        self._silence = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where its webhook is."""
        return f"http://127.0.0.1:{self.port}/api/webhooks/1234567890/secret-token"

    @property
    def posts(self) -> list[Asked]:
        """Messages that it was sent."""
        return [asked for asked in self.asked if asked.method == "POST"]

    def says(self, status: int, body: Any = b"", headers: dict[str, str] | None = None) -> None:
        """The next answer that is not planned yet."""
        told = dict(headers or {})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            told.setdefault("Content-Type", "application/json")
        self._answers.append((status, body, told))

    def cuts(self) -> None:
        """The next request is read, and the connection then reset without an answer."""
        self._answers.append(None)

    def falls_silent(self) -> None:
        """The next request is read, and nothing follows until the test is over."""
        self._answers.append((0, b"", {}))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._silence.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read_request(reader)) is not None:
                self.asked.append(asked)
                answer = self._answers.popleft() if self._answers else _as_discord(asked)
                self.heard.set()
                if answer is None:
                    writer.transport.abort()
                    return
                status, body, headers = answer
                if not status:
                    await self._silence.wait()
                    return
                lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        except ConnectionError:
            pass  # whoever asked did not stay for the answer
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


def _as_discord(asked: Asked) -> tuple[int, bytes, dict[str, str]]:
    if asked.method == "DELETE":
        return 204, b"", {}
    said = {"id": "99", "channel_id": asked.query.get("thread_id", "777")}
    return 200, json.dumps(said).encode(), {"Content-Type": "application/json"}


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    """Somebody else's HTTP server."""
    async with Stranger() as running:
        yield running


@pytest.fixture
def until_stored(nats_server: NatsServer) -> Callable[[int], Awaitable[None]]:
    """Waits until the stream has so many."""

    async def wait(count: int) -> None:
        await _until(lambda: stored_alerts(nats_server.url), lambda stored: len(stored) >= count)

    return wait
