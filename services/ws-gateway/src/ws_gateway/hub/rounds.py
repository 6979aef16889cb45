"""The rounds: a sign of life to every client in turns, an end to those that give none, a goodbye to all.

One timer serves all clients; each is spoken to once in `ROUND_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ws_gateway.errors import Farewell
from ws_gateway.hub.hub import Hub
from ws_gateway.wire.frames import PING
from ws_gateway.wire.wire import Wire

ROUND_SECONDS: Final = 20
"""Every client is pinged once in this time; proxies want a sign of life every 25 s."""
_SILENT_ROUNDS_ALLOWED: Final = 2
_STAGE_SECONDS: Final = 0.05


class Rounds:
    """What happens once a second, and at the end."""

    def __init__(self, hub: Hub) -> None:
        """Begin the rounds in the running event loop."""
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._turn = 0
        self.beside: list[Callable[[datetime], None]] = []
        """What else is done once a second."""
        self._next = self._loop.call_later(1.0, self._tick)

    def _tick(self) -> None:
        self._next = self._loop.call_later(1.0, self._tick)
        self.visit()

    def visit(self) -> None:
        """Ping those whose turn it is, end the mute and the stuck, and let the pace forget silent cohorts."""
        self._turn = (self._turn + 1) % ROUND_SECONDS
        now = datetime.now(UTC)
        for wire in self._of(self._turn):
            if wire.closing:
                continue
            wire.silent_rounds += wire.speaks
            if wire.silent_rounds > _SILENT_ROUNDS_ALLOWED:
                self._hub.end(wire, Farewell.SILENT)
            else:
                wire.say(wire.session.heartbeat(now) + (PING if wire.speaks else b""))
        self._hub.laggards.visit()
        self._hub.sweep.forget_silent()
        for each in self.beside:
            each(now)

    async def say_goodbye(self, within: float) -> None:
        """Tell every client when to come back and close it, in stages, all within *within* seconds."""
        hub = self._hub
        hub.sweep.flush_all()
        deadline = self._loop.time() + within
        for stage in range(ROUND_SECONDS):
            leaving = self._of(stage)
            for wire in leaving:
                hub.end(wire, Farewell.LEAVING)
            if leaving:
                await asyncio.sleep(min(_STAGE_SECONDS, within / (2 * ROUND_SECONDS)))
        while hub.wires and self._loop.time() < deadline:  # noqa: ASYNC110 - an event for this alone costs more
            await asyncio.sleep(0.01)
        for wire in tuple(hub.wires):
            wire.transport.abort()

    def close(self) -> None:
        """Stop."""
        self._next.cancel()

    def _of(self, turn: int) -> list[Wire]:
        return [wire for wire in self._hub.wires if wire.number % ROUND_SECONDS == turn]
