"""What the simulator's tests share: a simulator on a free port, and a client that speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from uw_simulator.testing import AGENT, TOKEN, Simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator that says nothing by itself."""
    async with Simulator.in_process() as running:
        yield running


class Client:
    """A client of the socket that reads one frame at a time."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def join(self, *names: str) -> None:
        """Join and wait for every ack; nothing else may arrive before."""
        for name in names:
            await self.ask(name, "join")
        assert {(await self.read())[0] for _ in names} == set(names)

    async def ask(self, name: str, wish: str) -> None:
        """Send a join or a leave."""
        await self.socket.send(json.dumps({"channel": name, "msg_type": wish}))

    async def read(self, within: float = 3) -> Any:
        """Return the next frame, parsed."""
        return json.loads(await self.read_text(within))

    async def read_text(self, within: float = 3) -> str | bytes:
        """Return the next frame as it came."""
        async with asyncio.timeout(within):
            return await self.socket.recv()

    async def hears_nothing(self, within: float = 0.15) -> bool:
        """Tell whether nothing arrives for a while."""
        try:
            await self.read_text(within)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def connect():
    """Return how to open a socket, as an async context manager of a `Client`."""

    @asynccontextmanager
    async def opened(simulator: Simulator, **options: Any) -> AsyncIterator[Client]:
        options = {"user_agent_header": AGENT, "max_size": None, "close_timeout": 0.5, **options}
        async with websockets.connect(simulator.socket_url, **options) as socket:
            yield Client(socket)

    return opened


@pytest.fixture
async def rest(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """An authorised REST client of the quiet simulator."""
    headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": AGENT}
    async with httpx.AsyncClient(base_url=simulator.http_url, headers=headers) as client:
        yield client
