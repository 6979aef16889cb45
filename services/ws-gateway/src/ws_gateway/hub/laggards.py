"""Clients that read too slowly: how long they are borne, and what becomes of them then.

What waits for a client is bounded by bytes and by the age of the oldest message of which each counts; what
waits for all of them together is bounded too. Beyond a bound the messages that wait are dropped: a
conversation that can catch up from the stream stays, any other is closed. A socket that takes nothing at all
for a while is closed whatever waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ws_gateway.errors import Behind, Farewell

if TYPE_CHECKING:
    from ws_gateway.hub.hub import Hub
    from ws_gateway.hub.session import Session
    from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Patience:
    """How slow a client may be.

    Attributes:
        client_bytes: bytes that may wait for one client, snapshots aside.
        total_bytes: bytes that may wait for all clients; what waits for many counts once.
        lag_seconds: how old a message may become while it waits, where each message counts.
        stuck_seconds: how long a full socket may take nothing.
    """

    client_bytes: int = 1 << 20
    total_bytes: int = 256 << 20
    lag_seconds: float = 8.0
    stuck_seconds: float = 30.0


class Laggards:
    """The clients of a hub that lag."""

    def __init__(self, hub: Hub, patience: Patience) -> None:
        """Judge the clients of *hub* in the running event loop; `visit` is called about once a second."""
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._relief: asyncio.Handle | None = None
        self.fallen: Counter[Behind] = Counter()

    def visit(self) -> None:
        """Look at every client that lags: has it moved, and how old is what waits?"""
        now = self._hub.now()
        for wire in [wire for wire in self._hub.wires if wire.lagging and not wire.closing]:
            if self._is_stuck(wire, now):
                self._hub.end(wire, Farewell.TOO_SLOW)
            elif self._is_late(wire, now):
                self.fall(wire, Behind.AGE)

    def fall(self, wire: Wire, reason: Behind) -> None:
        """Drop the messages that wait for *wire*; it catches up by itself, or is closed."""
        if wire.closing:
            return
        hub, backlog = self._hub, wire.backlog
        backlog.put(hub.take_off(wire))
        since = backlog.skip(partial(hub.conflated, wire.session))
        stays = False
        if since:
            self.fallen[reason] += 1
            wire.times_behind += 1
            wire.fell_at, wire.fell_since = time.time(), since
            wire.behind = True
            if backlog.live <= self._patience.client_bytes:
                stays = self._told(wire, since)
        if not stays:
            hub.end(wire, Farewell.TOO_SLOW)

    def crowded(self) -> None:
        """Let the worst fall behind, after this turn of the loop, until what waits is within the bound."""
        if self._relief is None:
            self._relief = self._loop.call_soon(self._relieve)

    def close(self) -> None:
        """Stop."""
        if self._relief is not None:
            self._relief.cancel()

    def _relieve(self) -> None:
        self._relief = None
        books, bound = self._hub.books, self._patience.total_bytes
        waiting = sorted((w for w in self._hub.wires if w.backlog.live), key=_weight, reverse=True)
        for wire in waiting:
            if books.held <= bound:
                return
            self.fall(wire, Behind.CROWD)

    def _is_stuck(self, wire: Wire, now: float) -> bool:
        unsent = wire.transport.get_write_buffer_size()
        if wire.moved or unsent != wire.unsent or not wire.moved_at:
            wire.moved_at = now
        wire.moved, wire.unsent = False, unsent
        return now - wire.moved_at > self._patience.stuck_seconds

    def _is_late(self, wire: Wire, now: float) -> bool:
        """Return whether a message waits too long; the time that a snapshot takes is no lateness."""
        backlog = wire.backlog
        if backlog.showing:
            wire.patient_from = now
        bound = now - self._patience.lag_seconds
        oldest = backlog.oldest()
        if oldest is None or oldest >= bound or wire.patient_from >= bound:
            return False
        oldest = backlog.oldest_of_every()
        return oldest is not None and oldest < bound

    @staticmethod
    def _told(wire: Wire, since: dict[str, int]) -> bool:
        session: Session = wire.session
        try:
            return session.fell_behind(wire, since)
        except Exception:
            log.exception("a client that fell behind could not be helped", dialect=session.dialect.name)
            return False


def _weight(wire: Wire) -> int:
    return wire.backlog.live
