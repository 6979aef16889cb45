"""Posts alerts to a webhook at a rate, over connections that are kept, as a process of its own.

    python -m bench.alert_poster URL[,URL...] RATE SECONDS [CONNECTIONS]

Where replicas share the work, each URL has its share of the connections, as behind a balancer.

Alerts are due at even intervals whatever the answers do, and each one's time runs from when it was due: a
bridge that falls behind does not slow its own measure down. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, deque
from itertools import cycle, islice
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop
from bench.latencies import Latencies

_CLOSE_WITHIN = 20.0
_EMBED = {
    "title": "SPY dark pool print",
    "description": "A block of 1,250,000 shares at the offer, above the last ten days' average. " * 3,
    "color": 0x57F287,
    "fields": [
        {"name": name, "value": "1,234,567.89", "inline": True} for name in ("Size", "Price", "Value")
    ],
    "footer": {"text": "dp_monitor"},
}


class Connection(asyncio.Protocol):
    """One connection with at most one alert under way."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._received = b""
        self._due = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to post."""
        self._transport = cast("asyncio.Transport", transport)

    def post(self, due: int, request: bytes) -> None:
        """Send one alert that was due then."""
        assert self._transport is not None  # noqa: S101 - handed over once it was made
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take the answer, if it is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        status = int(head[9:12])
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(body) >= length:
            self._received = b""
            self._poster.answered(self, status, time.perf_counter_ns() - self._due)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The other end hung up."""
        self._poster.lost += not self._poster.closing

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Poster:
    """All connections, the alerts that are due, and what became of them."""

    def __init__(self, urls: list[str]) -> None:
        parts = urlsplit(urls[0])
        self._addresses = [(urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80) for url in urls]
        self.statuses: Counter[int] = Counter()
        self.latencies = Latencies()
        self._answered = 0
        self.lost = 0
        self.closing = False
        self.most_waiting = 0
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        )
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._run = time.time_ns()
        self._done = asyncio.Event()
        self._expected = 0

    async def post(self, rate: float, seconds: float, connections: int) -> None:
        """Post ``rate * seconds`` alerts, and wait for every answer."""
        loop = asyncio.get_running_loop()
        made = [
            (await loop.create_connection(lambda: Connection(self), *address))[1]
            for address in islice(cycle(self._addresses), connections)
        ]
        self._free.extend(made)
        self._expected = round(rate * seconds)
        begin = time.perf_counter_ns()
        for number in range(self._expected):
            due = begin + round(number * 1e9 / rate)
            if (pause := due - time.perf_counter_ns()) > 0:
                await asyncio.sleep(pause / 1e9)
            self._offer(due, self._request(number))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._done.wait()
        self.closing = True
        for connection in made:
            connection.close()

    def answered(self, connection: Connection, status: int, nanoseconds: int) -> None:
        """Count an answer, and let its connection post what waits."""
        self.statuses[status] += 1
        self.latencies.add(nanoseconds)
        self._answered += 1
        if self._waiting:
            connection.post(*self._waiting.popleft())
        else:
            self._free.append(connection)
        if self._answered == self._expected:
            self._done.set()

    def _offer(self, due: int, request: bytes) -> None:
        if self._free:
            self._free.popleft().post(due, request)
        else:
            self._waiting.append((due, request))
            self.most_waiting = max(self.most_waiting, len(self._waiting))

    def _request(self, number: int) -> bytes:
        body = orjson.dumps({"content": f"alert {number}", "embeds": [_EMBED]})
        keys = f"Idempotency-Key: {self._run}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        return (self._head + "User-Agent: bench\r\n" + keys).encode() + body

    def figures(self) -> dict[str, object]:
        """What became of them."""
        return {
            "offered": self._expected,
            "answers": {str(status): count for status, count in sorted(self.statuses.items())},
            "unanswered": self._expected - self._answered,
            "hung_up": self.lost,
            "most_waiting": self.most_waiting,
            **self.latencies.summary(),
        }


async def _main(url: str, rate: float, seconds: float, connections: int) -> None:
    poster = Poster(url.split(","))
    await poster.post(rate, seconds, connections)
    print(json.dumps(poster.figures()), flush=True)


if __name__ == "__main__":
    _url, _rate, _seconds = sys.argv[1:4]
    _connections = int(sys.argv[4]) if sys.argv[4:] else 64
    uvloop.run(_main(_url, float(_rate), float(_seconds), _connections))
