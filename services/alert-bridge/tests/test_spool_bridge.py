"""A bridge with a spool: what it answers while the bus is away, and what the bus has afterwards."""

import asyncio

BARE = {"alert_type": "dp_alert", "source": "monitor", "symbol": "SPY"}


async def until_spooled(bridge, count):
    """Wait until the spool has so many alerts."""
    async with asyncio.timeout(10):
        while await bridge.metric("baleen_alert_bridge_spool_alerts") != count:  # noqa: ASYNC110 - over a socket
            await asyncio.sleep(0.01)


async def test_while_the_bus_is_away_alerts_are_kept_and_brought_later(
    bridge_with, nats_server, alerts, tmp_path
):
    """202 says that the alert is spooled; the bus gets all of them in order once it is back."""
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await bridge.until_ready()
        nats_server.kill()
        answers = [await bridge.client.post("/alerts", json={**BARE, "id": n}) for n in range(20)]
        probe = await bridge.client.get("/readyz")
        kept = await bridge.metric("baleen_alert_bridge_spool_alerts")
        nats_server.restart()
        await until_spooled(bridge, 0)
        after = await bridge.client.post("/alerts", json={**BARE, "id": 20})

    assert {answer.status_code for answer in answers} == {202}
    assert {(said.json()["spooled"], said.json()["seq"]) for said in answers} == {(True, None)}
    assert probe.status_code == 200
    assert "disk" in probe.json()["parts"]["bus"]
    assert kept == 20
    assert "spooled" not in after.json()
    assert [alert.id for alert in await alerts() if alert.source == "monitor"] == [str(n) for n in range(21)]
