"""The line between supervisor and worker: both may ask, and neither waits for one that is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ws_gateway.fleet.link import LONGEST_LINE, Link

PATIENCE = 5.0


async def answer(question: str) -> Any:
    """Answer as a process would that has its troubles."""
    if question == "trouble":
        raise RuntimeError("it cannot be told")
    if question == "silence":
        await asyncio.sleep(60)
    return {"said": question, "much": "x" * 100_000}


async def end_of(sock: socket.socket) -> Link:
    """Return one end of a line."""
    sock.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST_LINE)
    return Link(reader, writer, answer)


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Link, Link, asyncio.Task[None]]]:
    """Have both ends of a line; with them, what runs the second."""
    one, other = [await end_of(sock) for sock in socket.socketpair()]
    running = [asyncio.create_task(end.run()) for end in (one, other)]
    try:
        yield one, other, running[1]
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def test_both_ends_ask_and_answer_at_once():
    """Many questions are out at a time, each gets its own answer, however long it is."""
    async with line() as (one, other, _):
        asking = [end.ask(str(number), PATIENCE) for number in range(20) for end in (one, other)]
        told = await asyncio.gather(*asking)

    assert [answer["said"] for answer in told] == [str(number) for number in range(20) for _ in range(2)]


async def test_a_question_that_cannot_be_answered_gets_nothing():
    """And the line goes on."""
    async with line() as (one, _, _):
        assert await one.ask("trouble", PATIENCE) is None
        assert (await one.ask("again", PATIENCE))["said"] == "again"


async def test_silence_ends_with_the_time_given():
    """A process that hangs holds nobody up, and a late answer is nobody's."""
    async with line() as (one, _, _):
        with pytest.raises(TimeoutError):
            await one.ask("silence", 0.05)
        assert (await one.ask("again", PATIENCE))["said"] == "again"


async def test_one_that_is_gone_is_noticed_at_once():
    """By whoever waits for its answer, and by whoever runs the line."""
    async with line() as (one, _, running):
        asking = asyncio.create_task(one.ask("silence", PATIENCE))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(asking, 1.0)
