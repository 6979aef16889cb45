"""Two replicas of the gateway are restarted one after the other: clients return at a pace and lose nothing.

The clients do what the protocol asks of them: they come back when `drain` says, or after `Retry-After`, and
to the other replica where one does not answer.
"""

import asyncio
import contextlib
import json
import random
from bisect import bisect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.stream.light_line import TurnedAwayError, light_line
from tests.stream.native_client import CONNECT_WITHIN, NativeClient
from tests.stream.publishing import publish, stored

from baleen_bus import Publisher, open_bus
from baleen_bus.testing import NatsServer
from ws_gateway.doors.handshakes import SECONDS_AT_ONCE
from ws_gateway.testing import GatewayProcess

HEARD_WITHIN = 30.0
BACK_WITHIN = 120.0  # how soon it is depends on the machine, and is told instead of judged
SYMBOLS = ["T1", "T2", "T3"]
TOPICS = ["signal.v1.*"]


@dataclass
class Visitor(NativeClient):
    """A client that comes back when it is told to.

    Attributes:
        welcomed_at: when each connection was welcomed, in seconds of the loop's clock.
        turned_away: how often a handshake was answered with 503.
        at: where it was welcomed last.
    """

    welcomed_at: list[float] = field(default_factory=list)
    turned_away: int = 0
    at: str = ""
    _wait: float | None = None

    async def stay(self) -> None:
        """Listen for ever, through any number of connections."""
        chance = random.Random(id(self))  # noqa: S311 - spreads load
        while True:
            self._wait = None
            try:
                await self.listen_once()
            except TurnedAwayError as refusal:
                self.turned_away += 1
                self._wait = refusal.retry_after
            except (OSError, TimeoutError):
                pass
            self.live.clear()
            await asyncio.sleep(chance.uniform(0.1, 0.5) if self._wait is None else self._wait)

    async def listen_once(self) -> None:
        """Connect to a replica, subscribe from where we are, hear until the connection ends."""
        url = self.url[self._turn % len(self.url)]
        self._turn += 1
        async with light_line(url, CONNECT_WITHIN) as line:
            self.connections += 1
            self.at = url
            line.say(json.dumps(self._request()).encode())
            async for text in line.texts():
                self.take(json.loads(text))

    def take(self, frame: dict[str, Any]) -> None:
        """Hear one frame."""
        if frame["op"] == "welcome":
            self.welcomed_at.append(asyncio.get_running_loop().time())
        elif frame["op"] == "drain":
            self._wait = frame["reconnect_in_ms"] / 1000
        super().take(frame)


class Replica:
    """One gateway on a port of its own, through all its lives."""

    def __init__(self, nats: NatsServer, **variables: str) -> None:
        self._nats = nats
        self._variables = variables
        self.process: GatewayProcess | None = None

    @property
    def url(self) -> str:
        """Where native clients connect."""
        assert self.process is not None
        return f"{self.process.ws}/v1/stream"

    async def start(self) -> None:
        """Begin a life, on the port of the last."""
        port = str(self.process.port) if self.process is not None else "0"
        self.process = GatewayProcess(self._nats.url, **{**self._variables, "WS_GATEWAY_PORT": port})
        await asyncio.to_thread(self.process.__enter__)

    async def stop(self) -> None:
        """End this life politely."""
        assert self.process is not None
        assert await asyncio.to_thread(self.process.leave) == 0

    async def end(self) -> None:
        """Leave nothing running."""
        if self.process is not None:
            await asyncio.to_thread(self.process.__exit__)


@asynccontextmanager
async def two_replicas(nats: NatsServer, **variables: str) -> AsyncIterator[list[Replica]]:
    """Run two gateways over one bus."""
    replicas = [Replica(nats, **variables) for _ in range(2)]
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        yield replicas
    finally:
        for replica in replicas:
            await replica.end()


async def all_back(crowd: Sequence[Visitor], gone: str = "", within: float = BACK_WITHIN) -> float:
    """Wait until every client is served, none of them at the url *gone*; return after how many seconds."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with asyncio.timeout(within):
        while not all(client.live.is_set() and client.at != gone for client in crowd):  # noqa: ASYNC110 - many
            await asyncio.sleep(0.05)
    return loop.time() - asked


def busiest_second(crowd: Sequence[Visitor], since: float) -> int:
    """Return how many clients were welcomed within the busiest second after *since*."""
    moments = sorted(at for client in crowd for at in client.welcomed_at if at >= since)
    return max(bisect(moments, moment + 1) - place for place, moment in enumerate(moments))


async def deploy(nats: NatsServer, *, clients: int, handshakes_per_second: float, rate: float) -> list[str]:
    """Restart both replicas under so many clients; return what happened in words."""
    words = []
    limited = {"WS_GATEWAY_HANDSHAKES_PER_SECOND": str(handshakes_per_second)}
    async with (
        two_replicas(nats, **limited) as replicas,
        open_bus(url=nats.url, name="test", connect_within=10) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        urls = [replica.url for replica in replicas]
        crowd = [Visitor(urls if n % 2 else urls[::-1], TOPICS) for n in range(clients)]
        staying = [asyncio.create_task(visitor.stay()) for visitor in crowd]
        done = asyncio.Event()
        publishing = asyncio.create_task(publish(publisher, SYMBOLS, rate, done.is_set))
        try:
            await all_back(crowd)
            loop = asyncio.get_running_loop()
            for number, replica in enumerate(replicas):
                began = loop.time()
                stopping = asyncio.create_task(replica.stop())
                took = await all_back(crowd, gone=replica.url)
                await stopping
                peak = busiest_second(crowd, began)
                words.append(f"replica {number}: all back after {took:.1f} s, at most {peak} a second")
                assert peak <= handshakes_per_second * (1 + SECONDS_AT_ONCE), words
                if number == 0:
                    await replica.start()
            done.set()
            await publishing
            numbers = (await stored(bus, "SIGNAL")).of(TOPICS)
            await heard_by_all(crowd, numbers)
        finally:
            for task in (publishing, *staying):
                task.cancel()
            await asyncio.gather(publishing, *staying, return_exceptions=True)
    turned_away = sum(client.turned_away for client in crowd)
    words.append(f"{len(numbers)} messages each, {turned_away} handshakes turned away")
    return words


async def heard_by_all(crowd: Sequence[Visitor], numbers: list[int]) -> None:
    """Judge every client by what the stream holds: all since it first came, in order, once, and no gap."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HEARD_WITHIN):
            while any(not client.heard or client.heard[-1][2] < numbers[-1] for client in crowd):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    for client in crowd:
        first = client.began.get("SIGNAL", 0)
        assert [seq for _, _, seq in client.heard] == [seq for seq in numbers if seq > first]
        assert not client.gaps
        assert all(client.recovered[1:]), "a position was not taken"
        assert client.connections >= 2


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_deploy_loses_nothing_and_brings_everybody_back_at_a_pace(nats_server: NatsServer):
    """So few handshakes a second that not all are let in at once."""
    await deploy(nats_server, clients=80, handshakes_per_second=15, rate=20)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_deploy_under_five_thousand_clients(nats_server: NatsServer):
    """With the limits as they are shipped."""
    print(await deploy(nats_server, clients=5_000, handshakes_per_second=500, rate=2))  # noqa: T201 - the figures
