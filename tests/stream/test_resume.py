"""Clients of the native protocol lose their connections at any moment, and lose no message by it."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.stream.native_client import NativeClient
from tests.stream.publishing import SYMBOLS, publish, publish_elsewhere, stored

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.testing import NatsServer
from ws_gateway.testing import GatewayProcess

PATIENCE = 30.0


@asynccontextmanager
async def listening(clients: Sequence[NativeClient], pause: float) -> AsyncIterator[None]:
    """Keep clients listening while the block lasts."""
    tasks = [asyncio.create_task(client.listen(pause=pause)) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def all_live(clients: Sequence[NativeClient]) -> None:
    """Wait until every client has been shown the present."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client.live.wait() for client in clients))


async def caught_up(clients: Sequence[NativeClient], wanted: Sequence[list[int]]) -> None:
    """Wait until every client has heard as many messages as it should, or has had the time to."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while any(  # noqa: ASYNC110 - many clients' records, of which none is an event
                len(one.heard) < len(each) for one, each in zip(clients, wanted, strict=True)
            ):
                await asyncio.sleep(0.05)


async def compare(bus: Bus, clients: Sequence[NativeClient], since: int) -> None:
    """Judge what clients heard after number *since* by what the stream holds: all of it, in order, once."""
    kept = await stored(bus, "SIGNAL")
    wanted = [[seq for seq in kept.of(client.topics) if seq > since] for client in clients]
    await caught_up(clients, wanted)
    for client, numbers in zip(clients, wanted, strict=True):
        assert [seq for _, _, seq in client.heard] == numbers
        assert not client.gaps
        assert all(client.recovered[1:]), "a position was not taken"


def some_clients(url: str | list[str], count: int) -> list[NativeClient]:
    """Return clients of every form of topics: two of patterns, the others of lists and single subjects."""
    clients = []
    for number in range(count):
        choice = random.Random(number)  # noqa: S311 - the same clients each time
        few = [f"signal.v1.{symbol}" for symbol in choice.sample(SYMBOLS, 20)]
        wild = {0: ["signal.v1.*"], 1: ["signal.>"]}
        clients.append(NativeClient(url, wild.get(number, few if number % 2 else few[:1])))
    return clients


async def storm(nats: NatsServer, *, clients: int, rate: float, seconds: float, tail_mib: int) -> str:
    """Kick clients at random while messages are published; each must have heard all of its own.

    Returns:
        the gateway's metrics at the end.
    """
    with GatewayProcess(nats.url, WS_GATEWAY_TAIL_MIB=str(tail_mib)) as gateway:
        crowd = some_clients(f"{gateway.ws}/v1/stream", clients)
        async with open_bus(url=nats.url, name="test", connect_within=10) as bus, listening(crowd, 0.5):
            await all_live(crowd)
            until = asyncio.get_running_loop().time() + seconds
            await asyncio.gather(kick(crowd, until), publish_elsewhere(nats.url, rate, seconds))
            await compare(bus, crowd, 0)
        assert sum(client.connections for client in crowd) > 2 * clients
        async with httpx.AsyncClient() as http:
            return (await http.get(f"{gateway.http}/metrics")).text


async def kick(clients: Sequence[NativeClient], until: float) -> None:
    """Abort a random connection again and again, and until each has come back once on average."""
    choice = random.Random(4)  # noqa: S311 - the same each time
    while asyncio.get_running_loop().time() < until or sum(
        client.connections for client in clients
    ) <= 2 * len(clients):
        choice.choice([client for client in clients if client.live.is_set()] or clients).abort()
        await asyncio.sleep(2.0 / len(clients))


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_clients_that_are_kicked_at_random_hear_everything_once(nats_server: NatsServer):
    """From memory, and from the stream where memory is too short."""
    metrics = await storm(nats_server, clients=24, rate=1_000, seconds=8, tail_mib=1)
    for how in ("from_memory", "from_stream"):
        (count,) = re.findall(rf'^baleen_gateway_resumes_total{{how="{how}"}} (.+)$', metrics, re.MULTILINE)
        assert float(count) > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_recovery_storm_loses_and_doubles_nothing(nats_server: NatsServer):
    """Random kicks during 5,000 messages a second."""
    await storm(nats_server, clients=60, rate=5_000, seconds=30, tail_mib=64)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_thousand_clients_whose_tunnels_collapse_hear_everything(nats_server: NatsServer):
    """Each loses its connection without a word every fifteen seconds or so, and is away for two."""
    with GatewayProcess(nats_server.url) as gateway:
        crowd = [NativeClient(f"{gateway.ws}/v1/stream", ["signal.v1.*"]) for _ in range(1_000)]
        async with (
            open_bus(url=nats_server.url, name="test", connect_within=10) as bus,
            Publisher(bus, source="test") as publisher,
            listening(crowd, 2.7),
        ):
            await all_live(crowd)
            loop = asyncio.get_running_loop()
            until = loop.time() + 160
            aborting = asyncio.create_task(collapse(crowd, until))
            await publish(publisher, SYMBOLS, 2.0, lambda: loop.time() > until)
            await aborting
            await compare(bus, crowd, 0)
        assert sum(client.connections for client in crowd) > 5 * len(crowd)


async def collapse(clients: Sequence[NativeClient], until: float) -> None:
    """Abort every connection about every fifteen seconds."""
    loop, place = asyncio.get_running_loop(), 0
    while loop.time() < until:
        clients[place % len(clients)].abort()
        place += 1
        await asyncio.sleep(15 / len(clients))
