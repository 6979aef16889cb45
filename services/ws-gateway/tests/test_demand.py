"""What clients want is told to uw-ingest in few writes, and taken back: over a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from baleen_bus import Bucket, Bus, Entry, open_bus, read_wishes
from baleen_bus.buckets import DEMAND
from baleen_bus.testing import NatsServer
from ws_gateway.fleet.demand import Demand
from ws_gateway.fleet.wanted import MOST

PATIENCE = 15.0


class Demanding:
    """A gateway's demand, and everything it ever wrote."""

    def __init__(self, demand: Demand, bus: Bus, written: list[Entry]) -> None:
        self.demand = demand
        self.bus = bus
        self.written = written

    async def wished(self) -> list[str]:
        """Return the topics that stand as wishes now."""
        wishes, refused = await read_wishes(self.bus)
        assert refused == []
        return sorted(wish.topic for wish in wishes)

    async def stands(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the standing wishes meet *condition*; return them."""
        async with asyncio.timeout(PATIENCE):
            while not condition(wished := await self.wished()):  # noqa: ASYNC110 - asked over the bus
                await asyncio.sleep(0.02)
        return wished


@asynccontextmanager
async def demanding(server: NatsServer, user: str | None = None) -> AsyncIterator[Demanding]:
    """Tell the bus what is wanted until the block ends."""
    credentials = server.credentials(user) if user else {}
    readers = server.credentials("uw-ingest") if user else {}
    async with (
        open_bus(url=server.url, name="ingest", connect_within=5, **readers) as reading,
        open_bus(url=server.url, name="gateway", connect_within=5, **credentials) as bus,
    ):
        written: list[Entry] = []
        await Bucket(reading, DEMAND).on_change(written.append)
        await read_wishes(reading)  # an answer over this connection: the server hears for it by now
        demand = Demand("here-0123abcd")
        running = asyncio.create_task(demand.run(bus))
        try:
            yield Demanding(demand, reading, written)
        finally:
            running.cancel()
            await asyncio.wait((running,))


async def test_ten_thousand_lanes_at_once_are_few_writes(nats_server_with_users: NatsServer):
    """Each topic is written once, however many want it, by the gateway's own user."""
    topics = [f"uw.v1.gex.T{number}" for number in range(40)]
    async with demanding(nats_server_with_users, "ws-gateway") as told:
        for number in range(10_000):
            told.demand.change((topics[number % 40], topics[(number + 1) % 40], "alert.v1.>"), ())
        assert await told.stands(lambda wished: len(wished) >= 40) == sorted(topics)
        for _ in range(10):  # pages are loaded again
            told.demand.change((), topics[:2])
            told.demand.change(topics[:2], ())
        await asyncio.sleep(1.0)  # four turns of the pace, in which a write too many would show
        assert len(told.written) == 40
        assert {entry.key.split(".")[:2][0] for entry in told.written} == {"gateway"}


@pytest.mark.slow
async def test_a_wish_ends_a_while_after_the_last_lane(nats_server: NatsServer):
    """Wildcards too; what is wanted still stays."""
    async with demanding(nats_server) as told:
        told.demand.change(("uw.v1.gex.*", "uw.v1.gex.SPY"), ())
        await told.stands(lambda wished: wished == ["uw.v1.gex.*", "uw.v1.gex.SPY"])
        left_at = asyncio.get_running_loop().time()
        told.demand.change((), ("uw.v1.gex.*",))
        await told.stands(lambda wished: wished == ["uw.v1.gex.SPY"])
        assert 4.5 < asyncio.get_running_loop().time() - left_at < 8.0


async def test_too_many_topics_are_left_out_and_counted(nats_server: NatsServer):
    """uw-ingest hears so many of one wisher: those that came first are wished for."""
    topics = [f"uw.v1.gex.T{number:04}" for number in range(MOST + 100)]
    async with demanding(nats_server) as told:
        told.demand.change(topics, ())
        assert await told.stands(lambda wished: len(wished) >= MOST) == topics[:MOST]
        assert (told.demand.wanted.wished, told.demand.wanted.left_out) == (MOST, 100)


async def test_who_leaves_takes_its_wishes_back(nats_server: NatsServer):
    """No wish stands once the gateway is gone, without waiting for its time to end."""
    async with demanding(nats_server) as told:
        told.demand.change([f"uw.v1.gex.T{number}" for number in range(300)], ())
        await told.stands(lambda wished: len(wished) == 300)
    async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
        assert await read_wishes(bus) == ([], [])


async def test_a_restarted_bus_hears_what_is_wanted_now(nats_server: NatsServer):
    """What changed while the bus was down is told when it is back."""
    async with demanding(nats_server) as told:
        told.demand.change(("uw.v1.gex.SPY",), ())
        await told.stands(lambda wished: wished == ["uw.v1.gex.SPY"])
        nats_server.kill()
        told.demand.change(("uw.v1.gex.QQQ",), ())
        await asyncio.to_thread(nats_server.restart)
        async with asyncio.timeout(PATIENCE):
            while not told.bus.connected:  # noqa: ASYNC110 - the client's own pace
                await asyncio.sleep(0.05)
        await told.stands(lambda wished: wished == ["uw.v1.gex.QQQ", "uw.v1.gex.SPY"])
