"""How long clients stay: until their tokens end, of which they are warned. One timer for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ws_gateway.doors.expiry import Expiries
from ws_gateway.errors import Farewell
from ws_gateway.hub.hub import Hub
from ws_gateway.wire.wire import Wire

_LONGEST_SLEEP: Final = 1.0
"""Seconds between two looks at the clock of the wall, which may be set."""


class Stays:
    """Warns clients and ends them, by the clock of the wall."""

    def __init__(self, hub: Hub, *, warn_ahead: float, now: Callable[[], float]) -> None:
        """Wait for clients in the running event loop.

        Args:
            hub: whose clients they are.
            warn_ahead: seconds from the warning to the end.
            now: Unix seconds.
        """
        self._hub, self._now = hub, now
        self._loop = asyncio.get_running_loop()
        self._expiries: Expiries[Wire] = Expiries(warn_ahead)
        self._next: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._expiries)

    def note(self, wire: Wire, end: float) -> None:
        """Note that a client stays until *end* in Unix seconds, and not as long as it did before."""
        self._expiries.note(wire, end)
        self._plan()

    def forget(self, wire: Wire) -> None:
        """Forget a client that left."""
        self._expiries.forget(wire)

    def close(self) -> None:
        """Stop."""
        if self._next is not None:
            self._next.cancel()

    def _plan(self) -> None:
        wait = self._expiries.wait(self._now())
        if wait is None:
            return
        wait = min(wait, _LONGEST_SLEEP)
        if self._next is not None:
            if self._next.when() - self._loop.time() <= wait:
                return
            self._next.cancel()
        self._next = self._loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        self._next = None
        due = self._expiries.due(self._now())
        for wire, seconds in due.warned:
            frames = wire.session.expiring(seconds)
            if frames:
                wire.say(frames)
        for wire in due.ended:
            self._hub.end(wire, Farewell.EXPIRED)
        self._plan()
