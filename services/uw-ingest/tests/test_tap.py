"""Listening to raw frames: what a listener reads, what it loses, what it never costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from baleen_runtime.serve import listen_on, serve
from uw_ingest.upstream import tap as tap_module
from uw_ingest.upstream.tap import Listener, Tap

AT = datetime(2026, 11, 20, 15, 0, 0, 250_000, tzinfo=UTC)


@asynccontextmanager
async def served(tap: Tap) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a tap on a real port, and give a client of it."""
    app, stop, listening = FastAPI(), asyncio.Event(), asyncio.get_running_loop().create_future()
    app.include_router(tap.routes())
    serving = asyncio.create_task(
        serve(app, sockets=[listen_on("127.0.0.1", 0)], stop=stop, on_listening=listening.set_result, grace=1)
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await listening}", timeout=10) as http:
            yield http
    finally:
        stop.set()
        await serving


async def until_heard(tap: Tap, count: int) -> None:
    """Wait until so many listen."""
    async with asyncio.timeout(5):
        while len(tap.listeners) != count:  # noqa: ASYNC110 - an event would cost frames something
            await asyncio.sleep(0.005)


async def read(answer: httpx.Response, count: int) -> list[dict[str, Any]]:
    """Return the next lines that say something."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        async for line in answer.aiter_lines():
            if line:
                found.append(orjson.loads(line))
            if len(found) == count:
                return found
    raise AssertionError(f"ended after {found}")


async def test_a_listener_reads_every_frame_as_it_came():
    """With its time of receipt; a frame that is no text is made one, and nothing breaks."""
    tap = Tap()
    async with served(tap) as http, http.stream("GET", "/frames") as answer:
        await until_heard(tap, 1)
        tap.frame(AT, b'["price",{"close":"1.00"}]')
        tap.frame(AT, b'["news",{"headline":"\xff"}]')

        first, second = await read(answer, 2)
    assert first == {"at": AT.timestamp(), "frame": '["price",{"close":"1.00"}]'}
    assert second["frame"] == '["news",{"headline":"\N{REPLACEMENT CHARACTER}"}]'


async def test_several_listen_and_who_leaves_is_forgotten():
    """Each hears all; afterwards nobody is kept, so that frames cost nothing again."""
    tap = Tap()
    async with served(tap) as http:
        async with http.stream("GET", "/frames") as one, http.stream("GET", "/frames") as two:
            await until_heard(tap, 2)
            tap.frame(AT, b"[]")
            assert await read(one, 1) == await read(two, 1) == [{"at": AT.timestamp(), "frame": "[]"}]
        await until_heard(tap, 0)


async def test_too_many_listeners_are_turned_away():
    """The bound is small: each may hold megabytes of frames."""
    tap = Tap()
    tap.listeners.extend(Listener(1, 1) for _ in range(tap_module.LISTENERS_MOST))
    async with served(tap) as http:
        assert (await http.get("/frames")).status_code == 503


async def test_closing_ends_what_listeners_read():
    """They get what waits, then the end; nobody new is taken, and leaving takes no grace."""
    tap = Tap()
    async with served(tap) as http, http.stream("GET", "/frames") as answer:
        await until_heard(tap, 1)
        tap.frame(AT, b"[1]")
        tap.close()
        lines = [line async for line in answer.aiter_lines() if line]
        assert [orjson.loads(line)["frame"] for line in lines] == ["[1]"]
        assert (await http.get("/frames")).status_code == 503


async def test_silence_is_broken_by_a_sign_of_life(monkeypatch: pytest.MonkeyPatch):
    """An empty line, so that a listener can tell silence from a line that is dead."""
    monkeypatch.setattr(tap_module, "SIGN_OF_LIFE", 0.02)
    listener = Listener(10, 10)

    assert await anext(aiter(listener.lines())) == b"\n"


async def test_who_does_not_read_loses_frames_and_is_told_how_many_and_from_when():
    """The mark stands where the frames are missing; then it goes on."""
    tap, slow = Tap(), Listener(frames_most=2, bytes_most=1_000)
    tap.listeners.append(slow)
    for n in range(5):
        tap.frame(AT.replace(second=n), b"[%d]" % n)
    lines = aiter(slow.lines())
    heard = [orjson.loads(line) for line in (await anext(lines)).splitlines()]
    tap.frame(AT, b"[9]")

    assert [line.get("frame") for line in heard] == ["[0]", "[1]", None]
    assert heard[2] == {"at": AT.replace(second=2).timestamp(), "dropped": 3}
    assert orjson.loads(await anext(lines))["frame"] == "[9]"
    assert tap.dropped == 3


@given(st.lists(st.one_of(st.binary(max_size=40), st.none()), max_size=60))
def test_whatever_is_not_read_is_counted_where_it_is_missing(steps: list[bytes | None]):
    """In any order of frames and reading, lines and marks together tell of every frame, in order."""
    listener, told, put = Listener(frames_most=3, bytes_most=60), [], 0
    for step in [*steps, None]:
        if step is None:
            told += [orjson.loads(line) for line in listener._take().splitlines()]
        else:
            listener.put(AT, step)
            put += 1
            assert len(listener._waiting) <= 3
            assert listener._size <= 60

    assert sum(line.get("dropped", 1) for line in told) == put
    assert listener._size == 0
