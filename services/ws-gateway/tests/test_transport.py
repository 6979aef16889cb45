"""The seam over real sockets: what clients send wrongly is answered, counted and survived."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.frames import Frame, Opcode

CLIENT_MASKS = True


async def closing_of(client: Any) -> tuple[int, list[str]]:
    """Read until the connection is closed; return the code and the texts before it."""
    async with asyncio.timeout(5):
        texts = [text async for text in _until_closed(client)]
    return client.close_code, texts


async def _until_closed(client: Any) -> AsyncIterator[str]:
    with suppress(ConnectionClosed):
        while True:
            yield await client.recv()


async def send_raw(client: Any, data: bytes) -> None:
    """Put bytes on the wire that the client library would not."""
    client.transport.write(data)


async def test_a_taken_over_connection_needs_no_task(live: Any):
    """Once a client is in the hub, the server keeps neither a task nor a queue for it."""
    before = len(asyncio.all_tasks())
    async with live.connect() as one, live.connect() as two:
        await live.hear(one)
        await live.hear(two)
        await live.until(lambda: len(live.gateway.hub) == 2)
        # Each of the two clients in this process has a keepalive task of its own.
        await live.until(lambda: len(asyncio.all_tasks()) <= before + 2)


async def test_a_ping_of_the_client_is_answered(live: Any):
    """The WebSocket ping works, whatever the hub does."""
    async with live.connect() as client:
        await live.hear(client)
        await asyncio.wait_for(await client.ping(), 5)


async def test_a_fragmented_text_is_heard_whole(live: Any):
    """A request may come in pieces, with a ping between them."""
    async with live.connect() as client:
        await live.hear(client)
        await client.send(['{"op":', '"ping",', '"id":5}'])
        assert (await live.hear(client))["id"] == 5


async def test_a_client_that_closes_is_answered_and_forgotten(live: Any):
    """The closing handshake is completed and nothing of the client stays."""
    client = await live.connect()
    await live.subscribed(client, "signal.v1.>")
    await client.close(1000, "bye")

    assert client.close_code == 1000
    await live.until(lambda: len(live.gateway.hub) == 0)
    assert len(live.gateway.hub.lanes) == 0
    assert live.gateway.hub.stats().disconnects == 1


async def test_a_client_that_vanishes_is_forgotten(live: Any):
    """A connection that is cut without a word leaves nothing behind."""
    client = await live.connect()
    await live.subscribed(client, "signal.v1.>")
    client.transport.abort()

    await live.until(lambda: len(live.gateway.hub) == 0)
    assert len(live.gateway.hub.lanes) == 0


async def test_a_client_that_is_gone_before_it_is_taken_over_leaves_no_traceback(live: Any, caplog: Any):
    """A handshake followed by a reset ends quietly, on both sides of the seam."""
    lost = asyncio.Event()
    take_in = live.gateway.take_in

    async def take_in_late(*arguments: Any) -> Any:
        (connection,) = arguments[0].scope["extensions"]["baleen.hand_over"].__self__.connections
        connection.transport.abort()
        try:
            return await take_in(*arguments)
        finally:
            lost.set()

    live.gateway.take_in = take_in_late
    with suppress(ConnectionClosed, OSError, InvalidMessage):
        await live.connect()
    await asyncio.wait_for(lost.wait(), 5)
    live.gateway.take_in = take_in
    async with live.connect() as client:
        await live.hear(client)

    assert [record for record in caplog.records if record.exc_info] == []


async def test_binary_is_refused_and_the_connection_stays(live: Any):
    """Binary frames are answered with an error; the next text is heard."""
    async with live.connect() as client:
        await live.hear(client)
        await client.send(b"\x00\x01")
        assert (await live.hear(client))["code"] == "binary_not_supported"
        assert (await live.ask(client, op="ping"))["op"] == "pong"
    assert 'refusals_total{reason="binary_not_supported"} 1.0' in live.metrics()


async def test_invalid_utf8_is_refused_in_words_and_closed(live: Any):
    """Text that is no UTF-8 breaks the protocol: error frame, then a code that says not to come back."""
    client = await live.connect()
    await live.hear(client)
    await send_raw(client, Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=CLIENT_MASKS))

    code, texts = await closing_of(client)
    assert code == 4400
    assert '"invalid_utf8"' in texts[-1]


async def test_an_oversized_frame_is_refused_in_words_and_closed(live: Any):
    """A frame beyond the limit is not even read."""
    client = await live.connect()
    await live.hear(client)
    await client.send("x" * 70_000)

    code, texts = await closing_of(client)
    assert code == 4400
    assert '"too_large"' in texts[-1]
    assert 'refusals_total{reason="too_large"} 1.0' in live.metrics()
    assert 'closes_total{code="4400",reason="bad_frame"} 1.0' in live.metrics()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x81\x05hello",  # not masked
        b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
        b"\x83\x80\x00\x00\x00\x00",  # an opcode that does not exist
        b"\x89\xfe\x00\x80" + bytes(4 + 128),  # a ping that is too long
        b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
        struct.pack("!BBQ", 0x81, 0xFF, 1 << 62) + b"\x00" * 4,  # an absurd length
    ],
)
async def test_a_broken_protocol_is_closed_and_hurts_nobody(live: Any, garbage: bytes):
    """Each way of breaking the protocol ends that connection with an error frame; the others hear on."""
    async with live.connect() as other:
        await live.subscribed(other, "signal.v1.>")
        client = await live.connect()
        await live.hear(client)
        await send_raw(client, garbage)
        code, texts = await closing_of(client)

        assert code == 4400
        assert '"op":"error"' in texts[-1]
        live.say("signal.v1.SPY")
        assert (await live.hear(other))["topic"] == "signal.v1.SPY"


async def test_seed_routes_keep_the_standard_codes(live: Any):
    """Clients of the older routes know 1007 and 1009, not our ranges."""
    client = await live.connect("/api/v1/ws/signals")
    await client.send("x" * 70_000)

    assert (await closing_of(client))[0] == 1009


async def test_a_strange_origin_is_closed_after_accepting(live: Any):
    """A page that is not listed sees why, in an error frame and a code."""
    client = await live.connect(origin="https://evil.example")
    code, texts = await closing_of(client)
    assert (code, '"origin"' in texts[-1]) == (4403, True)

    seed = await live.connect("/api/v1/ws/signals", origin="https://evil.example")
    assert (await closing_of(seed))[0] == 1008
    assert 'closes_total{code="4403",reason="origin"} 1.0' in live.metrics()


async def test_our_own_page_may_connect(live: Any):
    """The page that the gateway itself serves needs no listing."""
    async with live.connect(origin=f"http://127.0.0.1:{live.port}") as client:
        assert (await live.hear(client))["op"] == "welcome"


async def test_a_full_gateway_says_come_later(serve_with: Any):
    """Beyond the connection limit a client is told to come back after a while."""
    async with serve_with(max_connections=1) as running, running.connect() as first:
        await running.hear(first)
        code, texts = await closing_of(await running.connect())
        assert code == 4101
        assert '"busy"' in texts[-1]


async def test_an_unknown_path_is_refused_by_the_server(live: Any):
    """A path that nobody serves is an HTTP refusal, as with any server."""
    with pytest.raises(Exception, match="403"):
        await live.connect("/nowhere")
