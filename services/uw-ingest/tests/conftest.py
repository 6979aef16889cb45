"""Runs uw-ingest against real servers, and prints the table of captured frames and rows after the tests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from baleen_bus.connection import Bus, open_bus
from baleen_bus.reading import Delivered, fetch_after
from baleen_bus.testing import NatsServer
from baleen_contracts import by_name
from baleen_runtime.settings import load_settings
from baleen_runtime.testing import ServiceProcess, variables_for
from uw_ingest.service import run
from uw_ingest.settings import Settings

TABLE = "captured"
WITHIN = 20.0


async def until(condition: Callable[[], Any | Awaitable[Any]], what: str, within: float = WITHIN) -> Any:
    """Wait for a condition, and return its value; fail with words when it does not come true in time."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.02)


@dataclass
class Ingest:
    """A running uw-ingest, asked over HTTP."""

    http: httpx.AsyncClient
    process: ServiceProcess | None = None

    async def status(self) -> dict[str, Any]:
        """What it says about itself."""
        answer: dict[str, Any] = (await self.http.get("/status")).json()
        return answer

    async def ready(self) -> bool:
        """Whether it may be relied on."""
        return (await self.http.get("/readyz")).status_code == 200

    async def counter(self, name: str) -> int:
        """One of its counters."""
        return int((await self.status())["counters"][name])

    async def refused(self) -> dict[str, int]:
        """What it refused, by reason."""
        answer: dict[str, int] = (await self.status())["counters"]["refused"]
        return answer

    async def joined(self) -> bool:
        """Whether the socket is open and every channel's join is accepted."""
        status = await self.status()
        joins = [channel["join"] == "accepted" for channel in status.get("channels", [])]
        return status["connection"]["state"] == "connected" and bool(joins) and all(joins)


def environment(nats: NatsServer, upstream: str | None, **settings: Any) -> dict[str, str]:
    """The variables of a test's uw-ingest: polls that ask once, a market that is always open."""
    given = {
        "port": 0,
        "upstream_url": upstream,
        "token": "simulated-token",
        "source": "uw-simulator",
        "calendar": "always_open",
        "movers_every": 3600,
        "congress_every": 3600,
        **settings,
    }
    return {"BALEEN_NATS_URL": nats.url, **variables_for("UW_INGEST_", **given)}


@asynccontextmanager
async def running(nats: NatsServer, upstream: str | None, **settings: Any) -> AsyncIterator[Ingest]:
    """Run uw-ingest on this event loop."""
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    loaded = load_settings(Settings, environment(nats, upstream, **settings))
    task = asyncio.create_task(run(loaded, stop, on_listening=listening.set_result), name="uw-ingest")
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.result()}") as http:
            yield Ingest(http)
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


@asynccontextmanager
async def process(nats: NatsServer, upstream: str | None, **settings: Any) -> AsyncIterator[Ingest]:
    """Run uw-ingest as a process of its own."""
    async with (
        ServiceProcess("uw_ingest", environment(nats, upstream, **settings)) as process,
        httpx.AsyncClient(base_url=process.http) as http,
    ):
        yield Ingest(http, process)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection of the test's own."""
    async with open_bus(url=nats_server.url, name="test", connect_within=10) as bus:
        yield bus


@pytest.fixture
def stored(bus: Bus) -> Callable[[str], Awaitable[list[Delivered]]]:
    """What the bus keeps of an entity, oldest first."""

    async def read(name: str) -> list[Delivered]:
        entity, found = by_name(name), list[Delivered]()
        assert entity.stream is not None
        await fetch_after(bus, entity.stream, entity.pattern, 0, found.append)
        return found

    return read


@pytest.fixture
def ingest_running() -> Any:
    """Starts uw-ingest on this event loop."""
    return running


@pytest.fixture
def ingest_process() -> Any:
    """Starts uw-ingest as a process."""
    return process


@pytest.fixture
def eventually() -> Any:
    """Waits for a condition."""
    return until


@pytest.fixture
def sample_table(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Takes rows of (captured file, what became of one frame or row)."""
    return lambda file, outcome: record_property(TABLE, [file, outcome])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what became of every captured frame and row, counted by file."""
    # Reports travel to here whichever process ran the test.
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    rows = [(*row,) for report in passed for name, row in report.user_properties if name == TABLE]
    if not rows:
        return
    terminalreporter.section("captured upstream frames and rows")
    for (file, outcome), count in sorted(Counter(rows).items()):
        terminalreporter.write_line(f"{file:<52} {count:>4}  {outcome}")
    total = Counter(outcome.partition(":")[0] for _, outcome in rows)
    terminalreporter.write_line("  ".join(f"{kind} {count}" for kind, count in sorted(total.items())))
