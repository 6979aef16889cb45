"""Fixtures every package's tests may use: a real nats-server each, with the streams made."""

from collections.abc import AsyncIterator

import pytest

from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer


@pytest.fixture
async def nats_server() -> AsyncIterator[NatsServer]:
    """A real nats-server with every stream, open to anybody."""
    with NatsServer() as server:
        await bootstrap(url=server.url)
        yield server


@pytest.fixture
async def nats_server_with_users() -> AsyncIterator[NatsServer]:
    """A real nats-server with every stream, and with Baleen's users and their permissions."""
    with NatsServer(with_users=True) as server:
        await bootstrap(url=server.url, **server.credentials("bootstrap"))
        yield server
