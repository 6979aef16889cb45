"""What a socket does with texts in pieces."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from uw_ingest.connect import Ears, Line, open_line
from uw_ingest.refusals import Refusal


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


async def test_a_text_without_an_end_costs_the_socket():
    """Empty pieces for ever hold no memory and no time: the socket is closed, with one counted reason."""
    async with upstream_saying([""] * 20_000) as (line, heard):
        await asyncio.wait_for(heard.news.wait(), 10)
        await line.autopsy()

    assert heard.texts == []
    assert heard.refused == [Refusal.OVERSIZED]
    assert heard.why == ["a text without an end"]
