"""Leases between real processes: killed, frozen, woken."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from baleen_bus.bootstrap import bootstrap
from baleen_bus.leases import times_for
from baleen_bus.streams import StreamSettings
from baleen_bus.testing import NatsServer, eventually

pytestmark = pytest.mark.slow

TIMES = times_for(1.5)
TAKEOVER = TIMES.length + TIMES.margin + 1.0
"""Seconds from a death until somebody else holds the lease."""


class Contender:
    """One process, and what it said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    def of(self, event: str) -> list[dict[str, Any]]:
        """What it said of this kind."""
        return [line for line in self.said if line["event"] == event]

    async def listen(self) -> None:
        """Until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))


@contextlib.asynccontextmanager
async def contending(server: NatsServer, owner: str) -> AsyncIterator[Contender]:
    """Starts one, and ends it whatever state it is in."""
    script = str(Path(__file__).with_name("lease_process.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, server.url, owner, stdout=asyncio.subprocess.PIPE
    )
    contender = Contender(process)
    listening = asyncio.create_task(contender.listen(), name="listening")
    try:
        await eventually(lambda: contender.of("ready"), within=20)
        yield contender
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening


@pytest.fixture
async def server(nats_server: NatsServer) -> NatsServer:
    """With short leases."""
    await bootstrap(url=nats_server.url, settings=StreamSettings(lease_ttl=TIMES.length))
    return nats_server


async def test_a_killed_holder_is_replaced_in_time(server):
    """And its successor knows that it did not let go."""
    async with contending(server, "first") as first:
        await eventually(lambda: first.of("held"))
        async with contending(server, "second") as second:
            first.process.kill()
            await first.process.wait()
            await eventually(lambda: second.of("held"), within=TAKEOVER + 5)

    taken = second.of("held")[0]
    assert taken["at"] - first.of("used")[-1]["used_at"] < TAKEOVER
    assert taken["before"] == "expired"
    assert taken["epoch"] > first.of("held")[0]["epoch"]


async def test_a_frozen_holder_is_replaced_and_does_nothing_more_when_it_wakes(server):
    """Its own clock tells it, before the bus can."""
    async with contending(server, "first") as first:
        await eventually(lambda: first.of("used"))
        async with contending(server, "second") as second:
            os.kill(first.process.pid, signal.SIGSTOP)
            await eventually(lambda: second.of("used"), within=TAKEOVER + 5)
            os.kill(first.process.pid, signal.SIGCONT)
            await eventually(lambda: first.of("lost"), within=5)
            uses = len(second.of("used"))
            await eventually(lambda: len(second.of("used")) > uses + 50)

    taken = second.of("held")[0]["at"]
    assert all(use["used_at"] < taken for use in first.of("used"))
    assert taken - first.of("used")[-1]["used_at"] < TAKEOVER
    assert first.of("lost")[0]["reason"] == "it was not renewed in time"
    assert second.of("lost") == []


async def test_a_holder_frozen_for_a_moment_keeps_its_lease(server):
    """Shorter than the lease less its margin, counted from the last renewal."""
    async with contending(server, "first") as first, contending(server, "second") as second:
        await eventually(lambda: first.of("used") or second.of("used"))
        holder = first if first.of("used") else second
        uses = len(holder.of("used"))
        os.kill(holder.process.pid, signal.SIGSTOP)
        await asyncio.sleep(0.5)
        os.kill(holder.process.pid, signal.SIGCONT)
        await eventually(lambda: len(holder.of("used")) > uses + 100)

    assert len(first.of("held") + second.of("held")) == 1
    assert first.of("lost") + second.of("lost") == []
