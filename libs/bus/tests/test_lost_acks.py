"""What becomes of messages that a stream stored, and whose acks a crash took with it."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from baleen_bus import Bus, Publisher, fetch_last, fetch_newest
from baleen_bus.reading import stream_state
from baleen_bus.streams import DAY, KEEPING, Keeping
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.bridge import BridgeState
from baleen_contracts.happenings import CustomAlert
from baleen_contracts.message import Message
from baleen_contracts.price import Price

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


def price(number: int) -> Price:
    """SPY's price with a number, a second after the one before."""
    at = NOW + timedelta(seconds=number)
    return Price(occurred_at=at, received_at=at, symbol="SPY", price=float(number))


def state(number: int) -> BridgeState:
    """The value at one path with a number."""
    at = NOW + timedelta(seconds=number)
    return BridgeState(occurred_at=at, path="engine.mode", value=number)


def alert(number: int) -> CustomAlert:
    """The upstream's alert with a number."""
    at = NOW + timedelta(seconds=number)
    return CustomAlert(occurred_at=at, received_at=at, name="n", alert_type="t")


@contextlib.contextmanager
def acks_lost(bus: Bus, publisher: Publisher) -> Iterator[None]:
    """As long as this lasts, no ack reaches the publisher: the crash was quicker."""
    straight, readers = bus.nc._straight, bus.nc._readers
    [sid] = [sid for sid, handler in straight.items() if handler == publisher._on_ack]
    straight[sid] = lambda *_: None
    reader = readers.pop(sid)
    try:
        yield
    finally:
        straight[sid] = publisher._on_ack
        readers[sid] = reader


async def say_and_lose_the_acks(
    publisher: Publisher, bus: Bus, server: NatsServer, messages: list[Message]
) -> list[Message]:
    """Has the messages stored, kills the server and tells which get settled later, as they do."""
    settled: list[Message] = []
    heard: asyncio.Queue[None] = asyncio.Queue()
    subscription = await bus.nc.listen("*.v1.>", lambda *_: heard.put_nowait(None))
    with acks_lost(bus, publisher):
        for message in messages:
            publisher.offer(message, lambda _, message=message: settled.append(message))
        async with asyncio.timeout(5):
            for _ in messages:
                await heard.get()
        server.kill()
    await bus.nc.unlisten(subscription)
    return settled


@pytest.mark.parametrize(
    ("stream", "messages"),
    [("LATEST", [price(1), price(2)]), ("BRIDGE", [state(1), state(2)])],
    ids=["a price", "a state of the bridge"],
)
async def test_the_newest_value_survives_a_kill_that_took_the_acks(
    nats_server: NatsServer, bus: Bus, stream: str, messages: list[Message]
):
    """The restarted server knows the second only; the first, sent again, would evict it for good."""
    async with Publisher(bus, source="test") as publisher:
        settled = await say_and_lose_the_acks(publisher, bus, nats_server, messages)
        nats_server.start()
        assert await publisher.drain(15) == 0

        [kept] = await fetch_last(bus, stream, ">")
        assert kept.body == messages[1].to_json()
        assert settled == messages
        assert (publisher.stats.stored, publisher.stats.superseded) == (1, 1)


async def test_a_missing_stream_holds_up_no_other(bus: Bus):
    """Its messages wait, and go when it is back; what fills their window is theirs alone."""
    info = await bus.request_json("$JS.API.STREAM.INFO.CUSTOM")
    await bus.request_json("$JS.API.STREAM.DELETE.CUSTOM")
    alerts = [alert(n) for n in range(20)]
    async with Publisher(bus, source="test", in_flight=10) as publisher:
        for n, each in enumerate(alerts):
            publisher.offer(each)
            publisher.offer(price(n))
        await eventually(lambda: publisher.stats.stored == 20, within=5)
        now = asyncio.get_running_loop().time()
        assert (publisher.backlog, publisher.oldest_age(now) > 0) == (20, True)

        await bus.request_json("$JS.API.STREAM.CREATE.CUSTOM", info["config"])
        assert await publisher.drain(15) == 0
        assert (await stream_state(bus, "CUSTOM")).last_seq == 20


@pytest.mark.parametrize("acked_before", [False, True], ids=["from the start", "after an ack"])
async def test_what_was_stored_before_a_long_outage_is_not_stored_twice(
    nats_server: NatsServer, bus: Bus, monkeypatch: pytest.MonkeyPatch, *, acked_before: bool
):
    """The stream's dedupe has forgotten the messages, so the publisher looks before it sends them again."""
    monkeypatch.setitem(KEEPING, "CUSTOM", Keeping(max_age=DAY, duplicate_window=1))
    info = await bus.request_json("$JS.API.STREAM.INFO.CUSTOM")
    short = info["config"] | {"duplicate_window": 1_000_000_000}
    await bus.request_json("$JS.API.STREAM.UPDATE.CUSTOM", short)
    async with Publisher(bus, source="test") as publisher:
        if acked_before:
            await publisher.publish(alert(0))
        settled = await say_and_lose_the_acks(publisher, bus, nats_server, [alert(1), alert(2)])
        publisher.offer(alert(3))
        loop = asyncio.get_running_loop()
        await eventually(lambda: publisher.oldest_age(loop.time()) > 1.5)
        nats_server.start()
        assert await publisher.drain(15) == 0
        assert settled == [alert(1), alert(2)]

    stored = await fetch_newest(bus, "CUSTOM", ">", 10)
    assert [item.body for item in stored] == [alert(n).to_json() for n in range(1 - acked_before, 4)]
