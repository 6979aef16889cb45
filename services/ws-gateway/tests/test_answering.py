"""The seam between web server and hub for HTTP, over real sockets, with clients that do not behave."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request

import baleen_runtime.request_head as request_head_module
from ws_gateway.errors import Misused
from ws_gateway.wire.answering import HandOverAnswer, take_answer
from ws_gateway.wire.one_way import MOST_UNASKED, OneWay

PATIENCE = 5.0
HOST = b"host: localhost\r\n"
EVENTS = b"GET /v1/events?topics=signal.v1.* HTTP/1.1\r\n" + HOST + b"\r\n"
ALIVE = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"


@asynccontextmanager
async def connected(live: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection, and lose it in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until(reader: asyncio.StreamReader, text: bytes) -> bytes:
    """Read up to and with *text*."""
    return await asyncio.wait_for(reader.readuntil(text), PATIENCE)


async def begun(reader: asyncio.StreamReader) -> None:
    """Read an answer of events up to where it is live."""
    assert (await until(reader, b"\r\n")).startswith(b"HTTP/1.1 200")
    await until(reader, b"event: snapshot_end\n")
    await until(reader, b"\n\n")


async def test_an_answer_in_the_hub_needs_no_task(live: Any, caplog: Any):
    """Once a listener is in the hub, the server keeps no task and no protocol for it, and misses nothing."""
    before = len(asyncio.all_tasks())
    async with connected(live) as (reader, writer):
        writer.write(EVENTS)
        await begun(reader)
        await live.until(lambda: len(asyncio.all_tasks()) <= before)
        (wire,) = live.gateway.hub.wires
        assert wire._connections == {wire}
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_who_leaves_is_forgotten(live: Any):
    """With a goodbye or without one, nothing of a listener stays."""
    for abort in (True, False):
        async with connected(live) as (reader, writer):
            writer.write(EVENTS)
            await begun(reader)
            assert len(live.gateway.hub) == 1
            (writer.transport.abort if abort else writer.write_eof)()
            await live.until(lambda: not live.gateway.hub.wires)
        assert len(live.gateway.hub.lanes) == 0
        await asyncio.sleep(0.02)
        gc.collect()
        assert not [one for one in gc.get_objects() if isinstance(one, OneWay)]


async def test_requests_leave_no_rings_of_garbage(live: Any):
    """What the application is offered holds the server's protocol weakly: requests are frequent."""
    async with connected(live) as (reader, writer):
        writer.write(ALIVE)
        await until(reader, b"\r\n\r\n")
    await asyncio.sleep(0.05)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            async with connected(live) as (reader, writer):
                writer.write(ALIVE)
                await until(reader, b"\r\n\r\n")
        await asyncio.sleep(0.05)
        assert not [one for one in gc.get_objects() if isinstance(one, HandOverAnswer)]
    finally:
        gc.enable()


async def test_a_kept_connection_may_ask_for_events_in_the_end(live: Any):
    """An answer before it, in turn or asked for in one go, changes nothing."""
    async with connected(live) as (reader, writer):
        writer.write(ALIVE)
        await until(reader, b"}")
        writer.write(EVENTS)
        await begun(reader)
    async with connected(live) as (reader, writer):
        writer.write(ALIVE + EVENTS + ALIVE)
        await until(reader, b"}")
        await begun(reader)
        live.say("signal.v1.SPY")
        assert b'"n":1' in await until(reader, b"\n\n")


@pytest.mark.parametrize(
    "behind",
    [
        EVENTS,
        ALIVE * 100,
        b"GET /livez HT",
        b"\x00" * 10_000,
        b"x" * MOST_UNASKED,
        b"POST /v1/events HTTP/1.1\r\n" + HOST + b"content-length: 5\r\n\r\nhello",
    ],
    ids=["the same", "many", "half", "zeros", "much", "a body"],
)
async def test_what_stands_behind_the_request_is_never_answered(live: Any, behind: bytes):
    """It is dropped, and the events go on; nothing of the server's may end them."""
    async with connected(live) as (reader, writer):
        writer.write(EVENTS)
        await begun(reader)
        writer.write(behind)
        await writer.drain()
        for _ in range(3):
            live.say("signal.v1.SPY")
            block = await until(reader, b"\n\n")
            assert b"data: " in block
            assert b"HTTP" not in block
        assert len(live.gateway.hub) == 1


@pytest.mark.parametrize("behind", [EVENTS, ALIVE * 100, b"GET /livez HT"], ids=["the same", "many", "half"])
async def test_what_comes_with_the_request_is_never_answered(
    live: Any, behind: bytes, monkeypatch: pytest.MonkeyPatch
):
    """Though the server has read it already, and waits for the end of a head that is half here."""
    monkeypatch.setattr(request_head_module, "HEAD_WITHIN", 0.3)
    async with connected(live) as (reader, writer):
        writer.write(EVENTS + behind)
        await begun(reader)
        await asyncio.sleep(0.5)  # past the deadline for heads: nothing else can show that it is forgotten
        live.say("signal.v1.SPY")
        block = await until(reader, b"\n\n")
        assert b'"n":1' in block
        assert len(live.gateway.hub) == 1


async def test_garbage_with_the_request_is_refused_whole(live: Any, caplog: Any):
    """The server breaks such a connection off itself; nobody is taken in, nothing is logged as a failure."""
    async with connected(live) as (reader, writer):
        writer.write(EVENTS + b"\x00" * 5_000)
        assert (await asyncio.wait_for(reader.read(), PATIENCE)).startswith(b"HTTP/1.1 400")
    await live.until(lambda: not live.gateway.hub.wires)
    assert [record for record in caplog.records if record.exc_info] == []


async def test_who_talks_without_end_is_not_even_read(live: Any):
    """Beyond a bound its bytes stay where they are; it goes on being told."""
    async with connected(live) as (reader, writer):
        writer.write(EVENTS)
        await begun(reader)
        (wire,) = live.gateway.hub.wires
        writer.write(b"x" * (8 << 20))
        await live.until(lambda: wire._unasked > MOST_UNASKED)
        await asyncio.sleep(0.05)
        assert wire._unasked < MOST_UNASKED + (1 << 20)
        live.say("signal.v1.SPY")
        assert b'"n":1' in await until(reader, b"\n\n")


async def test_an_older_client_is_answered(live: Any):
    """HTTP/1.0 knows neither chunks nor kept connections, and an answer here needs neither."""
    async with connected(live) as (reader, writer):
        writer.write(b"GET /v1/events?topics=signal.v1.* HTTP/1.0\r\n\r\n")
        await begun(reader)
        live.say("signal.v1.SPY")
        assert b'"n":1' in await until(reader, b"\n\n")


async def test_a_client_that_is_gone_before_its_answer_leaves_nothing(live: Any, caplog: Any):
    """A request followed by a reset ends quietly, on both sides of the seam."""
    arrived, lost = asyncio.Event(), asyncio.Event()
    identify, forget = live.gateway.entry.identify_patiently, live.gateway.hub.on_lost

    async def identify_late(bearer: Any) -> Any:
        arrived.set()
        await asyncio.sleep(0.1)
        return await identify(bearer)

    def note(wire: Any) -> None:
        forget(wire)
        lost.set()

    live.gateway.entry.identify_patiently = identify_late
    live.gateway.hub.on_lost = note
    async with connected(live) as (_, writer):
        writer.write(EVENTS)
        await asyncio.wait_for(arrived.wait(), PATIENCE)
        writer.transport.abort()
        await asyncio.wait_for(lost.wait(), PATIENCE)
    assert not live.gateway.hub.wires
    assert live.gateway.entry._guests == {}
    assert [record for record in caplog.records if record.exc_info] == []


async def test_the_server_must_run_the_class_that_gives_answers_away(live: Any):
    """Assembled wrongly, it says so."""
    wire = OneWay(live.gateway.hub, None)
    with pytest.raises(Misused, match="HandOverAnswer"):
        take_answer(Request({"type": "http", "headers": []}), wire, [])
