"""Each worker soon knows what the others count, and soon forgets one that died: over a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from baleen_bus import Bucket, Bus, open_bus
from baleen_bus.buckets import GATEWAYS, GATEWAYS_TTL
from baleen_bus.connection import end_task
from baleen_bus.testing import NatsServer
from ws_gateway.fleet.counts import Counts, tell
from ws_gateway.fleet.presence import Presence

PATIENCE = 15.0


class Worker:
    """A worker that counts what the test says."""

    def __init__(self, name: str) -> None:
        self.counts = Counts(name, "here", 1.0)
        self.presence = Presence(name, lambda: self.counts)

    def count(self, **changes: Any) -> None:
        """Count something else from now on."""
        self.counts = replace(self.counts, **changes)


@asynccontextmanager
async def present(server: NatsServer, name: str, user: str | None = None) -> AsyncIterator[Worker]:
    """Have a worker take part until the block ends."""
    credentials = server.credentials(user) if user else {}
    async with open_bus(url=server.url, name=f"test/{name}", connect_within=5, **credentials) as bus:
        worker = Worker(name)
        running = asyncio.create_task(worker.presence.run(bus))
        try:
            yield worker
        finally:
            running.cancel()
            await asyncio.wait((running,))


async def until(condition: Callable[[], bool], within: float = PATIENCE) -> float:
    """Wait until *condition* holds; return after how many seconds."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what others tell comes when it comes
            await asyncio.sleep(0.01)
    return loop.time() - asked


async def standing(bus: Bus) -> list[str]:
    """Return whose counts stand on the bus."""
    return [entry.key for entry in await Bucket(bus, GATEWAYS).read_all() if not entry.deleted]


async def test_workers_know_of_each_other_within_two_seconds(nats_server_with_users: NatsServer):
    """As the gateway's own user; whoever is asked tells the same."""
    server = nats_server_with_users
    async with present(server, "a", "ws-gateway") as a, present(server, "b", "ws-gateway") as b:
        a.count(by_label={"native": 2}, connects=3, disconnects=1, held={"x": 2})
        b.count(by_label={"native": 1, "flow-alerts": 4}, connects=5, held={"x": 1, "y": 9})
        await until(lambda: a.presence.totals() == b.presence.totals() and a.presence.totals().connects == 8)
        totals = a.presence.totals()
        assert totals.by_label == {"native": 3, "flow-alerts": 4}
        assert (totals.workers, totals.disconnects) == (2, 1)
        assert (a.presence.elsewhere("x"), b.presence.elsewhere("x"), a.presence.elsewhere("z")) == (1, 2, 0)
        b.count(by_label={})
        assert await until(lambda: "flow-alerts" not in a.presence.totals().by_label) < 2.0
        assert "flow-alerts" in a.presence.labels_seen


async def test_one_that_leaves_is_forgotten_at_once(nats_server: NatsServer):
    """It takes back what it told."""
    async with present(nats_server, "a") as a:
        async with present(nats_server, "b"):
            await until(lambda: a.presence.totals().workers == 2)
        assert await until(lambda: a.presence.totals().workers == 1) < 1.0


@pytest.mark.slow
async def test_one_that_died_is_forgotten_when_its_entry_expires(nats_server: NatsServer):
    """And one that only has nothing new to tell is not."""
    opening = open_bus(url=nats_server.url, name="dead", connect_within=5)
    async with present(nats_server, "a") as a, present(nats_server, "quiet"), opening as bus:
        await Bucket(bus, GATEWAYS).put("dead", tell(Counts("dead", "here", 1.0, {"native": 7})))
        await until(lambda: a.presence.totals().workers == 3)
        gone_after = await until(lambda: a.presence.totals().connections == 0)
        assert gone_after > GATEWAYS_TTL - 1.5
        assert gone_after < GATEWAYS_TTL + 4.0
        assert a.presence.totals().workers == 2


async def test_a_restarted_bus_is_no_news_for_long(nats_server: NatsServer):
    """The bus is killed and comes back: the workers tell again."""
    async with present(nats_server, "a") as a, present(nats_server, "b") as b:
        await until(lambda: a.presence.totals().workers == 2)
        nats_server.restart()
        b.count(by_label={"native": 5})
        await until(lambda: a.presence.totals().by_label == {"native": 5})


async def test_without_a_bus_a_worker_speaks_for_itself(nats_server: NatsServer):
    """What others told long ago is not believed for ever."""
    now = 100.0
    presence = Presence("a", lambda: Counts("a", "here", 1.0, {"native": 1}), lambda: now)
    async with open_bus(url=nats_server.url, name="a", connect_within=5) as bus:
        running = asyncio.create_task(presence.run(bus))
        await Bucket(bus, GATEWAYS).put("b", tell(Counts("b", "here", 1.0, {"native": 7})))
        await until(lambda: presence.totals().connections == 8)
        await end_task(running)
    now += GATEWAYS_TTL + 0.1
    assert presence.totals().connections == 1


async def test_what_no_worker_wrote_is_passed_over(nats_server: NatsServer):
    """Strange entries, and counts under another's name, count for nothing."""
    async with (
        present(nats_server, "a") as a,
        open_bus(url=nats_server.url, name="stranger", connect_within=5) as bus,
    ):
        await Bucket(bus, GATEWAYS).put("b", b"strange")
        await Bucket(bus, GATEWAYS).put("c", tell(Counts("d", "here", 1.0, {"native": 7})))
        await Bucket(bus, GATEWAYS).put("e", tell(Counts("e", "here", 1.0, {"native": 1})))
        await until(lambda: a.presence.totals().workers == 2)
        assert a.presence.totals().by_label == {"native": 1}


async def test_who_leaves_takes_its_entry_back(nats_server: NatsServer):
    """Nothing stands in the bucket of one that is gone."""
    async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
        async with present(nats_server, "a") as a, present(nats_server, "b"):
            await until(lambda: a.presence.totals().workers == 2)
            assert sorted(await standing(bus)) == ["a", "b"]
        assert await standing(bus) == []
