"""The simulator for tests: in this process, or as a process of its own. Port 0, quiet unless asked."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from uw_simulator.client import SimulatorControl
from uw_simulator.service import run
from uw_simulator.settings import Settings

TOKEN = "simulated-token"  # noqa: S105 - the documented token of a pretend service
BASIC_TOKEN = "simulated-token-basic"  # noqa: S105 - likewise, without websocket scope
AGENT = "baleen-test/1"

_START_WITHIN = 30.0
_LEAVE_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator.

    Options are fields of `Settings`; the source is `none` unless given,
    so that a test hears only what it asks for.
    """

    port: int
    control: SimulatorControl
    pid: int | None = None
    """Of the process, if it has one of its own."""

    @property
    def http_url(self) -> str:
        """Where REST is, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        """Where the socket is, with the full token."""
        return f"ws://127.0.0.1:{self.port}/socket?token={TOKEN}"

    @classmethod
    @asynccontextmanager
    async def in_process(cls, **options: Any) -> AsyncIterator[Simulator]:
        """Run a simulator on this event loop."""
        settings = Settings(**{"port": 0, "source": "none", **options})
        stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
        running = asyncio.create_task(
            run(settings, stop, on_listening=listening.set_result), name="simulator"
        )
        await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=_START_WITHIN)
        if running.done():
            running.result()
        try:
            async with _control(listening.result()) as control:
                yield cls(listening.result(), control)
        finally:
            stop.set()
            await running

    @classmethod
    @asynccontextmanager
    async def subprocess(cls, **options: Any) -> AsyncIterator[Simulator]:
        """Run a simulator as a process of its own, ended by SIGTERM."""
        given = {"port": 0, "source": "none", **options}
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UW_SIMULATOR_")},
            **{f"UW_SIMULATOR_{name.upper()}": _variable(value) for name, value in given.items()},
            "BALEEN_LOG_FORMAT": "json",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uw_simulator", env=environ, stderr=asyncio.subprocess.PIPE
        )
        lines: list[str] = []
        reading = asyncio.create_task(_read(process, lines), name="simulator-log")
        try:
            port = await asyncio.wait_for(_port(process, lines), _START_WITHIN)
            async with _control(port) as control:
                yield cls(port, control, process.pid)
        finally:
            await _end(process)
            await reading


@asynccontextmanager
async def _control(port: int) -> AsyncIterator[SimulatorControl]:
    async with SimulatorControl(f"http://127.0.0.1:{port}") as control:
        yield control


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
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
