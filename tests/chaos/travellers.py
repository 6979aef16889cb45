"""Who speaks and listens while everything is restarted: sources of alerts, clients new and old.

Each keeps a record that the judge compares with the streams.
"""

import asyncio
import contextlib
import itertools
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.alerts.bridges import Bridge
from tests.alerts.posting import Poster
from tests.stream.light_line import TurnedAwayError, light_line
from tests.stream.test_deploy import Visitor

from ws_gateway.testing import GatewayProcess

MARK = re.compile(rb"mark:([\w.:-]+)")
"""What tells an alert from others."""
FLOW_ALERT = re.compile(rb'"id": ?"([^"]+)"')
"""What tells a flow alert from others."""
SYMBOLS = ("NVDA", "TSLA", "AAPL", "AMD", "META", "AMZN", "MSFT")
CONNECT_WITHIN = 15.0
OF_EVERYTHING, OF_TICKERS, OF_OLDER_ROUTES = 1, 35, 2
"""How many clients there are of each kind."""


class Patient(Poster):
    """A source that asks a replica again when it was told to, and the other one meanwhile."""

    def __init__(self, source: str, bridges: Sequence[Bridge], path: str) -> None:
        super().__init__(source, bridges, path, lambda _: {"alert_type": "rolling", "symbol": "SPY"})
        self.answers = Counter[int]()
        self.failures = Counter[str]()
        self.slowest = 0.0
        self._not_before = dict.fromkeys((bridge.name for bridge in bridges), 0.0)

    async def _post_next(self, client: httpx.AsyncClient) -> None:
        began = time.monotonic()
        await super()._post_next(client)
        self.slowest = max(self.slowest, time.monotonic() - began)

    async def _taken(self, client: httpx.AsyncClient, mark: str, body: Mapping[str, Any]) -> bool:
        bridge = self._bridges[next(self._turn) % len(self._bridges)]
        if not bridge.port or self._not_before[bridge.name] > time.monotonic():
            await asyncio.sleep(0.02)
            return False
        try:
            url, key = bridge.http + self._path, {"Idempotency-Key": mark}
            answer = await client.post(url, json=body, headers=key)
        except httpx.TransportError as error:  # it leaves, or has left
            self.failures[type(error).__name__] += 1
            self._not_before[bridge.name] = time.monotonic() + 0.1
            return False
        self.answers[answer.status_code] += 1
        if not answer.is_success:
            assert answer.status_code == 503, answer.text
            self._not_before[bridge.name] = time.monotonic() + float(answer.headers["Retry-After"])
        return answer.is_success


@dataclass
class Traveller(Visitor):
    """A client of the native protocol that knows how long it was not served, in seconds each time."""

    away: list[float] = field(default_factory=list)
    _left_at: float | None = None

    async def listen_once(self) -> None:
        """Take note of the moment at which the connection was lost."""
        loop = asyncio.get_running_loop()
        try:
            await super().listen_once()
        finally:
            if self.live.is_set():
                self._left_at = loop.time()

    def take(self, frame: dict[str, Any]) -> None:
        """Take note of the moment at which it is served again."""
        super().take(frame)
        if frame["op"] == "snapshot_end" and self._left_at is not None:
            self.away.append(asyncio.get_running_loop().time() - self._left_at)
            self._left_at = None


@dataclass
class Elder:
    """A client of an older route, where nobody can resume: a record for each of its connections.

    Attributes:
        urls: where gateways are; it takes one after the other.
        path: of the route.
        key: a pattern whose group tells a message from others; what has none is not noted.
    """

    urls: Sequence[str]
    path: str
    key: re.Pattern[bytes]
    records: list[list[str]] = field(default_factory=list)

    async def stay(self) -> None:
        """Listen for ever, through any number of connections."""
        for turn in itertools.count():
            url = self.urls[turn % len(self.urls)] + self.path
            with contextlib.suppress(OSError, TimeoutError, TurnedAwayError):
                async with light_line(url, CONNECT_WITHIN) as line:
                    self.records.append([])
                    async for text in line.texts():
                        if found := self.key.search(text):
                            self.records[-1].append(found[1].decode())
            await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Crowd:
    """Clients of all kinds."""

    natives: list[Traveller]
    elders: list[Elder]

    @property
    def everybody(self) -> list[Traveller | Elder]:
        """All of them."""
        return [*self.natives, *self.elders]


def crowd(gateways: Sequence[GatewayProcess]) -> Crowd:
    """Clients of everything, of a ticker or two, and of two older routes, spread over the gateways."""
    bare = [gateway.ws for gateway in gateways]
    streams = [f"{url}/v1/stream" for url in bare]
    topics = [["uw.v1.>", "alert.v1.>"]] * OF_EVERYTHING
    for number in range(OF_TICKERS):
        one, other = SYMBOLS[number % len(SYMBOLS)], SYMBOLS[(number + 1) % len(SYMBOLS)]
        watched = [f"uw.v1.{kind}.{one}" for kind in ("option_trade", "dark_pool", "lit_trade")]
        topics.append([*watched, f"uw.v1.flow_alert.{other}", "uw.v1.flow_alert.SPY", "alert.v1.>"])
    routes = [("/api/stream/ws/flow", FLOW_ALERT), ("/api/v1/ws/unified", MARK)] * OF_OLDER_ROUTES
    return Crowd(
        natives=[Traveller(_from(streams, number), wanted) for number, wanted in enumerate(topics)],
        elders=[Elder(_from(bare, number // 2), *route) for number, route in enumerate(routes)],
    )


def of_stream(client: Traveller, stream: str) -> list[int]:
    """The numbers of what a client heard of a stream, in the order of arrival."""
    return [seq for name, _, seq in client.heard if name == stream]


def _from(urls: list[str], number: int) -> list[str]:
    return urls if number % 2 else urls[::-1]
