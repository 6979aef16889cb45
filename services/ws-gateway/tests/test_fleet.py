"""Workers hold everybody to the same limits, and know each other only while they live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from baleen_bus import Bucket, open_bus
from baleen_bus.buckets import DEMAND, GATEWAYS
from baleen_bus.testing import NatsServer
from ws_gateway.doors.limits import Kind, Limits
from ws_gateway.fleet.fleet import Fleet
from ws_gateway.hub.hub import Hub

PATIENCE = 10.0


class Worker:
    """A worker without clients, whose limits the test fills."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.limits = Limits(per_address=3, per_subject=2)
        self.fleet = Fleet(self.hub, self.limits)


@asynccontextmanager
async def worker(server: NatsServer, user: str | None = None) -> AsyncIterator[Worker]:
    """Have a worker on the bus until the block ends."""
    credentials = server.credentials(user) if user else {}
    async with open_bus(url=server.url, name="test", connect_within=5, **credentials) as bus:
        one = Worker()
        try:
            async with one.fleet.on_bus(bus):
                yield one
        finally:
            one.hub.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what others tell comes when it comes
            await asyncio.sleep(0.01)


async def test_a_limit_counts_the_connections_of_all_workers(nats_server_with_users: NatsServer):
    """An address that is full elsewhere is full here, about a second later, and free again likewise."""
    async with (
        worker(nats_server_with_users, "ws-gateway") as a,
        worker(nats_server_with_users, "ws-gateway") as b,
    ):
        for _ in range(3):
            assert a.limits.take(Kind.ADDRESS, "192.0.2.1")
        assert a.limits.take(Kind.SUBJECT, "ada")
        await until(lambda: b.fleet.elsewhere(Kind.ADDRESS, "192.0.2.1") == 3)
        assert not b.limits.take(Kind.ADDRESS, "192.0.2.1")
        assert b.limits.take(Kind.ADDRESS, "192.0.2.2")
        assert b.fleet.elsewhere(Kind.SUBJECT, "192.0.2.1") == 0
        assert b.limits.take(Kind.SUBJECT, "ada")
        assert not b.limits.take(Kind.SUBJECT, "ada")
        assert await a.fleet.clients(None, 10) == ([], []), "the gateway's user may not ask or answer"
        a.limits.give_back(Kind.ADDRESS, "192.0.2.1")
        await until(lambda: b.limits.take(Kind.ADDRESS, "192.0.2.1"))


async def test_nothing_stays_of_a_worker_that_left(nats_server: NatsServer):
    """No entry, no wish, no subscription and no task."""
    tasks = len(asyncio.all_tasks())
    async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
        async with worker(nats_server) as a, worker(nats_server) as b:
            a.fleet.demand.change(("uw.v1.gex.SPY",), ())
            await until(lambda: a.fleet.totals().workers == b.fleet.totals().workers == 2)
            await until(lambda: a.fleet.demand.wanted.wished == 1)
        for bucket in (GATEWAYS, DEMAND):
            assert [entry for entry in await Bucket(bus, bucket).read_all() if not entry.deleted] == []
        assert a.fleet.worker != b.fleet.worker
    await until(lambda: len(asyncio.all_tasks()) == tasks)


async def test_a_worker_that_does_not_answer_is_named(nats_server: NatsServer):
    """The others' clients are shown all the same."""
    async with worker(nats_server) as a, worker(nats_server) as b:
        await until(lambda: a.fleet.totals().workers == 2)
        assert await a.fleet.clients(None, 10) == ([], [])
        b.fleet._questions._known = {}
        assert await a.fleet.clients(None, 10) == ([], [b.fleet.worker])
        assert await a.fleet.find("nobody") is None
