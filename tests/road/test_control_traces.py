"""The trace of what clients order, from the gateway over the bus to who obeys: every part a real process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chaos.fleet import fleet, until
from websockets.asyncio.client import connect

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.command import CommandReply, session_subject
from baleen_runtime.collector import Collector, Told
from uw_simulator.testing import Simulator
from ws_gateway.testing import GatewayProcess

PATIENCE = 40.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def _told(collector: Collector, name: str) -> list[Told]:
    """Wait for the spans of a name."""
    await asyncio.to_thread(collector.wait, lambda heard: bool(heard.named(name)), PATIENCE)
    return collector.named(name)


@pytest.mark.slow
async def test_an_order_and_a_command_are_traced_to_who_obeys(nats_server: NatsServer, tmp_path: Path):
    """A reconnect goes on with the trace of who asked; a client's command begins one for its engine."""
    with Collector() as collector:
        async with (
            Simulator.subprocess(source="synthetic") as simulator,
            fleet(nats_server, simulator, ["one"], tmp_path, collector.variables, channels="news") as ingest,
            open_bus(url=nats_server.url, name="engine", connect_within=10) as bus,
        ):
            await until(ingest["one"].is_ready, "uw-ingest is ready", PATIENCE)
            with GatewayProcess(nats_server.url, **collector.variables) as gateway:
                async with httpx.AsyncClient(base_url=gateway.http, timeout=20) as client:
                    header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
                    answer = await client.post("/api/stream/reconnect", headers=header)
                assert answer.status_code == 200, answer.text
                engine = await bus.nc.subscribe(session_subject("s1"))
                await bus.nc.flush()
                header_heard = await _command(gateway, engine)
                [heard] = await _told(collector, "POST /api/stream/reconnect")
                [obeyed] = await _told(collector, "reconnect")
                await asyncio.to_thread(collector.wait, lambda all_: len(all_.named("ask command")) == 2)

    asked, commanded = collector.named("ask command")
    assert [(one.service, one.parent) for one in (heard, asked, obeyed)] == [
        ("ws-gateway", PARENT),
        ("ws-gateway", heard.id),
        ("uw-ingest", asked.id),
    ]
    assert {one.trace for one in (heard, asked, obeyed)} == {TRACE}
    assert obeyed.attributes["baleen.outcome"] == "done"
    assert heard.attributes["http.response.status_code"] == 200
    assert header_heard.startswith(f"00-{commanded.trace}-{commanded.id}-")
    assert (commanded.parent, commanded.attributes["baleen.command.action"]) == ("", "pause")


async def _command(gateway: GatewayProcess, engine: Any) -> str:
    """Let a client give a command and an engine obey it; the traceparent that the engine heard."""
    command = {"op": "command", "id": "1", "subject": session_subject("s1"), "action": "pause"}
    async with connect(f"{gateway.ws}/v1/stream") as client, asyncio.timeout(PATIENCE):
        await client.send(json.dumps(command))
        heard = await engine.next_msg(timeout=PATIENCE)
        await heard.respond(CommandReply(ok=True).to_json())
        while json.loads(await client.recv()).get("id") != "1":
            pass
    header: str = heard.headers["traceparent"]
    return header
