"""What a courier knows of the alerts before it: those that were told, and no others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson

from alert_bridge.deliver import names
from alert_bridge.deliver.testing import GivenRules, Taker, an_alert, rules_for, serving
from alert_bridge.destinations.destination import Rejected
from alert_bridge.rules.model import Once
from baleen_bus import Bus
from baleen_bus.buckets import DELIVERY, stream_of, subject_of
from baleen_bus.reading import fetch_last
from baleen_bus.testing import NatsServer

SPAN = 0.3
BEGAN = datetime.now(UTC) - timedelta(seconds=10)


def received(number: int, seconds: float, content: str = "same"):
    """An alert that was received so long after the beginning."""
    at = BEGAN + timedelta(seconds=seconds)
    return an_alert(number, content=content, received_at=at)


async def until_counted(bus: Bus, through: int) -> None:
    """Wait until the account is written down so far, from where a successor goes on."""
    async with asyncio.timeout(10):
        while True:
            (found,) = await fetch_last(
                bus, stream_of(DELIVERY), subject_of(DELIVERY, names.account_of("desk"))
            )
            if orjson.loads(found.body)["through"] >= through:
                return
            await asyncio.sleep(0.05)


async def test_what_was_suppressed_hides_nothing_after_a_restart(nats_server: NatsServer):
    """Only what was told makes a duplicate, although the one that was told is further back than the span."""
    taker = Taker()
    rules = GivenRules(rules_for("desk", route={"dedupe": Once(("content",), SPAN)}))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(received(1, 0))
        await asyncio.sleep(SPAN * 1.3)  # the span is counted back by the clock of the stream
        await one.store(received(2, SPAN * 0.7), received(3, SPAN * 0.9, "other"))
        account = await one.until_quiet(3)
        assert account.suppressed == {"duplicate": 1}
        await until_counted(one.bus, 3)

    async with serving(nats_server.url, {"desk": taker}, rules) as other:
        await other.store(received(4, SPAN * 1.4), received(5, SPAN * 1.1, "other"))
        account = await other.until_quiet(5)

    assert taker.seqs == [1, 3, 4]
    assert account.suppressed == {"duplicate": 2}


async def test_what_died_hides_nothing_after_a_restart(nats_server: NatsServer):
    """Nobody was told of it."""
    taker = Taker()
    taker.answers.append(Rejected(400))
    rules = GivenRules(rules_for("desk", route={"dedupe": Once(("content",), 3_600)}))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(received(1, 0))
        await one.until_quiet(1)
        await until_counted(one.bus, 1)

    async with serving(nats_server.url, {"desk": taker}, rules) as other:
        await other.store(received(2, 1), received(3, 2))
        account = await other.until_quiet(3)

    assert taker.seqs == [2]
    assert account.suppressed == {"duplicate": 1}
