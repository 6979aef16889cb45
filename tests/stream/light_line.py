"""A WebSocket connection that costs a test little: thousands of them fit beside what is tested.

It trusts the server to speak the protocol, as the tests of the dialects prove: text frames that are whole,
pings, and a close.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.handshake import CLOSE, PING, PONG, TEXT, address, masked, upgrade_request

_LONG, _LONGER = 126, 127


class TurnedAwayError(Exception):
    """The handshake was answered with 503; ``retry_after`` in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"come again in {retry_after} s")
        self.retry_after = retry_after


class LightLine(asyncio.Protocol):
    """One connection; `texts` yields what the server says until it ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._received = bytearray()
        self._upgraded = False
        self._texts: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._open = asyncio.get_running_loop().create_future()
        self._ended = False
        self.transport: asyncio.Transport
        self.close_code: int | None = None

    async def texts(self) -> AsyncIterator[bytes]:
        """Yield the text messages of the server."""
        while True:
            while self._texts:
                yield self._texts.popleft()
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    def say(self, text: bytes) -> None:
        """Send a text message."""
        self.transport.write(masked(TEXT, text))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(upgrade_request(self._url, None))

    def data_received(self, data: bytes) -> None:
        """Take the answer to the upgrade, then frames."""
        self._received += data
        if not self._upgraded:
            head, found, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not found:
                return
            if not self._take_head(head):
                return
            self._received = bytearray(rest)
        self._take_frames()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Yield nothing more."""
        self._ended = True
        self._news.set()
        if not self._open.done():
            self._open.set_exception(exc or ConnectionResetError("hung up before the upgrade"))

    def _take_head(self, head: bytes) -> bool:
        lines = head.decode("latin-1").split("\r\n")
        self._upgraded = lines[0].startswith("HTTP/1.1 101")
        if self._upgraded:
            self._open.set_result(None)
            return True
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        if not self._open.done():
            self._open.set_exception(TurnedAwayError(float(fields.get("retry-after", 1))))
        self.transport.close()
        return False

    def _take_frames(self) -> None:
        received, at = self._received, 0
        while len(received) >= at + 2:
            size, start = received[at + 1], at + 2
            if size == _LONG:
                size, start = int.from_bytes(received[at + 2 : at + 4], "big"), at + 4
            elif size == _LONGER:
                size, start = int.from_bytes(received[at + 2 : at + 10], "big"), at + 10
            if len(received) < start + size:
                break
            self._take(received[at] & 0x0F, bytes(received[start : start + size]))
            at = start + size
        del received[:at]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._texts.append(payload)
        elif opcode == PING:
            self.transport.write(masked(PONG, payload))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.transport.write(masked(CLOSE, payload[:2]))

    async def opened(self) -> None:
        """Wait for the upgrade.

        Raises:
            TurnedAwayError: the server takes nobody at the moment.
            OSError: it hung up.
        """
        await self._open


@asynccontextmanager
async def light_line(url: str, within: float) -> AsyncIterator[LightLine]:
    """Connect, and hang up when the block ends.

    Raises:
        TurnedAwayError: the server takes nobody at the moment.
        OSError, TimeoutError: nobody answers.
    """
    host, port = address(url)
    async with asyncio.timeout(within):
        transport, line = await asyncio.get_running_loop().create_connection(
            lambda: LightLine(url), host, port
        )
    try:
        async with asyncio.timeout(within):
            await line.opened()
        yield line
    finally:
        transport.abort()
