"""A client cannot hold a service by a request head that never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from baleen_runtime import request_head
from baleen_runtime.health import Health
from baleen_runtime.operator import operator_app
from baleen_runtime.serve import listen_on, serve


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Serve the operator's endpoints and yield the port."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    app = operator_app(Health("example"), CollectorRegistry())
    sockets = [listen_on("127.0.0.1", 0)]
    task = asyncio.create_task(serve(app, sockets=sockets, stop=stop, on_listening=port.set_result))
    try:
        yield await asyncio.wait_for(port, 5)
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_an_endless_header_is_cut_off(port: int):
    """A head over the limit is answered with 431 and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\nendless: ")
    answer = asyncio.create_task(reader.read())
    try:
        for _ in range(64):
            writer.write(b"a" * 16_384)
            await writer.drain()
    except ConnectionError:
        pass
    try:
        assert (await asyncio.wait_for(answer, 5)).startswith(b"HTTP/1.1 431 ")
    except ConnectionResetError:
        pass  # the kernel may discard the answer when bytes are still on their way
    finally:
        writer.close()


async def test_half_a_head_does_not_hold_a_connection(port: int, monkeypatch: pytest.MonkeyPatch):
    """A head that is never finished ends the connection."""
    monkeypatch.setattr(request_head, "HEAD_WITHIN", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n")

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_large_body_is_no_large_head(port: int):
    """Only the head is measured here: a body has its own limits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"x" * 200_000
    writer.write(b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 405 ")
    writer.close()


async def test_a_kept_connection_may_ask_again(port: int):
    """The bounds hold for each request, not for all requests of a connection together."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 30_000 + b"\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200 ")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


async def test_connections_that_say_nothing_displace_their_own(port: int, monkeypatch: pytest.MonkeyPatch):
    """Of too many unfinished heads the oldest is hung up on; who finishes its own is served meanwhile."""
    monkeypatch.setattr(request_head, "MAX_UNFINISHED", 20)
    mute = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 ")
    ended = [asyncio.create_task(one.read()) for one, _ in mute]
    done, _ = await asyncio.wait(ended[:41], timeout=request_head.HEAD_WITHIN / 2)
    assert len(done) == 41
    assert not any(task.done() for task in ended[-19:])
    for _, mute_writer in mute:
        mute_writer.close()
    await asyncio.wait(ended)
    writer.close()


async def test_heads_that_came_leave_nothing_behind(port: int):
    """Only what is awaited is remembered, however a connection ends."""
    for said in (b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"nonsense\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    async with asyncio.timeout(5):
        while request_head.BoundedHead._unfinished:  # noqa: ASYNC110 - there is no event for the end
            await asyncio.sleep(0.005)
