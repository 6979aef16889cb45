"""Frames made smaller say the same, to each client alone, and nobody can be blown up by what it is sent."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode

from ws_gateway.wire.deflate import WINDOW_BITS, Packer, is_agreed
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.parcel import Parcel

WORDS = "side ask bid premium price " * 20
TAIL = b"\x00\x00\xff\xff"


def unpacked(frame: bytes) -> bytes:
    """Return the payload of a frame as a client reads it that knows no frame before."""
    size = frame[1]
    payload = frame[2 if size < 126 else 4 if size == 126 else 10 :]
    if not frame[0] & 0x40:
        return payload
    return zlib.decompressobj(-WINDOW_BITS).decompress(payload + TAIL)


@given(
    st.lists(st.one_of(st.binary(max_size=300), st.binary(max_size=30).map(lambda b: b * 5_000)), max_size=5)
)
def test_each_frame_is_read_alone_whatever_came_before(payloads: list[bytes]):
    """Nothing is taken over from one frame to the next; a packed frame is never the larger one."""
    packer = Packer(0)
    for payload in payloads:
        frame = text_frame(payload) or b"\x81\x00"
        packed = packer.pack(frame)
        assert unpacked(packed) == payload
        assert len(packed) <= len(frame)


def test_a_frame_is_packed_once_and_only_if_it_is_worth_it():
    """All clients are written the same bytes; small frames stay as they are."""
    packer = Packer(200)
    parcel = Parcel(text_frame(WORDS.encode()))
    assert packer.packed(parcel) is packer.packed(parcel)
    assert len(packer.packed(parcel)) < len(parcel) / 4
    small = Parcel(text_frame(b"x" * 150))
    assert packer.packed(small) == small


def deflated(opcode: Opcode, data: bytes, *, fin: bool, first: bool = True) -> bytes:
    """Return a client's frame that claims to be deflated, however it is not."""
    frame = bytearray(Frame(opcode, data, fin=fin).serialize(mask=True))
    frame[0] |= 0x40 if first else 0
    return bytes(frame)


async def refused(live: Any, client: Any, code: str) -> None:
    """Read until the client is closed, after being told *code*."""
    told: list[str] = []
    with suppress(ConnectionClosed):
        while True:
            told.append((await live.hear(client))["code"])
    assert told == [code]
    assert client.close_code == 4400


async def test_clients_that_agree_hear_the_same_as_those_that_do_not(live: Any):
    """On one lane, some read small frames and some plain ones; neither side keeps a context."""
    async with live.connect(compression="deflate") as small, live.connect() as plain:
        (agreed,) = small.protocol.extensions
        assert (agreed.local_no_context_takeover, agreed.remote_no_context_takeover) == (True, True)
        for client in (small, plain):
            await live.subscribed(client, "signal.v1.>")
        said = [live.say("signal.v1.SPY", words=WORDS + str(number)) for number in range(20)]
        for client in (small, plain):
            assert [(await live.hear(client))["data"] for _ in said] == [event.data for event in said]
        assert {wire.pack is None for wire in live.gateway.hub.wires} == {True, False}
        assert all(frame.packed for event in said for frame in event.frames.values())


async def test_nothing_is_packed_where_nobody_agreed(live: Any):
    """Clients that read plain frames cost no packing."""
    async with live.connect() as client:
        await live.subscribed(client, "signal.v1.>")
        said = live.say("signal.v1.SPY", words=WORDS)
        await live.hear(client)
        assert [frame.packed for frame in said.frames.values()] == [None]


async def test_a_client_with_a_small_window_reads_plain_frames(live: Any):
    """Whoever cannot keep as much as a frame may look back is sent nothing that looks back."""
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=9)
    async with live.connect(extensions=[offer]) as client:
        await live.subscribed(client, "signal.v1.>")
        said = live.say("signal.v1.SPY", words=WORDS)
        assert (await live.hear(client))["data"] == said.data
        (wire,) = live.gateway.hub.wires
        assert wire.pack is None


async def test_one_that_lags_reads_small_frames_too(live: Any):
    """What waited comes in order, as small as what did not."""
    async with live.connect(compression="deflate") as client:
        await live.subscribed(client, "signal.v1.>", "uw.v1.price.*")
        (wire,) = live.gateway.hub.wires
        wire.pause_writing()
        numbers = [live.say("signal.v1.SPY", words=WORDS).seq for _ in range(5)]
        live.say("uw.v1.price.A", words=WORDS)
        numbers.append(live.say("uw.v1.price.A", words=WORDS).seq)
        await live.until(lambda: not wire.pen.pending)
        wire.resume_writing()
        heard = [await live.hear(client) for _ in range(7)]
        assert [frame["op"] for frame in heard] == ["event"] * 5 + ["conflated", "event"]
        assert [frame["data"]["n"] for frame in heard if frame["op"] == "event"] == numbers


async def test_it_can_be_left_out(serve_with: Any):
    """An operator who has more network than processor says so."""
    async with serve_with(deflate=False) as running, running.connect(compression="deflate") as client:
        assert client.protocol.extensions == []


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_bomb_is_not_blown_up(live: Any, pieces: int):
    """A small frame that would become larger than the limit ends its sender, in one piece or in many."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bomb.compress(b"[" * 50_000_000) + bomb.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(data) < 65_536
    step = -(-len(data) // pieces)
    async with live.connect(compression="deflate") as client:
        await live.hear(client)
        for start in range(0, len(data), step):
            opcode = Opcode.TEXT if not start else Opcode.CONT
            last = start + step >= len(data)
            piece = data[start : start + step]
            client.transport.write(deflated(opcode, piece, fin=last, first=not start))
        await refused(live, client, "too_large")


async def test_what_is_no_deflate_ends_its_sender(live: Any):
    """Bytes that claim to be deflated and are not break the protocol."""
    async with live.connect(compression="deflate") as client:
        await live.hear(client)
        client.transport.write(deflated(Opcode.TEXT, b"\xff" * 20, fin=True))
        await refused(live, client, "protocol_error")


async def test_a_client_may_deflate_what_it_says(live: Any):
    """Requests are read as they are sent, small or not."""
    async with live.connect(compression="deflate") as client:
        await live.hear(client)
        assert (await live.ask(client, op="ping", id="x" * 100))["op"] == "pong"


def test_only_what_was_agreed_counts():
    """A context that our side keeps, or a smaller window, cannot be packed for."""
    assert is_agreed([PerMessageDeflate(True, True, 15, 15)])
    assert not is_agreed([PerMessageDeflate(True, False, 15, 15)])
    assert not is_agreed([PerMessageDeflate(True, True, 15, WINDOW_BITS - 1)])
    assert not is_agreed([])
