"""A bridge process killed with SIGKILL while it watches: every match is told, and each once."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from baleen_bus import Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.streams import StreamSettings
from baleen_contracts.catalogue import by_name, example

ROUNDS = 4
RULES = """
watches:
  - name: every trade of note
    subject: uw.v1.flow_alert.>
    where: premium >= 500000
    alert_type: flow
    title: "{symbol} {premium}"
"""


def match(number):
    """A flow alert that the rules look for."""
    now = datetime.now(UTC).isoformat()
    fields = {"id": f"f-{number}", "premium": 600_000.0, "occurred_at": now, "received_at": now}
    return by_name("flow_alert").model.model_validate({**example(by_name("flow_alert")), **fields})


@pytest.mark.slow
async def test_no_match_is_lost_or_told_twice(nats_server, process_with, tmp_path, alerts):
    """Kills at random moments of a flow of 10 matches a second, with and without a bridge beside."""
    await bootstrap(url=nats_server.url, settings=StreamSettings(lease_ttl=2.0))
    chance = random.Random(7)  # noqa: S311 - a drill
    (tmp_path / "rules.yml").write_text(RULES)
    stop = asyncio.Event()

    async def publish(publisher):
        number = 0
        while not stop.is_set():
            await publisher.publish(match(number))
            number += 1
            await asyncio.sleep(0.1)
        return number

    async with (
        open_bus(url=nats_server.url, name="test", connect_within=5) as bus,
        Publisher(bus, source="uw-simulator") as publisher,
    ):
        publishing = None
        for _ in range(ROUNDS):
            async with process_with(ALERT_BRIDGE_RULES=str(tmp_path / "rules.yml")) as bridge:
                await bridge.until_metric("watching", bool)
                await bridge.until_metric("watch_open_messages", lambda count: count == 0)
                if publishing is None:
                    await asyncio.sleep(1.5)  # the first position is written
                    publishing = asyncio.create_task(publish(publisher), name="publish")
                await asyncio.sleep(chance.uniform(0.5, 2.5))
        async with process_with(ALERT_BRIDGE_RULES=str(tmp_path / "rules.yml")) as bridge:
            await bridge.until_metric("watching", bool)
            stop.set()
            count = await publishing
            async with asyncio.timeout(20):
                while len(await alerts()) < count:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.1)

    told = [alert.labels["watch.message"] for alert in await alerts()]
    assert count > 40
    assert told == [f"flow_alert:f-{number}" for number in range(count)]
