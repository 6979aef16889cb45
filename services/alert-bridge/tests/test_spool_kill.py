"""A bridge process killed with SIGKILL around an outage of the bus: what was answered 2xx is stored, once."""

import asyncio
import os
import random
import signal
import sys
from contextlib import asynccontextmanager

import httpx
import pytest

from alert_bridge.receive.sources import add_source

ROUNDS = 6


@asynccontextmanager
async def bridge_process(url, folder):
    """A bridge in a process of its own; yields it and a client, and kills what is left."""
    add_source(folder / "sources.json", "bot")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alert_bridge",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "BALEEN_NATS_URL": url,
            "BALEEN_LOG_FORMAT": "json",
            "ALERT_BRIDGE_PORT": "0",
            "ALERT_BRIDGE_SOURCES": str(folder / "sources.json"),
            "ALERT_BRIDGE_SPOOL": str(folder / "spool"),
            "ALERT_BRIDGE_STORE_WITHIN": "0.3",
        },
    )
    try:
        port = await asyncio.wait_for(_port(process), 20)
        reading = asyncio.create_task(_read_on(process), name="read-log")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield process, client
        reading.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _port(process):
    said = b""
    async for line in process.stdout:
        said += line
        if b'"listening"' in line:
            return int(line.split(b'"port":')[1].split(b"}")[0].split(b",")[0])
    raise AssertionError(said.decode())


async def _read_on(process):
    async for _ in process.stdout:
        pass


async def post_until_it_dies(client, sender, answered):
    """One sender: alert after alert, each after the answer to the one before."""
    for number in range(10_000):
        id_ = f"{sender}-{number}"
        try:
            answer = await client.post("/alerts", json={"alert_type": "a", "source": sender, "id": id_})
        except httpx.HTTPError:
            return
        if answer.status_code == 202:
            answered.append(id_)


async def until(client, name, fits):
    """Wait until a metric fits."""
    async with asyncio.timeout(20):
        while True:
            text = (await client.get("/metrics")).text
            value = next(line for line in text.splitlines() if line.startswith(name)).rsplit(" ", 1)[1]
            if fits(float(value)):
                return
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_nothing_that_was_answered_is_lost_or_doubled(nats_server, tmp_path, alerts):
    """Kills at random moments while alerts are spooled, brought to the bus, and both at once."""
    chance = random.Random(5)  # noqa: S311 - a drill
    answered = []
    for round_ in range(ROUNDS):
        async with bridge_process(nats_server.url, tmp_path) as (process, client):
            senders = [
                asyncio.create_task(
                    post_until_it_dies(client, f"r{round_}s{n}", answered), name=f"sender-{n}"
                )
                for n in range(8)
            ]
            await until(client, "baleen_alert_bridge_bus_connected", bool)
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            nats_server.kill()
            await until(client, "baleen_alert_bridge_spool_alerts", lambda count: count > 50)
            await asyncio.sleep(chance.uniform(0, 0.3))
            if round_ % 3:
                nats_server.restart()
                await asyncio.sleep(chance.uniform(0, 0.4))  # into the reconnect, the carrying, and after it
            process.send_signal(signal.SIGKILL)
            await asyncio.wait(senders)
        if not nats_server.running:
            nats_server.restart()
    async with bridge_process(nats_server.url, tmp_path) as (_, client):
        await until(client, "baleen_alert_bridge_spool_alerts", lambda count: count == 0)

    stored = [alert.id for alert in await alerts()]
    assert len(answered) > 500
    assert set(answered) <= set(stored)
    assert len(stored) == len(set(stored))
    for source in {id_.partition("-")[0] for id_ in answered}:
        told = [int(id_.partition("-")[2]) for id_ in stored if id_.startswith(f"{source}-")]
        assert told == sorted(told)
