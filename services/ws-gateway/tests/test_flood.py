"""Clients that ask, talk or stay away without measure cost themselves the connection, the others nothing."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from typing import Any

import orjson
from websockets.frames import Frame, Opcode

from ws_gateway.wire import wire as wire_module
from ws_gateway.wire.inbox import FRAMES_PER_SECOND, MAX_PIECES, SECONDS_AT_ONCE, SLICE

FILLING = "x" * 1_000
LIMIT = 65_536


def masked(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a client's frame."""
    return Frame(opcode, data, fin).serialize(mask=True)


def subscribe(*topics: str) -> bytes:
    """Return a request with a snapshot."""
    return masked(Opcode.TEXT, orjson.dumps({"op": "subscribe", "topics": topics}))


async def mute(port: int, small: int = 4_096) -> socket.socket:
    """Open a WebSocket that never reads."""
    loop, client = asyncio.get_running_loop(), socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, small)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET /v1/stream HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    await loop.sock_sendall(client, ("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += await loop.sock_recv(client, 1)
    return client


def fill(running: Any, count: int) -> None:
    """Give the gateway something to show, far more than a client's buffer."""
    for number in range(count):
        running.say(f"uw.v1.price.T{number}", filling=FILLING)


async def test_a_client_that_says_goodbye_and_never_reads_is_let_go(live: Any, monkeypatch: Any):
    """A polite close whose answer nobody takes ends after a while, as an impolite one does."""
    monkeypatch.setattr(wire_module, "_CLOSE_WITHIN", 0.2)
    fill(live, 2_000)
    loop = asyncio.get_running_loop()
    closing, half_closed = await mute(live.port), await mute(live.port)
    for client in (closing, half_closed):
        await loop.sock_sendall(client, subscribe("uw.v1.price.*"))
    await live.until(lambda: [wire.lagging for wire in live.gateway.hub.wires] == [True, True])

    await loop.sock_sendall(closing, masked(Opcode.CLOSE, b"\x03\xe8"))
    half_closed.shutdown(socket.SHUT_WR)

    await live.until(lambda: not live.gateway.hub.wires)
    closing.close()
    half_closed.close()


async def test_snapshots_that_nobody_reads_cost_next_to_nothing(serve_with: Any):
    """Clients that take a large snapshot and never read share its frames, whatever more they ask."""
    async with serve_with(client_buffer_bytes=LIMIT) as running:
        fill(running, 2_000)
        clients = [await mute(running.port) for _ in range(20)]
        for client in clients:
            await asyncio.get_running_loop().sock_sendall(client, subscribe("uw.v1.price.*") * 5)
        wires = running.gateway.hub.wires
        await running.until(lambda: len([wire for wire in wires if wire.backlog.showing]) == len(clients))

        assert running.gateway.hub.buffered() < len(clients) * (LIMIT + 2 * len(FILLING))
        for wire in wires:
            assert wire.transport.get_write_buffer_size() + wire.backlog.live < LIMIT + 2 * len(FILLING)
        for _ in range(60):
            running.gateway.rounds.visit()
        await running.until(lambda: all(wire.closing for wire in wires))
        for client in clients:
            client.close()


async def test_a_client_that_talks_but_takes_nothing_is_ended(serve_with: Any):
    """Pongs are no progress: who takes nothing of its snapshot for half a minute reads too slowly."""
    async with serve_with(client_buffer_bytes=LIMIT) as running:
        fill(running, 2_000)
        client = await mute(running.port)
        await asyncio.get_running_loop().sock_sendall(client, subscribe("uw.v1.price.*"))
        (wire,) = running.gateway.hub.wires
        await running.until(lambda: wire.backlog.showing)
        hub, now = running.gateway.hub, running.gateway.hub.now()
        for second in range(32):
            assert not wire.closing
            wire.silent_rounds = 0
            hub.now = lambda: now + second  # noqa: B023 - asked in this turn
            running.gateway.rounds.visit()
        assert 'closes_total{code="4100",reason="too_slow"} 1.0' in running.metrics()
        client.close()


async def test_a_quick_client_gets_two_large_snapshots_and_then_what_is_live(serve_with: Any):
    """Snapshots larger than the buffer are no slowness; live frames come after them, in order."""
    async with (
        serve_with(client_buffer_bytes=LIMIT) as running,
        running.connect(max_size=None) as client,
    ):
        fill(running, 2_000)
        for number in range(2_000):
            running.say(f"uw.v1.gex.T{number}", filling=FILLING)
        await running.hear(client)
        for pattern in ("uw.v1.price.*", "uw.v1.gex.*"):
            await client.send(orjson.dumps({"op": "subscribe", "topics": [pattern]}).decode())
        (wire,) = running.gateway.hub.wires
        await running.until(lambda: wire.pen is not None)
        await client.send('{"op":"subscribe","topics":["uw.v1.news._"],"snapshot":false}')
        await running.until(lambda: wire.pen is not None and "uw.v1.news._" in wire.pen.lane.topics)
        said = [running.say("uw.v1.news._", live=True).seq for _ in range(20)]

        ends, shown, heard = [], 0, []
        while len(ends) < 2 or len(heard) < len(said):
            frame = await running.hear(client)
            if frame["op"] == "snapshot_end":
                ends.append(frame["count"])
            elif frame["op"] == "event" and frame["data"].get("live") and not frame.get("snapshot"):
                heard.append(frame["data"]["n"])
            elif frame["op"] != "subscribed":
                shown += 1

        assert ends == [2_000, 2_000]
        assert shown == 4_000
        assert heard == said
        assert not wire.lagging


async def test_a_flood_is_read_slice_by_slice_and_ended(live: Any):
    """One slice of a flood is read a turn, so another client's ping is answered before the flood ends."""
    flooding = await live.connect()
    await live.hear(flooding)
    (flooded,) = live.gateway.hub.wires
    read: list[int] = []
    inbox_read = flooded._inbox._conn.receive_data

    def receive_data(data: bytes) -> None:
        read.append(len(data))
        inbox_read(data)

    flooded._inbox._conn.receive_data = receive_data
    async with live.connect() as other:
        await live.hear(other)
        flooding.transport.write(masked(Opcode.PONG) * 40_000)
        assert (await live.ask(other, op="ping"))["op"] == "pong"
        await asyncio.wait_for(flooding.wait_closed(), 5)

    assert read
    assert max(read) <= 16_384
    assert sum(read) < 6 * (FRAMES_PER_SECOND * SECONDS_AT_ONCE + SLICE)
    assert flooding.close_code == 4102
    assert 'refusals_total{reason="too_many_messages"} 1.0' in live.metrics()
    assert 'closes_total{code="4102",reason="too_many_messages"} 1.0' in live.metrics()


async def test_the_operator_decides_how_much_a_client_may_say(serve_with: Any):
    """Five seconds' worth at once, and one more ends the conversation."""
    async with serve_with(messages_per_second=2) as live, live.connect() as client:
        await live.hear(client)
        for _ in range(10):
            assert (await live.ask(client, op="ping"))["op"] == "pong"
        for _ in range(10):
            await client.send('{"op":"ping"}')
        await asyncio.wait_for(client.wait_closed(), 5)
        assert client.close_code == 4102


async def test_older_routes_end_a_flood_with_a_code_of_the_standard(live: Any):
    """Clients of the older routes know 1008."""
    flooding = await live.connect("/api/v1/ws/signals")
    await flooding.recv()
    flooding.transport.write(masked(Opcode.PONG) * 3_000)
    await asyncio.wait_for(flooding.wait_closed(), 5)
    assert flooding.close_code == 1008


async def test_a_text_in_endless_empty_pieces_is_ended(live: Any):
    """Empty pieces are neither kept nor accepted without end."""
    client = await live.connect()
    await live.hear(client)
    (wire,) = live.gateway.hub.wires
    client.transport.write(masked(Opcode.TEXT, b'{"op":"ping",', fin=False))
    client.transport.write(masked(Opcode.CONT, fin=False) * 100)
    await live.until(lambda: wire._inbox._pieces == 101)
    assert len(wire._inbox._parts) == 1
    client.transport.write(masked(Opcode.CONT, fin=False) * MAX_PIECES)
    await asyncio.wait_for(client.wait_closed(), 5)

    assert client.close_code == 4400
    assert 'refusals_total{reason="too_large"} 1.0' in live.metrics()
