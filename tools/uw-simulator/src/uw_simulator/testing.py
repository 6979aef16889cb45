"""The simulator for tests: in this process, or as a process of its own. Port 0, quiet unless asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from baleen_runtime.testing import STARTS_WITHIN, ServiceProcess, variables_for
from uw_simulator.client import SimulatorControl
from uw_simulator.service import run
from uw_simulator.settings import Settings

TOKEN = "simulated-token"  # noqa: S105 - the documented token of a pretend service
BASIC_TOKEN = "simulated-token-basic"  # noqa: S105 - likewise, without websocket scope
AGENT = "baleen-test/1"


def drinking_from(port: int) -> dict[str, str]:
    """The variables of a uw-ingest that has the simulator on *port* for its upstream, at any hour."""
    return variables_for(
        "UW_INGEST_",
        port=0,
        upstream_url=f"http://127.0.0.1:{port}",
        token=TOKEN,
        source="uw-simulator",
        calendar="always_open",
    )


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

    @property
    def variables(self) -> dict[str, str]:
        """What lets uw-ingest drink from it."""
        return drinking_from(self.port)

    @classmethod
    @asynccontextmanager
    async def in_process(cls, **options: Any) -> AsyncIterator[Simulator]:
        """Run a simulator on this event loop."""
        settings = Settings(**{"port": 0, "source": "none", **options})
        stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
        running = asyncio.create_task(
            run(settings, stop, on_listening=listening.set_result), name="simulator"
        )
        await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=STARTS_WITHIN)
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
        """Run a simulator as a process of its own, ended by SIGTERM.

        Raises:
            RuntimeError: it did not live as long as the block; with its last words.
        """
        variables = variables_for("UW_SIMULATOR_", **{"port": 0, "source": "none", **options})
        async with ServiceProcess("uw_simulator", variables) as process, _control(process.port) as control:
            try:
                yield cls(process.port, control, process.pid)
            finally:
                if not process.alive:
                    raise RuntimeError(f"the simulator ended by itself:\n{process.last_words()}")


@asynccontextmanager
async def _control(port: int) -> AsyncIterator[SimulatorControl]:
    async with SimulatorControl(f"http://127.0.0.1:{port}") as control:
        yield control
