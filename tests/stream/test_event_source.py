"""The snippet in the document of events, run as a page would run it, hears everything once.

Node's `EventSource` is written after the standard by others. Between it and the gateway stands a line that is
cut again and again, and that once answers for a gateway which is full.
"""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.stream.publishing import SYMBOLS, publish

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.reading import fetch_after
from baleen_bus.testing import NatsServer
from ws_gateway.testing import GatewayProcess

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
PRELUDE = """
console.log = (topic, data) => process.stdout.write(JSON.stringify(data.id) + "\\n");
setInterval(() => {}, 1000);  // a page stays though nothing happens
"""
FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
PATIENCE = 30.0


def snippet(port: int, topics: str) -> str:
    """Return the document's program, for a gateway on *port* and other topics."""
    (code,) = re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert "http://localhost:8000" in code
    return PRELUDE + code.replace("localhost:8000", f"localhost:{port}").replace("uw.v1.flow_alert.*", topics)


class Line:
    """A port that leads to the gateway, and whose connections can be cut."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.made = self.refused = 0
        self.full = False
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take connections while the block lasts."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Lose every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.full:
            self.refused += 1
            writer.write(FULL)
            writer.close()
            return
        self.made += 1
        there, out = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, out}
        try:
            await asyncio.gather(_pump(reader, out), _pump(there, writer))
        finally:
            self._open -= {writer, out}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def kept_ids(bus: Bus) -> list[str]:
    """Return the ids of all signals that the stream holds, in order."""
    found: list[str] = []
    await fetch_after(bus, "SIGNAL", ">", 0, lambda item: found.append(json.loads(item.body)["id"]))
    return found


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
async def test_a_page_that_follows_the_document_hears_everything_once(nats_server: NatsServer):
    """Through cut connections and a refusal, after which a browser would not come back by itself."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_HANDSHAKES_PER_SECOND="0") as gateway:
        line = Line(gateway.port)
        async with (
            line.listening(),
            open_bus(url=nats_server.url, name="test", connect_within=10) as bus,
            Publisher(bus, source="test") as publisher,
        ):
            page = await asyncio.create_subprocess_exec(
                "node",
                "--experimental-eventsource",
                "--input-type=module",
                "--eval",
                snippet(line.port, "signal.v1.*"),
                stdout=asyncio.subprocess.PIPE,
            )
            heard: list[str] = []
            reading = asyncio.create_task(listen(page, heard))
            try:
                async with asyncio.timeout(PATIENCE):
                    while not heard:  # until the page is there: what it is told first is a snapshot
                        await publish(publisher, SYMBOLS[:1], 100, _after(0.2))
                for pause in (1.0, 2.5, 2.5, 0.5):
                    await publish(publisher, SYMBOLS, 200, _after(pause))
                    line.cut()
                line.full = True
                while not line.refused:
                    await publish(publisher, SYMBOLS, 200, _after(0.2))
                line.full = False
                wanted = await kept_ids(bus)
                async with asyncio.timeout(PATIENCE):
                    while heard[-1] != wanted[-1]:  # noqa: ASYNC110 - a record is no event
                        await asyncio.sleep(0.05)
                assert heard == wanted[wanted.index(heard[0]) :]
                assert line.made >= 4
            finally:
                with contextlib.suppress(ProcessLookupError):
                    page.kill()
                await page.wait()
                await reading


async def listen(page: asyncio.subprocess.Process, heard: list[str]) -> None:
    """Note what the page says it heard."""
    assert page.stdout is not None
    async for text in page.stdout:
        heard += [json.loads(text)]


def _after(seconds: float):
    """Return what says whether so many seconds have passed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    return lambda: loop.time() > until
