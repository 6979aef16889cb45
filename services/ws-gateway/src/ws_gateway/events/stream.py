"""One listener: what it asked for, first of the past and the present, then as it comes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

import structlog

from baleen_contracts.close_codes import Return, comes_back
from ws_gateway.errors import Farewell, Resumed
from ws_gateway.events.dialect import Events, retry
from ws_gateway.events.teller import EventTeller
from ws_gateway.hub.wishes import Wish, plain
from ws_gateway.native.farewells import FAREWELLS
from ws_gateway.native.owed import owed, owed_after, recovered
from ws_gateway.native.requests import Subscribe
from ws_gateway.native.telling import Telling
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

log = structlog.get_logger(__name__)

LABEL: Final = "events"
RETRY_MS: Final = (500, 2_000)
"""When a client comes back whose connection was lost, from and to; chance spreads them."""
RETRY_LATER_MS: Final = (2_000, 5_000)
"""The same of clients that we send away: not before the next gateway listens."""


class EventStream:
    """What one listener is told.

    A task works for it only while a stream is read: for one that comes back from afar, or fell behind.
    """

    __slots__ = ("_gateway", "_task", "_telling", "_wire", "_wishes", "dialect")

    label: ClassVar[str] = LABEL

    def __init__(self, gateway: Gateway, dialect: Events) -> None:
        """Tell in *dialect* what *gateway* knows."""
        self.dialect = dialect
        self._gateway = gateway
        self._wishes: frozenset[Wish] = frozenset()
        self._telling: Telling | None = None
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None

    def open(self, wire: Wire, request: Subscribe) -> None:
        """Greet, tell what is owed, and then what comes."""
        gateway, dialect = self._gateway, self.dialect
        self._wire = wire
        self._wishes = frozenset(Wish(topic, request.filter) for topic in request.topics)
        now, wait = datetime.now(UTC), _within(RETRY_MS)
        first = [dialect.welcome(now, client=wire.id, retry_ms=wait, simulated=gateway.simulated)]
        if gateway.deaf is not None:
            first.append(dialect.status("stale", gateway.deaf, now))
        gateway.hub.admit(wire, plain(()), first)
        parts = owed(gateway.past, request.topics, request.since)
        whole = recovered(parts, request.since)
        teller = EventTeller(gateway, dialect, wire, parts)
        self._telling = Telling(
            teller,
            parts,
            self._wishes,
            snapshot=request.snapshot,
            opening=teller.losses(parts),
            ending=lambda count: dialect.snapshot_end(count, whole and not teller.lost),
        )
        if self._joins(wire, self._telling):
            if request.since:
                gateway.resumed[Resumed.FROM_MEMORY] += 1
        else:
            self._begin(wire, Resumed.FROM_STREAM if request.since else None)

    def _joins(self, wire: Wire, telling: Telling) -> bool:
        """Say the rest and make the client one of the live, if the rest is at hand."""
        frames = telling.frames()
        if frames is None:
            return False
        self._telling = None
        self._gateway.hub.move(wire, self._wishes, frames)
        return True

    # What takes longer.

    def _begin(self, wire: Wire, how: Resumed | None) -> None:
        self._task = asyncio.create_task(self._tell(wire, how), name=f"events-{wire.id}")

    async def _tell(self, wire: Wire, how: Resumed | None) -> None:
        """Read what memory does not hold, until the rest is at hand; count it as *how*."""
        telling = self._telling
        assert telling is not None  # noqa: S101 - whoever begins this has set it
        try:
            while not wire.closing:
                if self._joins(wire, telling):
                    if how is not None:
                        self._gateway.resumed[how] += 1
                    return
                await telling.prepare()
        except Exception:
            log.exception("a listener's past could not be told")
            self._gateway.hub.end(wire, Farewell.FAILED)
        finally:
            self._task = None

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:
        """Note from where on the client is owed everything, and return that it will be told.

        Nothing is being told at that moment: who is told of the past stands on no lane, and so loses nothing.
        """
        topics = {wish.topic for wish in self._wishes}
        parts = owed_after(self._gateway.past, topics, since)
        self._telling = Telling(EventTeller(self._gateway, self.dialect, wire, parts), parts, self._wishes)
        return not wire.closing

    def drained(self, wire: Wire) -> None:
        """Catch up."""
        if self._telling is not None and self._task is None:
            self._begin(wire, Resumed.CAUGHT_UP)

    def stop(self) -> None:
        """Read no stream any more for a client that is gone: others wait for their turn to be read for."""
        if self._task is not None:
            self._task.cancel()

    # What it is told.

    def heard(self, wire: Wire, text: str) -> None:
        """Hear nothing: who listens to events cannot speak."""

    def heartbeat(self, now: datetime) -> bytes:
        """Return a sign that we live, and with it where the client stands if all was said to it."""
        wire = self._wire
        all_said = (
            wire is not None
            and self._telling is None
            and not wire.lagging
            and wire.pen is not None
            and not wire.pen.pending
        )
        return self.dialect.heartbeat(now, all_said=all_said)

    def status(self, state: str, reason: str | None, now: datetime) -> bytes:
        """Return the event that says whether the bus is heard."""
        return self.dialect.status(state, reason, now)

    def farewell(
        self, reason: Farewell, now: datetime, particular: str | None = None
    ) -> tuple[int, str, bytes]:
        """Return the native protocol's code and words, and the last events: why, and when to come back."""
        code, usual = FAREWELLS[reason]
        words = particular or usual
        wait = _within(RETRY_MS if comes_back(code) is Return.AT_ONCE else RETRY_LATER_MS)
        if reason is Farewell.LEAVING:
            wait = _within(RETRY_LATER_MS)
            return code, words, retry(wait) + self.dialect.drain(wait)
        return code, words, retry(wait) + self.dialect.error(reason.value, words, now)

    def expiring(self, in_seconds: float) -> bytes:
        """Return the event that warns of the token's end; the next connection needs another one."""
        return self.dialect.token_expiring(round(in_seconds * 1000))

    def code_of_broken(self, standard: int) -> int:
        """Return the standard's own: nobody breaks a protocol who does not speak."""
        return standard


def _within(bounds: tuple[int, int]) -> int:
    return random.randrange(*bounds)  # noqa: S311 - spreads load, guards nothing
