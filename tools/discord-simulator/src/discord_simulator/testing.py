"""The simulator for tests: in this process, or as a process of its own. Port 0."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from discord_simulator.service import run
from discord_simulator.settings import Settings
from discord_simulator.webhooks import webhook_named

_START_WITHIN = 30.0
_LEAVE_WITHIN = 5.0


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
        await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=_START_WITHIN)
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
        given = {"port": 0, **options}
        environ = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith("DISCORD_SIMULATOR_")
            },
            **{f"DISCORD_SIMULATOR_{name.upper()}": _variable(value) for name, value in given.items()},
            "BALEEN_LOG_FORMAT": "json",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "discord_simulator", env=environ, stderr=asyncio.subprocess.PIPE
        )
        lines: list[str] = []
        reading = asyncio.create_task(_read(process, lines), name="discord-simulator-log")
        try:
            port = await asyncio.wait_for(_port(process, lines), _START_WITHIN)
            async with _client(port) as client:
                yield cls(port, client, process.pid)
        finally:
            await _end(process)
            await reading


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)


async def _read(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stderr is not None  # noqa: S101 - asked for above
    async for line in process.stderr:
        lines.append(line.decode(errors="replace"))
        del lines[:-200]


async def _port(process: asyncio.subprocess.Process, lines: list[str]) -> int:
    while True:
        for line in lines:
            if '"listening"' in line and (told := json.loads(line)).get("event") == "listening":
                return int(told["port"])
        if process.returncode is not None:
            raise RuntimeError(f"the simulator ended with {process.returncode}: {''.join(lines)}")
        await asyncio.sleep(0.02)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _LEAVE_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()


def _variable(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
