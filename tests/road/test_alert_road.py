"""Alerts on the road: the bridge as a process, a real nats-server with users, kill -9 in the middle."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from baleen_runtime.testing import ServiceProcess

BARE = {"alert_type": "dp_alert", "source": "monitor"}


@dataclass
class BridgeProcess:
    """A bridge that runs as operators run it."""

    process: ServiceProcess
    client: httpx.AsyncClient
    webhook: str


def _webhook(folder: Path) -> str:
    command = [sys.executable, "-m", "alert_bridge", "source", "add", "local"]
    command += ["--file", str(folder / "sources.json"), "--base-url", "http://bridge"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return made.stdout.strip().removeprefix("http://bridge")


@asynccontextmanager
async def bridge_process(nats: NatsServer, folder: Path, **variables: str) -> AsyncIterator[BridgeProcess]:
    """`alert-bridge` with a source called local, ended by pid afterwards."""
    webhook = _webhook(folder)
    ours = {
        "BALEEN_NATS_URL": nats.url,
        "BALEEN_LOG_LEVEL": "debug",
        "ALERT_BRIDGE_PORT": "0",
        "ALERT_BRIDGE_SOURCES": str(folder / "sources.json"),
    }
    async with (
        ServiceProcess("alert_bridge", {**ours, **variables}) as process,
        httpx.AsyncClient(base_url=process.http, timeout=15) as client,
    ):
        await process.ready()
        yield BridgeProcess(process, client, webhook)


async def stored_ids(nats: NatsServer, **credentials: str) -> list[str]:
    """The ids in the stream of alerts, in order."""
    async with open_bus(url=nats.url, name="reader", connect_within=5, **credentials) as bus:
        state = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]
        found = []
        for place in range(state["messages"]):
            message = await bus.js.get_msg("ALERT", state["first_seq"] + place, direct=True)
            found.append(json.loads(message.data or b"")["id"])
        return found


async def test_an_alert_reaches_another_team(nats_server_with_users, tmp_path):
    """Posted to the webhook URL, heard by the team user on the public subject, numbered by the stream."""
    nats = nats_server_with_users
    user = {
        "ALERT_BRIDGE_NATS_USER": "alert-bridge",
        "ALERT_BRIDGE_NATS_PASSWORD": nats.passwords["alert-bridge"],
    }
    async with (
        bridge_process(nats, tmp_path, **user) as bridge,
        open_bus(url=nats.url, name="team", connect_within=5, **nats.credentials("team")) as bus,
    ):
        subscription = await bus.nc.subscribe("alert.v1.>")
        await bus.nc.flush()
        posted = await bridge.client.post(f"{bridge.webhook}?wait=true", json={"embeds": [{"title": "SPY"}]})
        heard = await subscription.next_msg(timeout=5)

    assert posted.status_code == 200
    assert heard.subject == "alert.v1.discord._"
    assert heard.headers["Nats-Sequence"] == "1"
    assert json.loads(heard.data)["id"] == posted.json()["id"]
    assert json.loads(heard.data)["source"] == "local"


async def test_sigterm_leaves_cleanly(nats_server, tmp_path):
    """Exit code 0 within the deadline, and the last line says so."""
    async with bridge_process(nats_server, tmp_path) as bridge:
        assert (await bridge.client.post("/alerts", json=BARE)).status_code == 202
        bridge.process.ask_to_leave()
        code = await bridge.process.left(5)

        assert (code, "left as asked" in bridge.process.log_text()) == (0, True)


async def test_no_secret_is_ever_logged(nats_server_with_users, tmp_path):
    """Good posts, bad posts, garbage and an outage: neither token nor password is in any line or metric."""
    nats = nats_server_with_users
    password = nats.passwords["alert-bridge"]
    user = {"ALERT_BRIDGE_NATS_USER": "alert-bridge", "ALERT_BRIDGE_NATS_PASSWORD": password}
    async with bridge_process(nats, tmp_path, ALERT_BRIDGE_STORE_WITHIN="0.2", **user) as bridge:
        token = bridge.webhook.rsplit("/", 1)[1]
        bearer = {"Authorization": f"Bearer {token}"}
        await bridge.client.post(bridge.webhook, json={"content": "x"})
        await bridge.client.post(bridge.webhook, content=b"{")
        await bridge.client.post(bridge.webhook + "x", json={"content": "x"})
        await bridge.client.post("/alerts", json={}, headers=bearer)
        await bridge.client.get(bridge.webhook)
        await _send_raw(bridge, f"POST {bridge.webhook} HTTP/9.9\r\n\r\n")
        nats.kill()
        await bridge.client.post(bridge.webhook, json={"content": "x"})
        metrics = (await bridge.client.get("/metrics")).text
        nats.restart()
        bridge.process.ask_to_leave()
        await bridge.process.left(8)
        text = bridge.process.log_text() + metrics

    assert "listening" in text
    assert token not in text
    assert password not in text


async def _send_raw(bridge: BridgeProcess, request: str) -> None:
    reader, writer = await asyncio.open_connection(bridge.client.base_url.host, bridge.client.base_url.port)
    writer.write(request.encode())
    await reader.read()
    writer.close()


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_nothing_accepted_is_ever_lost(nats_server, tmp_path, kills):
    """nats-server is killed under load: every 2xx is in the stream, once, and a 503 says come back."""
    answers: dict[str, int] = {}
    stop = asyncio.Event()

    async def post_on(bridge: BridgeProcess, poster: int) -> None:
        number = 0
        while not stop.is_set():
            alert_id = f"{poster}-{number}"
            answer = await bridge.client.post("/alerts", json={**BARE, "id": alert_id})
            answers[alert_id] = answer.status_code
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) > 0
            else:
                number += 1

    async with bridge_process(nats_server, tmp_path, ALERT_BRIDGE_STORE_WITHIN="0.5") as bridge:
        async with asyncio.TaskGroup() as tasks:
            for poster in range(8):
                tasks.create_task(post_on(bridge, poster))
            for _ in range(kills):
                before = len(answers)
                async with asyncio.timeout(20):
                    while len(answers) < before + 50:  # noqa: ASYNC110 - the load runs by itself
                        await asyncio.sleep(0.01)
                nats_server.kill()
                await asyncio.sleep(0.1)  # the outage itself, not a wait for luck
                nats_server.restart()
            stop.set()
        assert bridge.process.alive

    stored = await stored_ids(nats_server)
    accepted = {alert_id for alert_id, status in answers.items() if status == 202}
    assert set(answers.values()) <= {202, 503}
    assert len(accepted) >= 50 * kills
    assert accepted <= set(stored)
    assert len(stored) == len(set(stored))
