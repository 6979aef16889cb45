"""After every kind of client came, spoke and went, politely or not, nothing of them is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from baleen_bus import Publisher, open_bus, read_wishes
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import by_name, example
from ws_gateway.testing import GatewayProcess

PATIENCE = 30.0
ROUTES = [
    "/v1/stream",
    "/v1/stream",
    "/v1/stream",
    "/api/stream/ws/flow",
    "/api/stream/ws/market-movers",
    "/api/stream/ws/gex/SPY",
    "/api/v1/ws/unified?replay=50",
    "/api/v1/ws/market/SPY",
    "/ws",
    "/ws/backtest/nobody",
    "/nowhere",
]
ASKS = [
    {"op": "subscribe", "topics": ["uw.v1.gex.*", "uw.v1.price.SPY", "signal.v1.>"]},
    {"op": "subscribe", "topics": ["uw.v1.flow_alert.*"], "filter": "premium >= 1"},
    {"op": "subscribe", "topics": ["signal.v1.>"], "since": ["SIGNAL.unknown.1"]},
    {"op": "unsubscribe", "topics": ["signal.v1.>"]},
    {"op": "command", "subject": "command.v1.session.nobody", "action": "pause"},
    {"op": "nonsense"},
]
ZERO = (
    "connections",
    "lanes",
    "wishes",
    "wishes_left_out",
    "buffered_bytes",
    "lagging",
    "catching_up",
    "unidentified",
)


async def figures(http: httpx.AsyncClient) -> dict[str, float]:
    """Return the gateway's metrics that have no labels."""
    text = (await http.get("/metrics")).text
    return {
        name: float(value) for name, value in re.findall(r"^baleen_gateway_(\w+) (\S+)$", text, re.MULTILINE)
    }


@asynccontextmanager
async def publishing(server: NatsServer) -> AsyncIterator[None]:
    """Publish signals, prices and flow alerts until the block ends."""

    async def publish(publisher: Publisher) -> None:
        while True:
            for name in ("signal", "price", "flow_alert"):
                entity = by_name(name)
                message = {**example(entity), "id": uuid4().hex, "symbol": "SPY"}
                await publisher.publish(entity.model.model_validate(message))
            await asyncio.sleep(0.005)

    opening = open_bus(url=server.url, name="test", connect_within=5)
    async with opening as bus, Publisher(bus, source="test") as publisher:
        running = asyncio.create_task(publish(publisher))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait((running,))


async def listen(gateway: GatewayProcess, chance: random.Random) -> None:
    """Listen to Server-Sent Events for a while, and leave in some way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /v1/events?topics=signal.v1.%3E,uw.v1.gex.* HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(OSError):
        assert b" 200 " in await reader.readline()
        await asyncio.sleep(chance.random())
    (writer.transport.abort if chance.random() < 0.5 else writer.close)()


async def visit(gateway: GatewayProcess, chance: random.Random) -> None:
    """Be a client of some kind for a while, and leave in some way."""
    with contextlib.suppress(OSError, ConnectionClosed, InvalidStatus, TimeoutError):
        client = await connect(gateway.ws + chance.choice(ROUTES), max_queue=2, close_timeout=0.3)
        for _ in range(chance.randrange(4)):
            await client.send(json.dumps(chance.choice(ASKS)))
            await asyncio.sleep(chance.random() / 10)
        await asyncio.sleep(chance.random())
        if chance.random() < 0.5:
            abort(client)
        await client.close()


def abort(client: ClientConnection) -> None:
    """Hang up without a goodbye, by a reset."""
    sock: socket.socket = client.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


@pytest.mark.slow
async def test_nothing_stays_of_clients_that_are_gone(nats_server: NatsServer):
    """No client, lane, wish, byte or task; all that came has gone, and the status endpoints say so."""
    chance = random.Random(7)  # noqa: S311 - chooses who does what, guards nothing
    with GatewayProcess(nats_server.url, WS_GATEWAY_DRAIN_SECONDS="1") as gateway:
        async with httpx.AsyncClient(base_url=gateway.http, timeout=PATIENCE) as http:
            await http.get("/metrics")
            before = await figures(http)
            async with publishing(nats_server):
                for _ in range(3):
                    visits = [visit(gateway, chance) for _ in range(40)]
                    await asyncio.gather(*visits, *(listen(gateway, chance) for _ in range(10)))
            async with asyncio.timeout(PATIENCE):
                while not is_empty(now := await figures(http), before):  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(0.2)
            assert now["connects_total"] == now["disconnects_total"] > 50
            channels = (await http.get("/api/stream/channels")).json()["channels"]
            assert {channel["active_subscribers"] for channel in channels} == {0}
            assert (await http.get("/api/v1/ws/stats")).json()["total_connections"] == 0
            assert (await http.get("/v1/clients")).json()["clients"] == []
        async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
            assert await read_wishes(bus) == ([], [])
        assert gateway.leave() == 0


def is_empty(now: dict[str, float], before: dict[str, float]) -> bool:
    """Return whether everything that clients cause is gone."""
    return now["tasks"] <= before["tasks"] and not any(now[name] for name in ZERO)
