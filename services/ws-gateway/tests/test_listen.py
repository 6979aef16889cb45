"""A stream's past and present are joined, and its gaps are told, each once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from baleen_bus import Bus, Delivered, Gap, GapReason, Publisher, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.bridge import BridgeState
from baleen_contracts.catalogue import Entity, by_name, example
from ws_gateway.bus.heard import heard_streams
from ws_gateway.bus.listen import Listener

PATIENCE = 5.0


def message(name: str) -> Any:
    """Make a message of its own from the catalogue's example."""
    known, word = by_name(name), uuid4().hex
    return known.model.model_validate({**example(known), "headline": word, "politician_id": word})


class Slow(Listener):
    """A listener whose stream goes on while its past is read."""

    def __init__(self, gateway: Any, bus: Bus, publisher: Publisher, stream: str) -> None:
        super().__init__(gateway, bus, stream, heard_streams()[stream])
        self._publisher = publisher
        self._arrived = asyncio.Event()

    def _on_message(self, delivered: Delivered) -> None:
        super()._on_message(delivered)
        self._arrived.set()

    async def _past(self, entity: Entity) -> list[Delivered]:
        """Let one message of the kind arrive before its past is read and one after."""
        await self.one_more(entity)
        past = await super()._past(entity)
        await self.one_more(entity)
        return past

    async def one_more(self, entity: Entity) -> None:
        """Publish a message and wait until it is heard."""
        self._arrived.clear()
        await self._publisher.publish(message(entity.name))
        await asyncio.wait_for(self._arrived.wait(), PATIENCE)


async def test_what_arrives_while_the_past_is_read_is_neither_lost_nor_doubled(
    live: Any, nats_server: NatsServer
):
    """One message before and one after the reading of each kind's past: memory has each once, in order."""
    gateway = live.gateway
    kinds = [entity.name for entity in heard_streams()["RECORDS"]]
    async with (
        open_bus(url=nats_server.url, name="test") as bus,
        Publisher(bus, source="test") as publisher,
        AsyncExitStack() as closing,
        live.connect() as client,
    ):
        await live.subscribed(client, "uw.v1.>")
        for name in kinds:
            await publisher.publish(message(name))
        listener = Slow(gateway, bus, publisher, "RECORDS")
        await listener.follow(closing)
        stored = [
            [event.seq for event in gateway.newest(entity.pattern, 100)]
            for entity in heard_streams()["RECORDS"]
        ]
        at = gateway.past.streams["RECORDS"].at
        await listener.one_more(heard_streams()["RECORDS"][0])
        told = [(await live.hear(client))["at"] for _ in range(len(kinds) + 1)]

    first = [1 + place for place in range(len(kinds))]
    before = [len(kinds) + 1 + 2 * place for place in range(len(kinds))]
    assert stored == [[one, two, two + 1] for one, two in zip(first, before, strict=True)]
    assert at.endswith(f".{3 * len(kinds)}")
    live_numbers = [*(number + 1 for number in before), 3 * len(kinds) + 1]
    assert [int(position.rpartition(".")[2]) for position in told] == live_numbers


async def test_one_gap_is_told_once_whatever_a_client_wants(live: Any, nats_server: NatsServer):
    """A client is told of a gap in one frame, whose topic covers those of its own that are concerned."""
    wishes = {
        ">": [">"],
        "uw.v1.flow_alert.SPY": ["uw.v1.flow_alert.SPY", "signal.v1.*"],
        "uw.v1.>": ["uw.v1.flow_alert.*", "uw.v1.dark_pool.SPY", "signal.v1.*"],
        "uw.v1.flow_alert.>": [f"uw.v1.flow_alert.T{n}" for n in range(50)],
        None: ["signal.v1.*"],
    }
    async with open_bus(url=nats_server.url, name="test") as bus, AsyncExitStack() as closing:
        listener = Listener(live.gateway, bus, "TAPE", heard_streams()["TAPE"])
        clients = [await closing.enter_async_context(live.connect()) for _ in wishes]
        for client, topics in zip(clients, wishes.values(), strict=True):
            await live.subscribed(client, *topics, "agent.v1.nova")
        listener._on_gap(Gap("TAPE", 7, 9, GapReason.EXPIRED))
        live.say("agent.v1.nova")
        for client, topic in zip(clients, wishes, strict=True):
            heard = [await live.hear(client)]
            while heard[-1]["op"] == "gap":
                heard.append(await live.hear(client))
            assert [frame["topic"] for frame in heard[:-1]] == ([topic] if topic else [])
            assert all(frame["reason"] == "expired" for frame in heard[:-1])
    assert live.gateway.gaps == 1


async def test_a_stream_that_lost_its_end_has_the_state_before_it(live: Any, nats_server: NatsServer):
    """What was told and is not stored any more is forgotten; what it had replaced is read from the stream."""
    gateway = live.gateway
    at = datetime(2026, 1, 2, tzinfo=UTC)
    pattern = by_name("bridge_state").pattern
    async with (
        open_bus(url=nats_server.url, name="test") as bus,
        Publisher(bus, source="test") as publisher,
        AsyncExitStack() as closing,
    ):
        for path in ("old", "kept", "other"):
            await publisher.publish(BridgeState(path=path, value=1, occurred_at=at))
        listener = Listener(gateway, bus, "BRIDGE", heard_streams()["BRIDGE"])
        await listener.follow(closing)
        live.number = 8
        for path in ("old", "new"):
            live.say(f"bridge.v1.state.{path}")
        assert sorted(event.seq for event in gateway.last(pattern)) == [2, 3, 9, 10]
        settled: list[str] = []
        gateway.on_settled.append(settled.append)
        listener._on_gap(Gap("BRIDGE", 3, 10, GapReason.WENT_BACK))
        assert [event.subject for event in gateway.last(pattern)] == ["bridge.v1.state.kept"]
        await live.until(lambda: settled == ["BRIDGE"])
        assert [event.seq for event in gateway.last(pattern)] == [1, 2]
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look-back")]


class Deaf(Listener):
    """A listener that misses a message live, but finds it when it reads the stream's past."""

    def __init__(self, gateway: Any, bus: Bus, publisher: Publisher) -> None:
        super().__init__(gateway, bus, "BRIDGE", heard_streams()["BRIDGE"])
        self._publisher = publisher

    async def _past(self, entity: Entity) -> list[Delivered]:
        await self._caught_up.wait()  # it looks once at the start, and then not for a while
        handlers = self._bus.nc._straight
        ours = {sid: hear for sid, hear in handlers.items() if hear == self.follower._hear}
        assert ours
        handlers.update(dict.fromkeys(ours, lambda *_: None))
        await self._publisher.publish(message("bridge_state"))
        past = await super()._past(entity)
        handlers.update(ours)
        return past


async def test_a_snapshot_never_knows_more_than_was_heard(live: Any, nats_server: NatsServer):
    """What the past holds and was not heard yet would be told a second time: its end is waited for."""
    async with (
        open_bus(url=nats_server.url, name="test") as bus,
        Publisher(bus, source="test") as publisher,
        AsyncExitStack() as closing,
    ):
        await Deaf(live.gateway, bus, publisher).follow(closing)
        (last,) = live.gateway.last(by_name("bridge_state").pattern)
        assert live.gateway.past.streams["BRIDGE"].tail.heard >= last.seq > 0
