"""The hub keeps its promises to each dialect whatever another one stumbles over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson


async def test_a_dialect_that_stumbles_takes_no_message_from_the_others(live: Any):
    """A body that one dialect cannot say in an unforeseen way is counted; whoever can say it does."""
    async with live.connect() as native, live.connect("/api/v1/ws/signals") as seed:
        await live.subscribed(native, "alert.v1.>")
        await seed.recv()
        said = live.say("alert.v1.a.S", alert_type="a", source="s", occurred_at="2026-01-01T00:00:00Z")
        assert (await live.hear(native))["topic"] == said.subject

        body = orjson.dumps({"alert_type": 5, "source": "s", "occurred_at": "2026-01-01T00:00:00Z"})
        live.gateway.take(replace(said, body=body, frames={}))

        assert (await live.hear(native))["data"]["alert_type"] == 5
        assert 'dropped_total{reason="unsayable"} 1.0' in live.metrics()
