"""A listener to Server-Sent Events, written from their document and the standard alone; it resumes.

It reads `docs/events.md` as a browser does: lines, fields, blocks; an id counts once its block is whole.
"""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

CONNECT_WITHIN = 15.0


@dataclass
class Told:
    """One event, as a browser hands it to a page."""

    name: str
    data: str
    last_id: str


class Blocks:
    """The standard's reading of an event stream."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self.comments = 0
        self._id = ""
        self._name = ""
        self._data: list[str] = []

    def line(self, text: str) -> Told | None:
        """Read one line without its end; return the event that it completes."""
        if not text:
            return self._dispatched()
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments += 1
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdecimal():
            self.retry = int(value)
        return None

    def _dispatched(self) -> Told | None:
        self.last_id = self._id
        told = Told(self._name or "message", "\n".join(self._data), self.last_id) if self._data else None
        self._name, self._data = "", []
        return told


@dataclass
class EventClient:
    """One source of events that lives through any number of connections.

    Attributes:
        url: where the gateway is, up to its port.
        topics: what it asks for.
        heard: the positions of messages, in the order of their arrival.
        shown: the positions of messages of snapshots.
        gaps: what gaps said.
        recovered: what each end of a snapshot said.
        statuses: how requests were answered.
        last_id: what it comes back with.
        on_id: hears every new one.
    """

    url: str
    topics: list[str]
    filter: str | None = None
    heard: list[tuple[str, str, int]] = field(default_factory=list)
    shown: list[tuple[str, str, int]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[bool | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    last_id: str = ""
    on_id: Callable[[str], object] = str
    connections: int = 0
    live: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None
    _paused: asyncio.Transport | None = None

    async def listen(self, *, pause: float = 0.0) -> None:
        """Connect and hear until the connection ends; then wait *pause* seconds, and again, for ever."""
        while True:
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                    await self.listen_once()
            finally:
                self.live.clear()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    async def listen_once(self) -> None:
        """Connect, go on from where we are, hear until the connection ends."""
        parts = urlsplit(self.url)
        async with asyncio.timeout(CONNECT_WITHIN):
            reader, writer = await asyncio.open_connection(sock=await _little(parts), limit=1 << 20)
        self._writer = writer
        self.connections += 1
        blocks = Blocks()
        try:
            writer.write(self._request(parts.netloc))
            self.statuses.append(await head(reader))
            while True:
                line = await reader.readuntil(b"\n")
                told = blocks.line(line[:-1].decode())
                if blocks.last_id and blocks.last_id != self.last_id:
                    self.last_id = blocks.last_id
                    self.on_id(self.last_id)
                if told is not None:
                    self.take(told)
        finally:
            self._writer = None
            writer.transport.abort()

    def abort(self) -> None:
        """Lose the connection as a tunnel does: without a word."""
        if self._writer is not None:
            self._writer.transport.abort()

    def pause(self) -> None:
        """Read nothing more of this connection for a while."""
        self._paused = self._transport()
        if self._paused is not None and not self._paused.is_closing():
            self._paused.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        if self._paused is not None and not self._paused.is_closing():
            self._paused.resume_reading()

    def take(self, told: Told) -> None:
        """Hear one event."""
        data = json.loads(told.data)
        match told.name:
            case "message":
                self.heard.append(_place(data["at"]))
            case "snapshot":
                self.shown.append(_place(data["at"]))
            case "snapshot_end":
                self.recovered.append(data.get("recovered"))
                self.live.set()
            case "gap":
                self.gaps.append(data)

    def _transport(self) -> asyncio.Transport | None:
        transport = None if self._writer is None else self._writer.transport
        return transport if isinstance(transport, asyncio.Transport) else None

    def _request(self, host: str) -> bytes:
        query = "&".join(f"topics={quote(topic)}" for topic in self.topics)
        if self.filter is not None:
            query += f"&filter={quote(self.filter)}"
        lines = [f"GET /v1/events?{query} HTTP/1.1", f"host: {host}", "accept: text/event-stream"]
        if self.last_id:
            lines.append(f"last-event-id: {self.last_id}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _little(address: SplitResult) -> socket.socket:
    """Connect by a socket that holds little which is not read yet."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


async def head(reader: asyncio.StreamReader) -> int:
    """Read the head of an answer and return its status."""
    status = int((await reader.readuntil(b"\r\n")).split()[1])
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return status


def _place(position: str) -> tuple[str, str, int]:
    stream, epoch, seq = position.split(".")
    return stream, epoch, int(seq)
