"""The whole service over a real nats-server: remember, follow, survive a restart, leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from baleen_bus import Publisher, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import by_name, example
from baleen_runtime.errors import PortBusy
from baleen_runtime.serve import listen_on
from ws_gateway.bus.heard import heard_streams
from ws_gateway.service import run
from ws_gateway.settings import Settings

PATIENCE = 15.0


class Service:
    """A running service."""

    def __init__(self, port: int, stop: asyncio.Event, running: asyncio.Task[None]) -> None:
        self.port = port
        self.stop = stop
        self.running = running

    def connect(self, path: str = "/v1/stream") -> connect:
        """Open a WebSocket."""
        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None)

    async def get(self, path: str) -> httpx.Response:
        """Ask over HTTP."""
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}")

    async def ready(self) -> None:
        """Wait until the service may be sent work."""
        async with asyncio.timeout(PATIENCE):
            while (await self.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.02)


@asynccontextmanager
async def service(**chosen: Any) -> AsyncIterator[Service]:
    """Run the service until the block ends, then let it leave."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = Settings(port=0, drain_seconds=1.0, **chosen)
    running = asyncio.create_task(run(settings, stop, on_listening=port.set_result))
    await asyncio.wait({running, port}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        yield Service(await port, stop, running)
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)


@asynccontextmanager
async def publishing(
    server: NatsServer, source: str = "test", **credentials: str
) -> AsyncIterator[Publisher]:
    """Publish to the bus."""
    opening = open_bus(url=server.url, name="test", **credentials)
    async with opening as bus, Publisher(bus, source=source) as publisher:
        yield publisher


def message(entity: str, **changes: Any) -> Any:
    """Make a message of an entity from the catalogue's example."""
    known = by_name(entity)
    return known.model.model_validate({**example(known), "id": uuid4().hex, **changes})


async def frame(client: ClientConnection) -> dict[str, Any]:
    """Return the next frame that says something about topics or the connection, not how the bus is."""
    while True:
        heard: dict[str, Any] = orjson.loads(await asyncio.wait_for(client.recv(), PATIENCE))
        if heard["op"] not in ("heartbeat", "status"):
            return heard


async def follow(client: ClientConnection, *topics: str) -> list[dict[str, Any]]:
    """Subscribe and return the snapshot."""
    assert (await frame(client))["op"] == "welcome"
    await client.send(orjson.dumps({"op": "subscribe", "topics": topics}).decode())
    assert (await frame(client))["op"] == "subscribed"
    items = []
    while (item := await frame(client))["op"] != "snapshot_end":
        items.append(item)
    return items


def test_every_stream_but_the_operators_is_heard():
    """What the catalogue stores can be asked for, except dead letters."""
    assert "DEAD" not in heard_streams()
    assert {"TAPE", "LATEST", "ALERT", "FEED", "SIGNAL"} <= set(heard_streams())


async def test_the_past_is_shown_and_the_live_follows(nats_server: NatsServer):
    """What was stored before the service started is the snapshot; what is published then arrives."""
    async with publishing(nats_server) as publisher:
        for symbol in ("AAA", "BBB"):
            await publisher.publish(message("price", symbol=symbol))
        stored = await publisher.publish(message("signal", symbol="AAA"))
        async with service(nats_url=nats_server.url) as running:
            await running.ready()
            async with running.connect() as client:
                past = await follow(client, "uw.v1.price.*", "signal.v1.>")
                assert sorted(item["topic"] for item in past) == [
                    "signal.v1.AAA",
                    "uw.v1.price.AAA",
                    "uw.v1.price.BBB",
                ]
                await publisher.publish(message("signal", symbol="CCC"))
                live = await frame(client)

            assert live["topic"] == "signal.v1.CCC"
            assert live["data"]["symbol"] == "CCC"
            stream, _, seq = live["at"].split(".")
            assert (stream, int(seq)) == ("SIGNAL", stored.seq + 1)


@pytest.mark.parametrize(("source", "simulated"), [("uw-simulator", True), ("uw-ingest", False)])
async def test_made_up_data_is_called_simulated(nats_server: NatsServer, source: str, *, simulated: bool):
    """The welcome says whether what is remembered came from the simulator."""
    async with publishing(nats_server, source) as publisher:
        await publisher.publish(message("flow_alert"))
    async with service(nats_url=nats_server.url) as running:
        await running.ready()
        async with running.connect() as client:
            assert (await frame(client))["simulated"] is simulated


async def test_messages_of_a_bus_restart_arrive_once(nats_server: NatsServer):
    """The bus is killed and comes back: what was acknowledged arrives, in order, once, the last included."""
    async with publishing(nats_server) as publisher, service(nats_url=nats_server.url) as running:
        await running.ready()
        async with running.connect() as client:
            await follow(client, "signal.v1.>")
            for number in range(10):
                await publisher.publish(message("signal", symbol=f"T{number}"))
            nats_server.restart()
            for number in range(10, 20):
                await publisher.publish(message("signal", symbol=f"T{number}"))
            heard = [await frame(client) for _ in range(20)]

        assert [item["topic"] for item in heard] == [f"signal.v1.T{n}" for n in range(20)]


async def test_without_a_bus_it_serves_and_says_what_is_missing():
    """The service starts before the bus: it lives, is not ready, and tells why."""
    async with service(nats_url="nats://127.0.0.1:9") as running:
        assert (await running.get("/livez")).status_code == 200
        async with asyncio.timeout(10):
            while True:
                answer = await running.get("/readyz")
                assert answer.status_code == 503
                if "cannot be reached" in answer.json()["parts"]["bus"]:
                    break
                await asyncio.sleep(0.05)
        async with running.connect() as client:
            assert (await frame(client))["op"] == "welcome"


async def test_streams_that_are_not_made_yet_are_waited_for():
    """A bus without our streams makes the service wait, not fail."""
    with NatsServer() as empty:
        async with service(nats_url=empty.url) as running:
            async with asyncio.timeout(PATIENCE):
                while "TAPE" not in (await running.get("/readyz")).text:  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(0.02)
            assert not running.running.done()


async def test_a_stop_request_is_a_goodbye(nats_server: NatsServer):
    """Asked to leave, it stops being ready, tells its clients and ends within the deadline."""
    async with service(nats_url=nats_server.url) as running:
        await running.ready()
        client = await running.connect()
        await follow(client, "signal.v1.>")
        asked = asyncio.get_running_loop().time()
        running.stop.set()
        assert (await frame(client))["op"] == "drain"
        with pytest.raises(ConnectionClosed):
            await frame(client)
        assert client.close_code == 4000
        await asyncio.wait_for(running.running, 5)
        assert asyncio.get_running_loop().time() - asked < 5


async def test_more_ports_are_served_too(nats_server: NatsServer):
    """A client with a fixed port reaches the same gateway."""
    taken = listen_on("127.0.0.1", 0)
    spare = taken.getsockname()[1]
    taken.close()
    url = f"ws://127.0.0.1:{spare}/v1/stream"
    async with service(nats_url=nats_server.url, also_listen=(spare,)), connect(url) as client:
        assert (await frame(client))["op"] == "welcome"


async def test_a_busy_port_is_named():
    """Starting on a taken port fails with the port and the setting to change."""
    taken = listen_on("127.0.0.1", 0)
    port = taken.getsockname()[1]
    try:
        with pytest.raises(PortBusy, match=f"{port}.*WS_GATEWAY_PORT"):
            await run(Settings(port=port), asyncio.Event())
    finally:
        taken.close()


async def test_a_busy_port_among_more_is_named_by_its_own_setting():
    """The setting to change is the one the port comes from; the ports already taken are given back."""
    taken, spare = listen_on("127.0.0.1", 0), listen_on("127.0.0.1", 0)
    port, first = taken.getsockname()[1], spare.getsockname()[1]
    spare.close()
    try:
        with pytest.raises(PortBusy, match=f"{port}.*WS_GATEWAY_ALSO_LISTEN"):
            await run(Settings(port=first, also_listen=(port,)), asyncio.Event())
        listen_on("127.0.0.1", first).close()
    finally:
        taken.close()


async def test_forgeries_reach_nobody(nats_server: NatsServer):
    """A message on a public subject that no stream stored is dropped and counted."""
    async with publishing(nats_server) as publisher, service(nats_url=nats_server.url) as running:
        await running.ready()
        async with running.connect() as client, open_bus(url=nats_server.url, name="forger") as bus:
            await follow(client, "signal.v1.>")
            await bus.nc.publish("signal.v1.FAKE", b'{"symbol":"FAKE"}')
            await publisher.publish(message("signal", symbol="REAL"))
            assert (await frame(client))["topic"] == "signal.v1.REAL"
        metrics = (await running.get("/metrics")).text

    assert "baleen_gateway_forgeries_total 1.0" in metrics


async def test_with_users_and_permissions(nats_server_with_users: NatsServer):
    """The gateway's own user may do everything the gateway needs."""
    server = nats_server_with_users
    name, password = server.credentials("ws-gateway").values()
    async with service(nats_url=server.url, nats_user=name, nats_password=password) as running:
        await running.ready()
        demo = publishing(server, **server.credentials("uw-simulator"))
        async with demo as publisher, running.connect() as client:
            await follow(client, "signal.v1.>")
            await publisher.publish(message("signal", symbol="AAA"))
            assert (await frame(client))["topic"] == "signal.v1.AAA"
