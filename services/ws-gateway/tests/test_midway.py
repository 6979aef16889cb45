"""What happens to a client's topics and streams while it is being told of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection

from baleen_bus import Gap, GapReason
from ws_gateway.bus.past import StreamPast
from ws_gateway.bus.reread import Chunk
from ws_gateway.doors.rights import ANYBODY
from ws_gateway.errors import Behind
from ws_gateway.event import Event
from ws_gateway.native.teller import NativeTeller
from ws_gateway.topics import matches

SIGNAL, AGENT = "signal.v1.SPY", "agent.v1.nova"
_ENTITIES = {"signal": "signal", "agent": "agent_insight"}


class Shelf:
    """All that was ever said, read one message at a time, and only while it is open."""

    def __init__(self, live: Any) -> None:
        self.live = live
        self.held: list[Event] = []
        self.open = asyncio.Event()
        self.asked = asyncio.Event()
        live.gateway.rereader = self

    def say(self, subject: str, seq: int | None = None, **data: Any) -> Event:
        """Store a message and let the gateway hear it."""
        past = self.stream(subject)
        number = past.tail.heard + 1 if seq is None else seq
        at = f"{past.name}.{past.epoch()}.{number}"
        entity = _ENTITIES[subject.split(".", maxsplit=1)[0]]
        event = Event(subject, entity, past.name, number, at, None, orjson.dumps({"n": number, **data}))
        self.held.append(event)
        self.live.gateway.take(event)
        return event

    def stream(self, subject: str) -> StreamPast:
        """The stream of a subject."""
        (found,) = self.live.gateway.past.holding([subject])
        return found

    def forget(self, subject: str) -> None:
        """Have memory begin now, so that what was said must be read."""
        past = self.stream(subject)
        past.tail.begin(past.tail.heard)

    async def kept_from(self, _stream: StreamPast) -> int:
        """Nothing ever expires."""
        return 1

    async def newest(self, _topics: Collection[str], _count: int) -> list[Event]:
        """Nothing is rare."""
        return []

    async def chunk(self, stream: StreamPast, topics: Collection[str], after: int) -> Chunk:
        """Return the next message."""
        self.asked.set()
        await self.open.wait()
        wanted = (
            event
            for event in self.held
            if event.stream == stream.name
            and event.seq > after
            and any(matches(topic, event.subject) for topic in topics)
        )
        found = next(wanted, None)
        return Chunk([found], found.seq, None) if found else Chunk([], stream.tail.heard, None)

    def lose(self, subject: str, first: int, last: int, reason: GapReason, position: int) -> None:
        """Let the gateway learn that messages will not come."""
        past = self.stream(subject)
        gap = Gap(past.name, first, last, reason)
        self.held = [event for event in self.held if event.stream != past.name or event.seq <= position]
        past.lose(gap, position)
        self.live.gateway.lose(gap)


def given(frames: list[dict[str, Any]]) -> list[str]:
    """What frames say, shortly."""
    return [frame["at"] if frame["op"] == "event" else frame["op"] for frame in frames]


async def hear_until(live: Any, client: ClientConnection, word: str) -> list[dict[str, Any]]:
    """Return frames up to one that says *word*, by its op or its position."""
    frames: list[dict[str, Any]] = []
    while not frames or word not in given(frames[-1:]):
        frames.append(await live.hear(client))
    return frames


async def resuming(live: Any, client: ClientConnection, shelf: Shelf, **more: Any) -> None:
    """Come back with a position that is older than memory, and be held up in the reading."""
    await client.send(orjson.dumps({"op": "subscribe", "topics": [SIGNAL], **more}).decode())
    await asyncio.wait_for(shelf.asked.wait(), 5)


async def test_nothing_is_recovered_before_the_stream_is_known(serve_with: Any):
    """A gateway that has just begun tells nobody where a stream stands, and then all of it."""
    async with serve_with() as live:
        shelf = Shelf(live)
        live.gateway.settled.discard("SIGNAL")
        past = live.gateway.past.streams.pop("SIGNAL")
        async with live.connect() as client:
            await live.hear(client)
            await client.send(
                orjson.dumps({"op": "subscribe", "topics": ["signal.v1.*"], "since": ["SIGNAL.e.0"]}).decode()
            )
            assert (await live.ask(client, op="ping"))["op"] == "pong"
            live.gateway.past.streams["SIGNAL"] = past
            shelf.say(SIGNAL)
            live.gateway.settle("SIGNAL")
            frames = await hear_until(live, client, "snapshot_end")
    assert given(frames) == ["subscribed", "SIGNAL.e.1", "snapshot_end"]
    assert frames[0]["recovered"] is True


async def test_a_stream_made_anew_while_it_is_read_is_told_from_its_beginning(live: Any):
    """Behind a gap, and not only from the old position on."""
    shelf = Shelf(live)
    for _ in range(5):
        shelf.say(SIGNAL)
    shelf.forget(SIGNAL)
    async with live.connect() as client:
        await live.hear(client)
        await resuming(live, client, shelf, since=["SIGNAL.e.2"])
        shelf.stream(SIGNAL).epoch = lambda: "f"
        shelf.lose(SIGNAL, 1, 5, GapReason.STREAM_RECREATED, 0)
        for _ in range(4):
            shelf.say(SIGNAL)
        shelf.open.set()
        frames = await hear_until(live, client, "snapshot_end")
        shelf.say(SIGNAL)
        frames.append(await live.hear(client))
    assert given(frames) == [
        "subscribed",
        "gap",
        *(f"SIGNAL.f.{number}" for number in range(1, 5)),
        "snapshot_end",
        "SIGNAL.f.5",
    ]
    assert frames[1]["reason"] == "stream_recreated"


async def test_numbers_given_again_while_a_stream_is_read_are_told_again(live: Any):
    """The server lost the end of the stream: what it stored since then has numbers the client was past."""
    shelf = Shelf(live)
    for _ in range(6):
        shelf.say(SIGNAL)
    shelf.forget(SIGNAL)
    async with live.connect() as client:
        await live.hear(client)
        await resuming(live, client, shelf, since=["SIGNAL.e.4"])
        shelf.lose(SIGNAL, 3, 6, GapReason.WENT_BACK, 2)
        for _ in range(4):
            shelf.say(SIGNAL)
        shelf.open.set()
        frames = await hear_until(live, client, "snapshot_end")
    wanted = [f"SIGNAL.e.{number}" for number in range(3, 7)]
    assert given(frames) == ["subscribed", "gap", *wanted, "snapshot_end"]
    assert frames[1]["reason"] == "went_back"


async def test_what_is_lost_while_a_client_is_behind_is_told_to_it(live: Any):
    """It stands on no lane, where gaps are announced."""
    shelf = Shelf(live)
    async with live.connect() as client:
        await live.subscribed(client, SIGNAL)
        wire = fallen(live, shelf)
        shelf.lose(SIGNAL, 3, 4, GapReason.EXPIRED, 99)
        shelf.say(SIGNAL, seq=5)
        wire.resume_writing()
        frames = await hear_until(live, client, "SIGNAL.e.5")
    assert given(frames) == ["gap", "SIGNAL.e.1", "SIGNAL.e.2", "SIGNAL.e.5"]


def fallen(live: Any, shelf: Shelf, subjects: Collection[str] = (SIGNAL, SIGNAL)) -> Any:
    """Let the only client fall behind over some messages."""
    (wire,) = live.gateway.hub.wires
    wire.pause_writing()
    for subject in subjects:
        shelf.say(subject)
    live.gateway.hub.sweep.flush_all()
    live.gateway.hub.laggards.fall(wire, Behind.AGE)
    assert wire.behind
    return wire


async def test_what_is_stored_while_another_stream_is_read_is_not_missing(live: Any):
    """`subscribed` promised all after the positions it gave, also where no present was asked for."""
    shelf = Shelf(live)
    shelf.say(SIGNAL)
    shelf.forget(SIGNAL)
    async with live.connect() as client:
        await live.hear(client)
        topics = [SIGNAL, AGENT]
        await resuming(live, client, shelf, topics=topics, since=["SIGNAL.e.0"], snapshot=False)
        shelf.say(AGENT)
        shelf.open.set()
        frames = await hear_until(live, client, "snapshot_end")
    assert given(frames) == ["subscribed", "SIGNAL.e.1", "AGENT.e.1", "snapshot_end"]
    assert frames[0]["at"] == ["AGENT.e.0", "SIGNAL.e.0"]


async def test_a_topic_asked_for_anew_is_told_in_order_and_once(live: Any):
    """What is live of it waits until its past is told: else a position would skip what is still to come."""
    shelf = Shelf(live)
    async with live.connect() as client:
        await live.subscribed(client, SIGNAL)
        for _ in range(3):
            shelf.say(SIGNAL)
        assert given([await live.hear(client) for _ in range(3)]) == [f"SIGNAL.e.{n}" for n in (1, 2, 3)]
        shelf.forget(SIGNAL)
        await resuming(live, client, shelf, since=["SIGNAL.e.0"])
        shelf.say(SIGNAL)
        live.gateway.hub.sweep.flush_all()
        shelf.open.set()
        frames = await hear_until(live, client, "snapshot_end")
    assert given(frames) == ["subscribed", *(f"SIGNAL.e.{n}" for n in range(1, 5)), "snapshot_end"]


def narrow(live: Any, *topics: str) -> None:
    """Have every token allow these topics alone."""

    def authenticate(wire: Any, _token: str) -> Any:
        wire.identity = replace(ANYBODY, subscribe=topics)
        return wire.identity

    live.gateway.entry.authenticate = authenticate


async def test_a_token_that_allows_less_ends_the_telling_of_the_past(live: Any):
    """Neither the rest nor the live of a topic that is allowed no more."""
    shelf = Shelf(live)
    for _ in range(3):
        shelf.say(SIGNAL)
    shelf.forget(SIGNAL)
    narrow(live, "agent.v1.*")
    async with live.connect() as client:
        await live.hear(client)
        await resuming(live, client, shelf, since=["SIGNAL.e.0"], id="s")
        assert (await live.hear(client))["op"] == "subscribed"
        assert (await live.ask(client, op="auth", token="t"))["op"] == "authenticated"
        shelf.open.set()
        frames = await hear_until(live, client, "error")
        assert (frames[-1]["code"], frames[-1]["id"]) == ("forbidden", "s")
        assert len(frames) <= 2  # one piece was being read already
        shelf.say(SIGNAL)
        live.gateway.hub.sweep.flush_all()
        assert (await live.ask(client, op="ping"))["op"] == "pong"


async def test_a_token_that_allows_less_does_not_hurry_who_catches_up(live: Any):
    """It is told in order, each message once, of what it may still hear."""
    shelf = Shelf(live)
    narrow(live, SIGNAL)
    async with live.connect() as client:
        await live.subscribed(client, SIGNAL, AGENT)
        wire = fallen(live, shelf, (SIGNAL, AGENT, SIGNAL))
        shelf.forget(SIGNAL)
        wire.resume_writing()
        await asyncio.wait_for(shelf.asked.wait(), 5)
        assert (await live.ask(client, op="auth", token="t"))["op"] == "authenticated"
        shelf.say(SIGNAL)
        shelf.say(AGENT)
        live.gateway.hub.sweep.flush_all()
        shelf.open.set()
        frames = await hear_until(live, client, "SIGNAL.e.3")
        assert (await live.ask(client, op="ping"))["op"] == "pong"
    assert given(frames) == ["error", "SIGNAL.e.1", "SIGNAL.e.2", "SIGNAL.e.3"]


async def test_what_was_unsubscribed_while_behind_is_not_caught_up_with(live: Any):
    """After `unsubscribed` nothing of it comes."""
    shelf = Shelf(live)
    async with live.connect() as client:
        await live.subscribed(client, SIGNAL, "signal.v1.QQQ")
        wire = fallen(live, shelf, (SIGNAL, "signal.v1.QQQ", SIGNAL))
        await client.send(orjson.dumps({"op": "unsubscribe", "topics": [SIGNAL]}).decode())
        await live.until(lambda: len(wire.session.topics) == 1)
        wire.resume_writing()
        frames = await hear_until(live, client, "SIGNAL.e.2")
        assert (await live.ask(client, op="ping"))["op"] == "pong"
    assert given(frames) == ["unsubscribed", "SIGNAL.e.2"]


async def test_a_topic_asked_for_while_others_wait_is_told_once(live: Any):
    """Its past is told behind what waits; that what waited is then dropped does not double it."""
    shelf = Shelf(live)
    async with live.connect() as client:
        await live.subscribed(client, SIGNAL)
        (wire,) = live.gateway.hub.wires
        wire.pause_writing()
        for subject in (SIGNAL, "signal.v1.QQQ", SIGNAL):
            shelf.say(subject)
        live.gateway.hub.sweep.flush_all()
        request = {"op": "subscribe", "topics": ["signal.v1.QQQ"], "since": ["SIGNAL.e.0"]}
        await client.send(orjson.dumps(request).decode())
        await live.until(lambda: len(wire.session.topics) == 2)
        shelf.say("signal.v1.QQQ")
        live.gateway.hub.sweep.flush_all()
        live.gateway.hub.laggards.fall(wire, Behind.AGE)
        wire.resume_writing()
        frames = await hear_until(live, client, "SIGNAL.e.4")
    assert given(frames) == [
        "subscribed",
        "SIGNAL.e.2",
        "snapshot_end",
        "SIGNAL.e.1",
        "SIGNAL.e.3",
        "SIGNAL.e.4",
    ]


def tasks() -> Iterator[str]:
    """The names of tasks that work for native clients."""
    return (task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("native-"))


async def test_a_client_that_vanishes_while_a_stream_is_read_leaves_no_task(live: Any):
    """Wherever the reading stands."""
    shelf = Shelf(live)
    shelf.say(SIGNAL)
    shelf.forget(SIGNAL)
    client = await live.connect()
    await live.hear(client)
    await resuming(live, client, shelf, since=["SIGNAL.e.0"])
    assert list(tasks())
    client.transport.abort()
    await live.until(lambda: not live.gateway.hub.wires)
    shelf.open.set()
    await live.until(lambda: not list(tasks()))


async def test_a_large_snapshot_is_made_in_turns_and_what_comes_meanwhile_is_not_missed(
    live: Any, monkeypatch: pytest.MonkeyPatch
):
    """Nobody waits for it but who asked; a price that changes meanwhile is told behind the snapshot."""
    made: list[int] = []
    items = NativeTeller.items

    def counting(self: Any, events: Collection[Event], passes: Any) -> list[bytes]:
        made.append(len(events))
        if len(made) == 2:
            live.say("uw.v1.price.T7", price=2)
            live.say("uw.v1.price.NEW", price=2)
        return items(self, events, passes)

    monkeypatch.setattr(NativeTeller, "items", counting)
    for number in range(3_000):
        live.say(f"uw.v1.price.T{number}", price=1)
    async with live.connect() as client:
        await live.hear(client)
        await client.send('{"op":"subscribe","topics":["uw.v1.price.*"]}')
        frames = await hear_until(live, client, "snapshot_end")
        live.say("uw.v1.price.T8", price=3)
        assert (await live.hear(client))["topic"] == "uw.v1.price.T8"
    told = [frame for frame in frames if frame["op"] == "event"]
    shown = {frame["topic"] for frame in told if frame.get("snapshot")}
    after = [(frame["topic"], frame["data"]["price"]) for frame in told if not frame.get("snapshot")]
    assert max(made) <= 1_000
    assert len(shown) >= 2_999
    assert after == [("uw.v1.price.T7", 2), ("uw.v1.price.NEW", 2)]
    assert frames[-1]["count"] == len(told)
