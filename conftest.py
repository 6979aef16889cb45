"""Fixtures every package's tests may use: a real nats-server each, with the streams made."""

import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from baleen_bus.bootstrap import bootstrap
from baleen_bus.buckets import LEASES
from baleen_bus.connection import open_bus
from baleen_bus.kv import Bucket
from baleen_bus.lease_value import release_mark
from baleen_bus.testing import NatsServer

settings.register_profile("any machine", deadline=None)  # one that is busy is no defect
settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """Twice the processors, for most tests wait for other processes; never so many that those starve."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.fixture
async def nats_server() -> AsyncIterator[NatsServer]:
    """A real nats-server with every stream, open to anybody."""
    with NatsServer() as server:
        await bootstrap(url=server.url)
        await _free(server, {})
        yield server


@pytest.fixture
async def nats_server_with_users() -> AsyncIterator[NatsServer]:
    """A real nats-server with every stream, and with Baleen's users and their permissions."""
    with NatsServer(with_users=True) as server:
        await bootstrap(url=server.url, **server.credentials("bootstrap"))
        await _free(server, server.credentials("uw-ingest"))
        yield server


async def _free(server: NatsServer, user: dict[str, str]) -> None:
    """Mark the leases of uw-ingest as released, which spares the tests the wait after one that expired."""
    async with open_bus(url=server.url, name="conftest", connect_within=10, **user) as bus:
        for key in ("planner", "rest", "socket.1", "socket.2", "socket.3"):
            await Bucket(bus, LEASES).delete(key, value=release_mark("conftest"))
