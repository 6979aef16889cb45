"""What a client of the gateway wants is asked of upstream while it wants it: every part a real process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chaos.fleet import fleet, until
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus import open_bus, read_wishes
from baleen_bus.testing import NatsServer
from uw_simulator.testing import Simulator
from ws_gateway.testing import GatewayProcess

PATIENCE = 40.0
INGEST_LINGER = 2.0
"""Seconds for which uw-ingest keeps a channel after its last wish; much longer outside of tests."""


async def subscribe(client: ClientConnection, *topics: str) -> None:
    """Ask for live messages."""
    await client.send(json.dumps({"op": "subscribe", "topics": topics}))


async def event(client: ClientConnection, topic: str) -> dict[str, Any]:
    """Return the next live message of a topic."""
    async with asyncio.timeout(PATIENCE):
        while True:
            frame: dict[str, Any] = json.loads(await client.recv())
            if frame["op"] == "event" and frame["topic"] == topic and not frame.get("snapshot"):
                return frame


async def joined(simulator: Simulator) -> set[str]:
    """Return which channels upstream is asked for."""
    connections = (await simulator.control.state())["connections"]
    return {channel for connection in connections for channel in connection["joined"]}


@pytest.mark.slow
async def test_a_client_has_a_channel_opened_and_its_leaving_closes_it(
    nats_server: NatsServer, tmp_path: Path
):
    """Nobody configured it; a seed's route and a native topic wish for it, and no wish stays."""
    async with (
        Simulator.subprocess(source="synthetic", gex_every=0.2) as simulator,
        fleet(nats_server, simulator, ["one"], tmp_path, channels="news", linger=INGEST_LINGER) as ingest,
        open_bus(url=nats_server.url, name="test", connect_within=5) as bus,
    ):
        with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
            await until(lambda: is_joined(simulator, {"news"}), "only what is configured is joined", PATIENCE)
            async with (
                connect(f"{gateway.ws}/v1/stream") as first,
                connect(f"{gateway.ws}/v1/stream") as second,
                connect(f"{gateway.ws}/api/stream/ws/dark-pool"),
            ):
                await subscribe(first, "uw.v1.gex.SPY", "uw.v1.>")
                heard = await event(first, "uw.v1.gex.SPY")
                assert heard["data"]["symbol"] == "SPY"
                assert {"news", "gex:SPY", "off_lit_trades"} == await joined(simulator)
                await subscribe(second, "uw.v1.gex.SPY")
                await event(second, "uw.v1.gex.SPY")
                await first.close()
                await event(second, "uw.v1.gex.SPY")  # the other still wants it
                budget = await ingest["one"].ask("/budget")
                (channel,) = [row for row in budget["channels"] if row["channel"] == "gex:SPY"]
                assert all(name.startswith("gateway/") for name in channel["by"])
            await until(lambda: is_joined(simulator, {"news"}), "upstream is left again", PATIENCE)
            wishes, refused = await read_wishes(bus)
            assert (wishes, refused) == ([], [])
            await until(lambda: nothing_is_left(gateway), "the counts return to zero", PATIENCE)


@pytest.mark.slow
async def test_what_upstream_does_not_sell_is_told(nats_server: NatsServer, tmp_path: Path):
    """The wish is refused by uw-ingest, and whoever listens to the feeds' statuses hears why."""
    async with (
        Simulator.subprocess() as simulator,
        fleet(nats_server, simulator, ["one"], tmp_path, channels="news"),
    ):
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                await subscribe(client, "feed.v1.status.>", "uw.v1.net_flow.*")
                async with asyncio.timeout(PATIENCE):
                    while True:
                        frame = json.loads(await client.recv())
                        told = frame.get("data") or {}
                        if "ticker" in str(told.get("detail")) and "net_flow" in frame.get("topic", ""):
                            break


async def is_joined(simulator: Simulator, channels: set[str]) -> bool:
    """Return whether exactly these channels are asked for."""
    return await joined(simulator) == channels


async def nothing_is_left(gateway: GatewayProcess) -> bool:
    """Return whether the gateway counts no client, no lane, no wish and nothing that waits."""
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(f"{gateway.http}/metrics")).text
    names = ("connections", "lanes", "wishes", "wishes_left_out", "buffered_bytes")
    told = [
        line for name in names for line in metrics.splitlines() if line.startswith(f"baleen_gateway_{name}{{")
    ]
    return len(told) == 2 * len(names) and all(line.endswith(" 0.0") for line in told)
