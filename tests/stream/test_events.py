"""Listeners to Server-Sent Events lose their connections at any moment, and lose no message by it."""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.stream.event_client import EventClient
from tests.stream.publishing import SYMBOLS, publish_elsewhere, signal, stored

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.testing import NatsServer
from ws_gateway.testing import GatewayProcess

PATIENCE = 30.0
TO_CATCH_UP = 60.0


@asynccontextmanager
async def listening(clients: Sequence[EventClient], pause: float) -> AsyncIterator[None]:
    """Keep clients listening while the block lasts."""
    tasks = [asyncio.create_task(client.listen(pause=pause)) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_live(clients: Sequence[EventClient]) -> None:
    """Wait until every client has been shown the present."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client.live.wait() for client in clients))


async def compare(bus: Bus, clients: Sequence[EventClient], topics: Sequence[Sequence[str]]) -> None:
    """Judge what clients heard by what the stream holds of their *topics*: all of it, in order, once."""
    kept = await stored(bus, "SIGNAL")
    wanted = [kept.of(each) for each in topics]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TO_CATCH_UP):
            while any(  # noqa: ASYNC110 - many clients' records, of which none is an event
                len(client.heard) < len(each) for client, each in zip(clients, wanted, strict=True)
            ):
                await asyncio.sleep(0.05)
    for client, numbers in zip(clients, wanted, strict=True):
        assert [seq for _, _, seq in client.heard] == numbers
        assert not client.gaps
        assert all(client.recovered[1:]), "an id was not taken"
        assert set(client.statuses) == {200}


def some_clients(url: str, count: int) -> list[EventClient]:
    """Return clients of every form of topics: a watch-list, a wildcard, single subjects, several streams."""
    clients = []
    for number in range(count):
        choice = random.Random(number)  # noqa: S311 - the same clients each time
        few = [f"signal.v1.{symbol}" for symbol in choice.sample(SYMBOLS, 20)]
        forms = [few, ["signal.v1.*"], few[:1], ["signal.>", "agent.v1.>"]]
        clients.append(EventClient(url, forms[number % 4]))
    return clients


async def storm(nats: NatsServer, *, clients: int, rate: float, seconds: float, tail_mib: int) -> str:
    """Kick clients at random, and let some doze, while messages are published; each must hear all of its own.

    Returns:
        the gateway's metrics at the end.
    """
    bounds = {"WS_GATEWAY_TAIL_MIB": str(tail_mib), "WS_GATEWAY_CLIENT_BUFFER_BYTES": "65536"}
    with GatewayProcess(nats.url, **bounds) as gateway:
        crowd = some_clients(gateway.http, clients)
        chosen = [f"signal.v1.{symbol}" for symbol in SYMBOLS[:50]]
        condition = f"symbol in {json.dumps(SYMBOLS[:50])}"
        chooser = EventClient(gateway.http, ["signal.v1.*"], filter=condition)
        everybody, sleepy = [*crowd, chooser], crowd[1::8]
        async with open_bus(url=nats.url, name="test", connect_within=10) as bus, listening(everybody, 0.5):
            await all_live(everybody)
            until = asyncio.get_running_loop().time() + seconds
            awake = [client for client in everybody if client not in sleepy]
            await asyncio.gather(
                kick(awake, until), doze(sleepy, until), publish_elsewhere(nats.url, rate, seconds)
            )
            await compare(bus, everybody, [*(one.topics for one in crowd), chosen])
        assert sum(client.connections for client in crowd) > 2 * clients
        async with httpx.AsyncClient() as http:
            return (await http.get(f"{gateway.http}/metrics")).text


async def kick(clients: Sequence[EventClient], until: float) -> None:
    """Abort a random connection again and again, also while its client is still being told of the past."""
    choice = random.Random(4)  # noqa: S311 - the same each time
    while asyncio.get_running_loop().time() < until:
        choice.choice(clients).abort()
        await asyncio.sleep(1.5 / len(clients))


async def doze(clients: Sequence[EventClient], until: float) -> None:
    """Let one client after the other read nothing for a while: too long for what may wait for it."""
    choice = random.Random(5)  # noqa: S311 - the same each time
    while asyncio.get_running_loop().time() < until:
        client = choice.choice(clients)
        client.pause()
        await asyncio.sleep(1.5)
        client.read_on()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_listeners_that_are_kicked_at_random_hear_everything_once(nats_server: NatsServer):
    """From memory, from the stream where memory is too short, and where they read too slowly."""
    metrics = await storm(nats_server, clients=16, rate=1_000, seconds=8, tail_mib=1)
    for how in ("from_memory", "from_stream", "caught_up"):
        (count,) = re.findall(rf'^baleen_gateway_resumes_total{{how="{how}"}} (.+)$', metrics, re.MULTILINE)
        assert float(count) > 0


async def test_a_listener_whose_filter_fits_nothing_gets_ahead_too(nats_server: NatsServer):
    """While thousands of messages are read for it, its id moves: it never reads them again."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_TAIL_MIB="1") as gateway:
        chooser = EventClient(gateway.http, ["signal.v1.*"], filter='symbol == "NONE"')
        ids: list[str] = []
        chooser.on_id = ids.append
        async with (
            open_bus(url=nats_server.url, name="test", connect_within=10) as bus,
            Publisher(bus, source="test") as publisher,
        ):
            async with listening([chooser], 60):
                await all_live([chooser])
            for _ in range(6_000):
                publisher.offer(signal("SPY"))
            assert await publisher.drain(30) == 0
            numbers = (await stored(bus, "SIGNAL")).of(["signal.v1.*"])
            async with httpx.AsyncClient(base_url=gateway.http) as http, asyncio.timeout(PATIENCE):
                while (  # noqa: ASYNC110 - another process has no event for it
                    "baleen_gateway_messages_total 6000.0" not in (await http.get("/metrics")).text
                ):
                    await asyncio.sleep(0.05)
            ids.clear()
            async with listening([chooser], 60):
                await all_live([chooser])
        reached = [int(text.rpartition(".")[2]) for text in ids]
        assert len(reached) >= 3
        assert reached == sorted(reached)
        assert reached[-1] == numbers[-1]
        assert chooser.heard == []
        assert chooser.recovered == [None, True]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_recovery_storm_of_listeners_loses_and_doubles_nothing(nats_server: NatsServer):
    """Random kicks during 1,000 messages a second, for longer."""
    await storm(nats_server, clients=24, rate=1_000, seconds=30, tail_mib=16)
