"""The demo's sessions as `make up` shows them: engine, bus and gateway, each with its own rights."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from baleen_bus import open_bus
from baleen_bus.sessions import read_session
from baleen_bus.testing import NatsServer
from uw_simulator.testing import Simulator
from ws_gateway.testing import GatewayProcess

PATIENCE = 20.0


async def until(client: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """Return the frames up to the next of that kind, that one included."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while not frames or frames[-1]["type"] != kind:
            frames.append(json.loads(await client.recv()))
    return frames


async def order(client: ClientConnection, action: str) -> dict[str, Any]:
    """Give an order and return what acknowledges it."""
    await client.send(json.dumps({"action": action}))
    data: dict[str, Any] = (await until(client, "command_ack"))[-1]["data"]
    return data


async def announced(server: NatsServer, session_id: str) -> None:
    """Wait until the session can be watched."""
    async with (
        open_bus(url=server.url, name="test", **server.credentials("ws-gateway")) as bus,
        asyncio.timeout(PATIENCE),
    ):
        entry = await read_session(bus, session_id)
        while entry is None:
            await asyncio.sleep(0.05)
            entry = await read_session(bus, session_id)


async def test_the_demos_sessions_are_watched_paused_and_stopped(nats_server_with_users: NatsServer):
    """What one tab orders, another sees, whenever it was opened."""
    server = nats_server_with_users
    ours, theirs = server.credentials("ws-gateway"), server.credentials("uw-simulator")
    demo = {"nats_url": server.url, "nats_user": theirs["user"], "nats_password": theirs["password"]}
    login = {"WS_GATEWAY_NATS_USER": ours["user"], "WS_GATEWAY_NATS_PASSWORD": ours["password"]}
    async with Simulator.in_process(demo_publishers=True, **demo):
        await announced(server, "demo-backtest")
        with GatewayProcess(server.url, **login) as gateway:
            backtest = f"{gateway.ws}/ws/backtest/demo-backtest"
            async with connect(backtest) as one:
                first = await until(one, "candle")
                assert (first[0]["type"], first[0]["data"]["total_candles"]) == ("session_initialized", 60)
                assert await order(one, "pause") == {"action": "pause"}
                async with connect(backtest) as two:
                    shown = await until(two, "session_paused")
                    candles = [frame["data"]["candle_index"] for frame in shown if frame["type"] == "candle"]
                    assert candles == list(range(len(candles)))
                    assert shown[-1]["data"]["current_candle"] == candles[-1]
                    assert await order(one, "resume") == {"action": "resume"}
                    assert [frame["type"] for frame in await until(two, "candle")] == [
                        "session_resumed",
                        "candle",
                    ]
                    assert (await order(one, "stop"))["result_id"] == "demo-backtest-result"
                    result = (await until(two, "session_completed"))[-1]["data"]
                    assert result["forced_stop"] is True

            await announced(server, "demo-forward")
            async with connect(f"{gateway.ws}/ws/forward/demo-forward") as tab:
                assert (await until(tab, "price_update"))[0]["data"]["test_type"] == "forward"
                assert (await order(tab, "stop"))["position_closed"] is False
