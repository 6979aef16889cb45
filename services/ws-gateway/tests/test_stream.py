"""The native protocol over real sockets: subscribe, snapshot, live, gap, heartbeat, leaving."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest
from fastapi import WebSocket
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from baleen_contracts.stream_protocol import SERVER_FRAME
from ws_gateway.hub import lanes
from ws_gateway.native.conversation import Conversation
from ws_gateway.native.requests import MAX_PATTERNS, MAX_TOPICS
from ws_gateway.topics import cover


async def test_a_conversation_is_what_the_contract_says(live: Any):
    """Every frame that the gateway says validates against the contract's models."""
    live.say("signal.v1.SPY")
    texts: list[str | bytes] = []
    async with live.connect(subprotocols=["baleen.v1"]) as client:
        assert client.subprotocol == "baleen.v1"
        for request in (
            {"op": "subscribe", "topics": ["signal.v1.*"], "id": 1},
            {"op": "ping", "id": 2},
            {"op": "nonsense", "id": 3},
            {"op": "unsubscribe", "topics": ["signal.v1.*"], "id": 4},
        ):
            await client.send(orjson.dumps(request).decode())
        texts = [await asyncio.wait_for(client.recv(), 5) for _ in range(7)]

    frames = [SERVER_FRAME.validate_json(text) for text in texts]
    said = ["welcome", "subscribed", "event", "snapshot_end", "pong", "error", "unsubscribed"]
    assert [frame.op for frame in frames] == said
    ids = [orjson.loads(text).get("id") for text in texts]
    assert ids == [None, 1, None, 1, 2, 3, 4]


async def test_requests_sent_before_the_welcome_are_heard(live: Any):
    """What a client says while it is not yet taken in, for whatever we wait, is answered in order."""
    take_in, arrived = live.gateway.take_in, asyncio.Event()

    async def take_in_late(websocket: WebSocket, *rest: Any) -> Any:
        arrived.set()
        server = websocket.scope["extensions"]["baleen.hand_over"].__self__
        await live.until(lambda: server.queue.qsize() == 3)  # the connection and both requests
        return await take_in(websocket, *rest)

    live.gateway.take_in = take_in_late
    protocol = ClientProtocol(parse_uri(live.url("/v1/stream")))
    protocol.send_request(protocol.connect())
    (handshake,) = protocol.data_to_send()
    requests = (b'{"op":"ping","id":"first"}', b'{"op":"ping","id":"second"}')
    texts = [Frame(Opcode.TEXT, request).serialize(mask=True) for request in requests]
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(handshake)
    await asyncio.wait_for(arrived.wait(), 5)
    writer.write(b"".join(texts))
    said: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while len(said) < 3:
            protocol.receive_data(await reader.read(4096))
            frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
            said += [orjson.loads(frame.data) for frame in frames if frame.opcode is Opcode.TEXT]
    writer.close()

    assert [(frame["op"], frame.get("id")) for frame in said] == [
        ("welcome", None),
        ("pong", "first"),
        ("pong", "second"),
    ]


@pytest.mark.slow
async def test_snapshot_then_live_without_hole_or_double(live: Any):
    """Messages keep coming while clients subscribe; each client gets every number once, in order."""
    publishing = asyncio.create_task(_publish_for_ever(live))
    try:
        clients = []
        for _ in range(20):
            client = await live.connect()
            await live.hear(client)
            await client.send('{"op":"subscribe","topics":["signal.v1.>"]}')
            clients.append(client)
            await asyncio.sleep(0.003)
        for client in clients:
            frames = [await live.hear(client) for _ in range(150)]
            numbers = [frame["data"]["n"] for frame in frames if frame["op"] == "event"]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            await client.close()
    finally:
        publishing.cancel()


async def _publish_for_ever(live: Any) -> None:
    while True:
        live.say("signal.v1.SPY")
        await asyncio.sleep(0.001)


async def test_the_last_per_subject_is_the_snapshot_of_what_is_latest(live: Any):
    """Prices begin with one message a ticker, marked as snapshot, ended by a count."""
    for price in (1, 2):
        for ticker in ("A", "B"):
            live.say(f"uw.v1.price.{ticker}", price=price)
    async with live.connect() as client:
        await live.hear(client)
        await live.ask(client, op="subscribe", topics=["uw.v1.price.*"], id=9)
        items = [await live.hear(client) for _ in range(3)]

    assert [(i["topic"], i["data"]["price"], i["snapshot"]) for i in items[:2]] == [
        ("uw.v1.price.A", 2, True),
        ("uw.v1.price.B", 2, True),
    ]
    assert items[2] == {"op": "snapshot_end", "count": 2, "id": 9}


async def test_overlapping_topics_deliver_once(live: Any):
    """A message that two of a client's topics mean comes once."""
    async with live.connect() as client:
        await live.subscribed(client, "signal.v1.>", "signal.v1.SPY")
        await live.subscribed(client, "signal.v1.*")
        live.say("signal.v1.SPY")
        live.say("agent.v1.nova")
        live.say("signal.v1.QQQ")
        assert [(await live.hear(client))["topic"] for _ in range(2)] == ["signal.v1.SPY", "signal.v1.QQQ"]


async def test_adding_and_dropping_topics_loses_nothing_of_the_others(live: Any):
    """A client that changes its wishes between two messages gets both."""
    async with live.connect() as client:
        await live.subscribed(client, "signal.v1.>")
        live.say("signal.v1.A")
        await client.send('{"op":"subscribe","topics":["agent.v1.>"],"snapshot":false}')
        await live.until(lambda: len(live.gateway.hub.lanes) == 1 and _topics(live) == 2)
        live.say("signal.v1.B")
        await client.send('{"op":"unsubscribe","topics":["agent.v1.>"]}')
        await live.until(lambda: _topics(live) == 1)
        live.say("agent.v1.nova")
        live.say("signal.v1.C")
        frames = [await live.hear(client) for _ in range(5)]

    said = [frame.get("data", {}).get("n") or frame["op"] for frame in frames]
    assert said == [1, "subscribed", 2, "unsubscribed", 4]


def _topics(live: Any) -> int:
    return sum(len(lane.topics) for lane in live.gateway.hub.lanes.speaking("native"))


async def test_a_client_may_not_have_more_topics_than_the_limit(live: Any):
    """The limit counts over requests; the refused request changes nothing."""
    async with live.connect() as client:
        await live.hear(client)
        many = [f"signal.v1.T{n}" for n in range(MAX_TOPICS)]
        assert (await live.ask(client, op="subscribe", topics=many, snapshot=False))["op"] == "subscribed"
        refused = await live.ask(client, op="subscribe", topics=["agent.v1.nova"], id="more")
        assert (refused["code"], refused["id"]) == ("too_many_topics", "more")
        live.say("agent.v1.nova")
        live.say("signal.v1.T7")
        assert (await live.hear(client))["topic"] == "signal.v1.T7"


async def test_a_client_may_not_have_more_patterns_than_the_limit(live: Any):
    """Wildcards count over requests, apart from single subjects."""
    async with live.connect() as client:
        patterns = [f"uw.v1.gex_strike.T{n}.*" for n in range(MAX_PATTERNS)]
        await live.subscribed(client, "signal.v1.SPY", *patterns)
        await live.subscribed(client, "signal.v1.QQQ")
        refused = await live.ask(client, op="subscribe", topics=["agent.v1.*"], id="more")
        assert (refused["code"], refused["id"]) == ("too_many_topics", "more")
        assert "wildcard" in refused["message"]


@pytest.mark.parametrize("text", ["{", "null", '{"op":1}', '{"op":"subscribe","topics":["a..b"]}'])
async def test_mistakes_are_answered_and_survived(live: Any, text: str):
    """A mistake costs an error frame, not the connection."""
    async with live.connect() as client:
        await live.hear(client)
        await client.send(text)
        assert (await live.hear(client))["op"] == "error"
        assert (await live.ask(client, op="ping"))["op"] == "pong"


async def test_garbage_on_the_bus_is_counted_and_harms_nobody(live: Any):
    """A stored message that is no JSON object is shown to nobody; the next one is."""
    async with live.connect() as client:
        await live.subscribed(client, "signal.v1.>")
        event = live.say("signal.v1.SPY")
        for body in (b"{", b"[1]", b"\xff", b'{"a":NaN}'):
            live.gateway.take(replace(event, body=body, frames={}))
        live.say("signal.v1.QQQ")
        assert [(await live.hear(client))["topic"] for _ in range(2)] == ["signal.v1.SPY", "signal.v1.QQQ"]
    assert 'dropped_total{reason="unsayable"} 4.0' in live.metrics()


async def test_a_gap_is_announced_in_its_place(live: Any):
    """Whoever wants the topics of a stream with a hole is told, between the messages around it."""
    dialect = Conversation.dialect
    async with live.connect() as client, live.connect() as stranger:
        await live.subscribed(client, "signal.v1.>")
        await live.subscribed(stranger, "agent.v1.>")
        live.say("signal.v1.A")
        live.gateway.hub.announce(
            dialect, ("signal.v1.*",), lambda hit: dialect.gap(cover(hit), "S.e.2", "S.e.3", "expired")
        )
        live.say("signal.v1.B")
        live.say("agent.v1.nova")

        frames = [await live.hear(client) for _ in range(3)]
        assert [frame["op"] for frame in frames] == ["event", "gap", "event"]
        assert frames[1] == {
            "op": "gap",
            "topic": "signal.v1.>",
            "from": "S.e.2",
            "to": "S.e.3",
            "reason": "expired",
        }
        assert (await live.hear(stranger))["op"] == "event"


async def test_an_idle_client_hears_a_heartbeat_and_a_mute_one_is_ended(live: Any):
    """In every round each client is told that we live; one that answers no ping is closed."""
    client = await live.connect(ping_interval=None)
    await live.hear(client)
    (wire,) = live.gateway.hub.wires
    for _ in range(20):
        live.gateway.rounds.visit()
    assert (await live.hear_any(client))["op"] == "heartbeat"
    await live.until(lambda: wire.silent_rounds == 0)

    client.transport.pause_reading()
    for _ in range(60):
        live.gateway.rounds.visit()
    client.transport.resume_reading()
    await asyncio.wait_for(client.wait_closed(), 5)
    assert client.close_code == 4002


async def test_leaving_tells_every_client_when_to_return(live: Any):
    """Native clients get a drain frame and a code for coming back at once, seed clients 1012."""
    native, seed = await live.connect(), await live.connect("/api/v1/ws/signals")
    await live.subscribed(native, "signal.v1.>")
    live.say("signal.v1.LAST")
    await live.gateway.leave(3.0)

    assert (await live.hear(native))["topic"] == "signal.v1.LAST"
    drain = await live.hear(native)
    assert (drain["op"], drain["reconnect_in_ms"] >= 0) == ("drain", True)
    await native.wait_closed()
    await seed.wait_closed()
    assert (native.close_code, seed.close_code) == (4000, 1012)


async def test_statistics_count_each_connection(live: Any):
    """The hub knows who is there, since when, and how much each was given."""
    async with live.connect() as one, live.connect() as two:
        await live.subscribed(one, "signal.v1.>")
        await live.subscribed(two, "signal.v1.SPY")
        live.say("signal.v1.SPY")
        live.say("signal.v1.QQQ")
        await live.hear(two)
        await live.hear(one)
        await live.hear(one)
        stats = live.gateway.hub.stats()

    assert stats.by_label == {"native": 2}
    assert sorted(connection.message_count for connection in stats.connections) == [1, 2]
    assert (stats.connects, stats.messages) == (2, 3)


async def test_all_clients_together_have_no_more_filters_than_may_be_asked(live: Any, monkeypatch: Any):
    """One that others use already costs nothing more; the last who uses one makes room."""
    monkeypatch.setattr(lanes, "MAX_FILTERS", 2)
    wish = {"op": "subscribe", "topics": ["uw.v1.flow_alert.*"], "snapshot": False}
    async with live.connect() as one, live.connect() as two, live.connect() as three:
        for client in (one, two, three):
            assert (await live.hear(client))["op"] == "welcome"
        assert (await live.ask(one, **wish, filter="premium > 1"))["op"] == "subscribed"
        assert (await live.ask(two, **wish, filter="premium > 2"))["op"] == "subscribed"
        refused = await live.ask(three, **wish, filter="premium > 3")
        assert (refused["op"], refused["code"]) == ("error", "busy")
        assert (await live.ask(three, **wish, filter="premium > 2"))["op"] == "subscribed"
        assert (await live.ask(one, op="unsubscribe", topics=wish["topics"]))["op"] == "unsubscribed"
        assert (await live.ask(three, **wish, filter="premium > 3"))["op"] == "subscribed"
