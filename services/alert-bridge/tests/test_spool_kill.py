"""A bridge process killed with SIGKILL around an outage of the bus: what was answered 2xx is stored, once."""

import asyncio
import random

import httpx
import pytest

ROUNDS = 6


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


@pytest.mark.slow
async def test_nothing_that_was_answered_is_lost_or_doubled(nats_server, process_with, tmp_path, alerts):
    """Kills at random moments while alerts are spooled, brought to the bus, and both at once."""
    chance = random.Random(5)  # noqa: S311 - a drill
    answered = []
    spool = {"ALERT_BRIDGE_SPOOL": str(tmp_path / "spool"), "ALERT_BRIDGE_STORE_WITHIN": "0.3"}
    for round_ in range(ROUNDS):
        async with process_with(**spool) as bridge:
            senders = [
                asyncio.create_task(
                    post_until_it_dies(bridge.client, f"r{round_}s{n}", answered), name=f"sender-{n}"
                )
                for n in range(8)
            ]
            await bridge.until_metric("bus_connected", bool)
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            nats_server.kill()
            await bridge.until_metric("spool_alerts", lambda count: count > 50)
            await asyncio.sleep(chance.uniform(0, 0.3))
            if round_ % 3:
                nats_server.restart()
                await asyncio.sleep(chance.uniform(0, 0.4))  # into the reconnect, the carrying, and after it
            bridge.process.kill()
            await asyncio.wait(senders)
        if not nats_server.running:
            nats_server.restart()
    async with process_with(**spool) as bridge:
        await bridge.until_metric("spool_alerts", lambda count: count == 0)

    stored = [alert.id for alert in await alerts()]
    assert len(answered) > 500
    assert set(answered) <= set(stored)
    assert len(stored) == len(set(stored))
    for source in {id_.partition("-")[0] for id_ in answered}:
        told = [int(id_.partition("-")[2]) for id_ in stored if id_.startswith(f"{source}-")]
        assert told == sorted(told)
