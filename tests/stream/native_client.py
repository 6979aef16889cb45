"""A client of the native protocol, written from its document alone: it resumes, and keeps a record.

What it knows of the protocol stands in `docs/asyncapi.json`: it keeps the newest position of every stream, as
`subscribed` and events give them, and comes back with them.
"""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

CONNECT_WITHIN = 15.0


@dataclass
class NativeClient:
    """One subscription that lives through any number of connections.

    Attributes:
        url: where the gateway is, or several of them: it takes one after the other.
        topics: what it subscribes to.
        heard: the positions of live and resumed events, in the order of their arrival.
        shown: the positions of events that were part of a snapshot.
        gaps: the gap frames.
        recovered: what each `subscribed` said that answered positions.
        codes: how connections were closed by the gateway.
        began: the number of each stream at which it began to hear.
    """

    url: str | list[str]
    topics: list[str]
    filter: str | None = None
    heard: list[tuple[str, str, int]] = field(default_factory=list)
    shown: list[tuple[str, str, int]] = field(default_factory=list)
    topics_heard: list[str] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[bool | None] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    began: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    live: asyncio.Event = field(default_factory=asyncio.Event)
    _positions: dict[str, tuple[str, int]] = field(default_factory=dict)
    _promised: list[str] | None = None
    _line: ClientConnection | None = None
    _turn: int = 0

    async def listen(self, *, pause: float = 0.0) -> None:
        """Connect and hear until the connection ends; then wait *pause* seconds, and again, for ever."""
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidStatus, TimeoutError):
                await self.listen_once()
            self.live.clear()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    async def listen_once(self) -> None:
        """Connect, subscribe from where we are, hear until the connection ends."""
        urls = [self.url] if isinstance(self.url, str) else self.url
        url = urls[self._turn % len(urls)]
        self._turn += 1
        async with connect(
            url, compression=None, max_queue=None, open_timeout=CONNECT_WITHIN, close_timeout=1
        ) as line:
            self._line = line
            self.connections += 1
            await line.send(json.dumps(self._request()))
            try:
                async for text in line:
                    self.take(json.loads(text))
            finally:
                self._line = None
                if line.close_code is not None:
                    self.codes.append(line.close_code)

    def abort(self) -> None:
        """Lose the connection as a tunnel does: without a word."""
        if self._line is not None:
            self._line.transport.abort()

    def take(self, frame: dict[str, Any]) -> None:
        """Hear one frame."""
        match frame["op"]:
            case "subscribed":
                self.recovered.append(frame.get("recovered"))
                for stream, _, seq in map(_place, frame["at"]):
                    self.began.setdefault(stream, seq)
                if frame.get("recovered") is not True:
                    self._promised = frame["at"]  # they count once all of the snapshot came
            case "snapshot_end":
                self._note(self._promised or [])
                self._promised = None
                self.live.set()
            case "event" if frame.get("snapshot"):
                self.shown.append(_place(frame["at"]))
            case "event":
                self.heard.append(_place(frame["at"]))
                self.topics_heard.append(frame["topic"])
                self._note([frame["at"]])
            case "gap":
                self.gaps.append(frame)
            case "error":
                raise AssertionError(frame)

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {"op": "subscribe", "id": 1, "topics": self.topics}
        if self.filter is not None:
            request["filter"] = self.filter
        if self._positions:
            since = [f"{stream}.{epoch}.{seq}" for stream, (epoch, seq) in self._positions.items()]
            request["since"] = since
        return request

    def _note(self, positions: list[str]) -> None:
        for position in positions:
            stream, epoch, seq = _place(position)
            known = self._positions.get(stream)
            if known is None or known[0] != epoch or known[1] < seq:
                self._positions[stream] = (epoch, seq)


def _place(position: str) -> tuple[str, str, int]:
    stream, epoch, seq = position.split(".")
    return stream, epoch, int(seq)
