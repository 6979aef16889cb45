"""What cannot be told is announced: with its range, its reason, and what there is instead."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.stream.publishing import signal
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from ws_gateway.testing import GatewayProcess

PATIENCE = 15.0


@asynccontextmanager
async def bus_of(nats: NatsServer) -> AsyncIterator[tuple[Bus, Publisher]]:
    """A connection of the test's own."""
    async with (
        open_bus(url=nats.url, name="test", connect_within=10) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        yield bus, publisher


async def say(publisher: Publisher, *symbols: str) -> None:
    """Publish a signal of each symbol, stored in this order."""
    for symbol in symbols:
        await publisher.publish(signal(symbol))


async def told(client: ClientConnection, until: str) -> list[dict[str, Any]]:
    """Return every frame up to the first with that op, heartbeats and the welcome aside."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["op"] != until:
        frame = json.loads(await asyncio.wait_for(client.recv(), PATIENCE))
        assert frame["op"] != "error" or until == "error", frame
        if frame["op"] not in ("heartbeat", "welcome", "status"):
            frames.append(frame)
    return frames


async def ask(client: ClientConnection, *topics: str, **more: Any) -> list[dict[str, Any]]:
    """Subscribe, and return all that is told until it is live."""
    await client.send(json.dumps({"op": "subscribe", "topics": topics, **more}))
    return await told(client, "snapshot_end")


def ops(frames: list[dict[str, Any]]) -> list[str]:
    """The kinds of frames."""
    return [frame["op"] for frame in frames]


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """The numbers of the events."""
    return [int(frame["at"].rpartition(".")[2]) for frame in frames if frame["op"] == "event"]


async def test_a_stream_that_was_made_anew_is_said_to_be_another(nats_server: NatsServer):
    """The old position means nothing in it: a gap says so, and the present follows."""
    async with bus_of(nats_server) as (bus, publisher):
        await say(publisher, "SPY", "SPY")
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                (since,) = (await ask(client, "signal.v1.SPY"))[0]["at"]
                await bus.request_json("$JS.API.STREAM.DELETE.SIGNAL", {})
                await bootstrap(url=nats_server.url)
                await say(publisher, "SPY")
                assert (await told(client, "gap"))[-1]["reason"] == "stream_recreated"
                assert numbers(await told(client, "event")) == [1]
            async with connect(f"{gateway.ws}/v1/stream") as client:
                frames = await ask(client, "signal.v1.SPY", since=[since])
    assert ops(frames) == ["subscribed", "gap", "event", "snapshot_end"]
    assert frames[0]["recovered"] is False
    assert frames[1]["reason"] == "stream_recreated"
    assert frames[2]["snapshot"] is True


async def test_what_a_stream_keeps_no_more_is_a_gap_and_the_rest_follows(nats_server: NatsServer):
    """From memory too short for it, read from the stream: what is lost has its numbers."""
    async with bus_of(nats_server) as (bus, publisher):
        await say(publisher, *["SPY"] * 10)
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                (head,) = (await ask(client, "signal.v1.SPY"))[0]["at"]
        await bus.request_json("$JS.API.STREAM.PURGE.SIGNAL", {"seq": 6})
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                since = head.rpartition(".")[0] + ".3"
                frames = await ask(client, "signal.v1.SPY", since=[since])
    assert ops(frames) == ["subscribed", "gap", *["event"] * 5, "snapshot_end"]
    assert frames[0]["recovered"] is False
    assert [frames[1][word].rpartition(".")[2] for word in ("from", "to")] == ["3", "5"]
    assert frames[1]["reason"] == "expired"
    assert numbers(frames) == [6, 7, 8, 9, 10]
    assert frames[-1]["count"] == 5


async def test_a_position_of_the_future_is_not_believed(nats_server: NatsServer):
    """Nobody could have given it; the present follows."""
    async with bus_of(nats_server) as (_bus, publisher):
        await say(publisher, "SPY")
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                (at,) = (await ask(client, "signal.v1.SPY"))[0]["at"]
                frames = await ask(client, "signal.v1.SPY", since=[at.rpartition(".")[0] + ".7"])
    assert frames[0]["recovered"] is False
    assert ops(frames) == ["subscribed", "gap", "event", "snapshot_end"]


async def test_the_present_of_what_is_rare_is_read_from_its_stream(nats_server: NatsServer):
    """A watch-list of 500, of which most were last heard of long before what memory holds."""
    watched = [f"R{number}" for number in range(500)]
    async with bus_of(nats_server) as (_bus, publisher):
        for symbol in watched:
            publisher.offer(signal(symbol))
        for _ in range(600):
            publisher.offer(signal("LOUD"))
        assert await publisher.drain(10) == 0
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream", max_queue=None) as client:
                frames = await ask(client, *(f"signal.v1.{symbol}" for symbol in watched))
                await say(publisher, "R7")
                (live,) = await told(client, "event")
    assert sorted(frame["topic"] for frame in frames if frame["op"] == "event") == sorted(
        f"signal.v1.{symbol}" for symbol in watched
    )
    assert all(frame["snapshot"] for frame in frames if frame["op"] == "event")
    assert (live["topic"], "snapshot" in live) == ("signal.v1.R7", False)


async def test_two_subscriptions_resume_from_places_of_their_own(nats_server: NatsServer):
    """What one hears live is not told again for the other."""
    async with bus_of(nats_server) as (_bus, publisher):
        await say(publisher, "SPY", "QQQ", "SPY", "QQQ")
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                (at,) = (await ask(client, "signal.v1.SPY", snapshot=False, since=["SIGNAL.0.0"]))[0]["at"]
                epoch = at.rpartition(".")[0]
                frames = await ask(client, "signal.v1.QQQ", since=[f"{epoch}.1"], id="q")
                await say(publisher, "SPY", "QQQ")
                live = [*await told(client, "event"), *await told(client, "event")]
    assert (numbers(frames), frames[0]["recovered"], frames[-1]["id"]) == ([2, 4], True, "q")
    assert numbers(live) == [5, 6]


async def test_a_filter_holds_for_the_present_the_past_and_the_live(nats_server: NatsServer):
    """And only for the topics it was given with."""
    async with bus_of(nats_server) as (_bus, publisher):
        for word in ("soft", "loud", "soft", "loud"):
            await publisher.publish(signal("SPY", word))
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                asked = {"filter": 'id contains "loud"', "id": 1}
                present = await ask(client, "signal.v1.SPY", **asked)
                epoch = present[0]["at"][0].rpartition(".")[0]
                past = await ask(client, "signal.v1.SPY", since=[f"{epoch}.2"], **asked)
                await ask(client, "signal.v1.QQQ")
                for symbol, word in (("SPY", "soft"), ("QQQ", "soft"), ("SPY", "loud")):
                    await publisher.publish(signal(symbol, word))
                live = [*await told(client, "event"), *await told(client, "event")]
    assert numbers(present) == [2, 4]
    assert numbers(past) == [4]
    assert numbers(live) == [6, 7]


@pytest.mark.timeout(90)
async def test_an_outage_of_the_bus_is_told_and_nothing_is_missing_after_it(nats_server: NatsServer):
    """A client can tell that there is no news from that there can be none."""
    async with bus_of(nats_server) as (_bus, publisher):
        await say(publisher, "SPY")
        with GatewayProcess(nats_server.url) as gateway:
            async with connect(f"{gateway.ws}/v1/stream") as client:
                await ask(client, "signal.v1.SPY")
                nats_server.kill()
                stale = json.loads(await asyncio.wait_for(client.recv(), PATIENCE))
                publisher.offer(signal("SPY"))
                nats_server.start()
                live = json.loads(await asyncio.wait_for(client.recv(), PATIENCE))
                (event,) = await told(client, "event")
    assert (stale["op"], stale["state"]) == ("status", "stale")
    assert (live["op"], live["state"]) == ("status", "live")
    assert numbers([event]) == [2]
