"""What makes the platform's figures move: a client that reads, a sender that posts; and who looks at them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Protocol

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect


class Seen(Protocol):
    """A Prometheus."""

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that an expression is now."""
        ...


@contextmanager
def in_background(work: Callable[[Event], None]) -> Iterator[None]:
    """Do something until the test has seen enough."""
    enough = Event()
    thread = Thread(target=work, args=(enough,))
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(40)
        assert not thread.is_alive()


def reading(url: str) -> Callable[[Event], None]:
    """Return a client that follows everything that streams; it comes back after a restart."""

    def work(enough: Event) -> None:
        while not enough.is_set():
            with (
                suppress(OSError, WebSocketException),
                connect(url.replace("http", "ws") + "/v1/stream", max_size=None, proxy=None) as line,
            ):
                line.send(json.dumps({"op": "subscribe", "topics": ["uw.v1.>"]}))
                while not enough.is_set():
                    line.recv(timeout=30)
            enough.wait(0.5)

    return work


def posting(url: str) -> Callable[[Event], None]:
    """Return a sender of an alert a second; it goes on after a restart."""

    def work(enough: Event) -> None:
        alert = {"alert_type": "drill", "source": "desk", "title": "a panel is asked"}
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            while not enough.wait(1):
                with suppress(httpx.TransportError):
                    client.post("/alerts", json=alert)

    return work


def speaks(expr: str, seen: Seen) -> bool:
    """Whether an expression has a value that is a number."""
    return any(not math.isnan(float(series["value"][1])) for series in seen.ask(expr))


def still_mute(exprs: Sequence[str], seen: Seen) -> list[str]:
    """Return those that have none."""
    return [expr for expr in exprs if not speaks(expr, seen)]
