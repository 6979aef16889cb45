"""What every route of a receiver works with, and how it reads a body: bounded, whatever comes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from alert_bridge.errors import Outcome, TooLarge, Unreadable
from alert_bridge.metrics import Dialect, Metrics
from alert_bridge.receive.mint import Mint
from alert_bridge.receive.sources import Sources
from alert_bridge.settings import Settings
from alert_bridge.store.outlet import Outlet
from baleen_runtime.clock import Clock

RETRY_AFTER = 2
"""Seconds after which a sender should come back when the bus is away."""


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    settings: Settings
    sources: Sources
    outlet: Outlet
    metrics: Metrics
    mint: Mint
    clock: Clock

    def fresh_id(self) -> str:
        """An id for an alert that brings none."""
        return self.mint.fresh(self.clock.now())

    def timer(self, request: Request, dialect: Dialect) -> Callable[[Outcome], None]:
        """Starts a clock now; what it returns counts the request with its outcome.

        The request carries it along, for whoever answers when the route fails.
        """
        began = time.perf_counter()

        def count(outcome: Outcome) -> None:
            self.metrics.answered(dialect, outcome, time.perf_counter() - began)

        request.state.count = count
        return count

    def turned_away(self, path: str, outcome: Outcome) -> None:
        """Counts an alert that did not get as far as its route."""
        if path == "/alerts":
            self.metrics.answered(Dialect.JSON, outcome, 0.0)


async def chunks_up_to(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The request's body, piece by piece.

    Raises:
        TooLarge: it is longer than *limit* bytes; nothing beyond is read.
        Unreadable: the sender hung up before its end.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    got = 0
    try:
        async for chunk in request.stream():
            got += len(chunk)
            if got > limit:
                raise TooLarge(f"the body is over {limit} bytes")
            yield chunk
    except ClientDisconnect:
        raise Unreadable("the sender hung up") from None


async def body_up_to(request: Request, limit: int) -> bytes:
    """The request's whole body; raises as `chunks_up_to`."""
    return b"".join([chunk async for chunk in chunks_up_to(request, limit)])
