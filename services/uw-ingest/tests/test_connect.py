"""What a socket does with texts in pieces, and that none is left behind by whoever stops opening it."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from uw_ingest.errors import ConnectFailed
from uw_ingest.refusals import Refusal
from uw_ingest.upstream import connect
from uw_ingest.upstream.connect import Ears, Line, open_line

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class Heard:
    """All that a line told its ears, and when it was gone."""

    texts: list[bytes] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def text(self, body: bytes) -> None:
        """A text came."""
        self.texts.append(body)
        self.news.set()

    def closed(self, why: str) -> None:
        """The socket is gone."""
        self.why.append(why)
        self.news.set()


@asynccontextmanager
async def upstream_saying(*texts: Iterable[str]) -> AsyncIterator[tuple[Line, Heard]]:
    """A line to an upstream which sends these texts, each in its pieces."""

    async def handle(connection: ServerConnection) -> None:
        try:
            for pieces in texts:
                await connection.send(pieces)
            await connection.wait_closed()
        except ConnectionClosed:
            pass

    heard = Heard()
    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        ears = Ears(heard.text, heard.refused.append, heard.closed)
        line = await open_line(f"ws://127.0.0.1:{port}/", ears)
        yield line, heard
        line.hang_up("the test is over")


async def test_a_text_in_pieces_is_heard_whole():
    """However upstream cuts a text, it arrives as one."""
    async with upstream_saying(["[", '"news"', "", ",{}]"]) as (_, heard):
        await asyncio.wait_for(heard.news.wait(), 10)

    assert heard.texts == [b'["news",{}]']


async def test_a_text_too_large_is_dropped_and_the_next_one_heard():
    """Three megabytes in pieces are counted and not kept; the socket lives."""
    async with upstream_saying(["x" * 300_000] * 10, ["he", "re"]) as (_, heard):
        await asyncio.wait_for(heard.news.wait(), 10)

    assert heard.texts == [b"here"]
    assert heard.refused == [Refusal.OVERSIZED]


@pytest.mark.slow
async def test_a_text_without_an_end_costs_the_socket():
    """Empty pieces for ever hold no memory and no time: the socket is closed, with one counted reason."""
    async with upstream_saying([""] * 20_000) as (line, heard):
        await asyncio.wait_for(heard.news.wait(), 10)
        await line.autopsy()

    assert heard.texts == []
    assert heard.refused == [Refusal.OVERSIZED]
    assert heard.why == ["a text without an end"]


@dataclass
class Slow:
    """An upstream that takes its time with the handshake."""

    port: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Agree to the handshake when told to; notice when the peer leaves."""
        asked = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line[19:] for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        self.asked.set()
        leaving = asyncio.create_task(self._watch(reader), name="leaving")
        await asyncio.wait(
            {leaving, asyncio.create_task(self.answer.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.answered.set()
        await leaving
        writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while await reader.read(1_000):
                pass
        self.gone.set()


@asynccontextmanager
async def slow_upstream() -> AsyncIterator[Slow]:
    """One that runs."""
    slow = Slow()
    async with await asyncio.start_server(slow.handle, "127.0.0.1", 0) as server:
        slow.port = server.sockets[0].getsockname()[1]
        yield slow
        slow.answer.set()


def opening(slow: Slow, heard: Heard) -> asyncio.Task[Line]:
    """An attempt to open a line there."""
    ears = Ears(heard.text, heard.refused.append, heard.closed)
    return asyncio.create_task(open_line(f"ws://localhost:{slow.port}/socket", ears))


async def test_whoever_stops_opening_a_line_leaves_no_socket_behind():
    """Cancelled before upstream answers the handshake, the connection goes, and its owner hears nothing."""
    heard = Heard()
    async with slow_upstream() as slow:
        task = opening(slow, heard)
        await asyncio.wait_for(slow.asked.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(slow.gone.wait(), 10)

    assert heard == Heard(news=heard.news)


async def test_a_line_that_takes_too_long_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch):
    """Our own patience ends it the same way."""
    monkeypatch.setattr(connect, "OPEN_WITHIN", 0.2)
    heard = Heard()
    async with slow_upstream() as slow:
        with pytest.raises(ConnectFailed, match="timed out"):
            await opening(slow, heard)
        await asyncio.wait_for(slow.gone.wait(), 10)

    assert heard == Heard(news=heard.news)


async def test_a_cancellation_that_meets_the_answer_leaves_no_socket_behind():
    """Upstream agrees in the very moment in which nobody wants the line any more."""
    heard = Heard()
    async with slow_upstream() as slow:
        task = opening(slow, heard)
        await asyncio.wait_for(slow.asked.wait(), 10)
        slow.answer.set()
        await asyncio.wait_for(slow.answered.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(slow.gone.wait(), 10)

    assert heard.why == []
