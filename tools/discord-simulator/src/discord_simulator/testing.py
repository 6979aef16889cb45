"""The simulator for tests: in this process, or as a process of its own. Port 0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from baleen_runtime.testing import STARTS_WITHIN, ServiceProcess, variables_for
from discord_simulator.service import run
from discord_simulator.settings import Settings
from discord_simulator.webhooks import webhook_named


@dataclass(frozen=True, slots=True)
class SimulatedDiscord:
    """A running simulator. Options are fields of `Settings`."""

    port: int
    client: httpx.AsyncClient
    pid: int | None = None
    """Of the process, if it has one of its own."""

    @property
    def http_url(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, name: str) -> str:
        """The URL of the webhook *name*."""
        return self.http_url + webhook_named(name, "any").path

    async def arm(self, kind: str, **fault: Any) -> None:
        """Let something go wrong."""
        await self._tell("POST", "faults", {"kind": kind, **fault})

    async def disarm(self) -> None:
        """Let everything go well."""
        await self._tell("DELETE", "faults", None)

    async def allow(self, **figures: float) -> None:
        """Change limits."""
        await self._tell("POST", "limits", figures)

    async def state(self) -> dict[str, Any]:
        """Counts, limits, what is armed."""
        return dict(await self._tell("GET", "state", None))

    async def entries(self, **query: str) -> list[dict[str, Any]]:
        """Every deed that is kept, in order, page by page."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            answer = await self.client.get("/control/messages", params={"after": after, **query})
            page = answer.raise_for_status().json()
            if not page["entries"]:
                return found
            found += page["entries"]
            after = page["next"]

    async def _tell(self, method: str, what: str, order: dict[str, Any] | None) -> Any:
        answer = await self.client.request(method, f"/control/{what}", json=order)
        return answer.raise_for_status().json()

    @classmethod
    @asynccontextmanager
    async def in_process(cls, **options: Any) -> AsyncIterator[SimulatedDiscord]:
        """Run a simulator on this event loop."""
        stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = run(Settings(**{"port": 0, **options}), stop, on_listening=listening.set_result)
        running = asyncio.create_task(serving, name="discord-simulator")
        await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=STARTS_WITHIN)
        if running.done():
            running.result()
        try:
            async with _client(listening.result()) as client:
                yield cls(listening.result(), client)
        finally:
            stop.set()
            await running

    @classmethod
    @asynccontextmanager
    async def subprocess(cls, **options: Any) -> AsyncIterator[SimulatedDiscord]:
        """Run a simulator as a process of its own, ended by SIGTERM."""
        variables = variables_for("DISCORD_SIMULATOR_", **{"port": 0, **options})
        async with ServiceProcess("discord_simulator", variables) as process, _client(process.port) as client:
            yield cls(process.port, client, process.pid)


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
