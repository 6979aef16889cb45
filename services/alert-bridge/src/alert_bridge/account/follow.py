"""Keeps the index up with the stream of alerts, from the newest hundred thousand on."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from alert_bridge.account.heard import heard
from alert_bridge.account.index import NEWEST, Index
from baleen_bus import Bus, BusError, Delivered, Follower, FromSequence, Gap, GapReason
from baleen_bus.reading import stream_state
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name

STREAM: Final = "ALERT"
PATTERN: Final = by_name(Alert.entity).pattern
_AGAIN_AFTER: Final = 1.0

log = structlog.get_logger(__name__)


class Following:
    """Follows the stream into *index*, and says how far it has come.

    Args:
        index: what is filled.
        newest: how many alerts that are stored already are read first.
    """

    def __init__(self, index: Index, newest: int = NEWEST) -> None:
        self.index = index
        self.caught_up = asyncio.Event()
        """Set while everything that was stored before the start is known."""
        self._newest = newest
        self._follower: Follower | None = None
        self._waiting: dict[asyncio.Future[None], int] = {}

    async def run(self, bus: Bus) -> None:
        """Follow until cancelled; a bus that has no such stream yet is asked again."""
        told = False
        while True:
            try:
                await self._follow(bus)
            except BusError as error:
                if not told:
                    log.warning("the history of alerts cannot be read yet", error=str(error))
                    told = True
                await asyncio.sleep(_AGAIN_AFTER)

    async def reach(self, seq: int) -> None:
        """Return once every alert up to number *seq* is known."""
        if self._position >= seq:
            return
        reached = asyncio.get_running_loop().create_future()
        self._waiting[reached] = seq
        try:
            await reached
        finally:
            self._waiting.pop(reached, None)

    @property
    def _position(self) -> int:
        return self._follower.position if self._follower is not None else 0

    async def _follow(self, bus: Bus) -> None:
        state = await stream_state(bus, STREAM)
        start = max(1, state.first_seq, state.last_seq - self._newest + 1)
        self.index.begin(start - 1)
        follower = Follower(
            bus, STREAM, [PATTERN], FromSequence(start), self._hear, self._miss, self._have_caught_up
        )
        self._follower = follower
        try:
            async with follower:
                await asyncio.Event().wait()
        finally:
            self.caught_up.clear()
            self._follower = None

    def _hear(self, item: Delivered) -> None:
        self.index.add(*heard(item))
        if self._waiting:
            self._wake(item.seq)

    def _miss(self, gap: Gap) -> None:
        """What expired is on no stream any more; what is numbered anew is another alert."""
        if gap.reason is GapReason.STREAM_RECREATED:
            self.index.begin(0)
        elif gap.reason is GapReason.WENT_BACK:
            self.index.cut(gap.from_seq)

    def _have_caught_up(self) -> None:
        self.caught_up.set()
        self._wake(self._position)
        log.info("the history of alerts is at hand", alerts=len(self.index))

    def _wake(self, seq: int) -> None:
        for waiting, wanted in tuple(self._waiting.items()):
            if wanted <= seq and not waiting.done():
                waiting.set_result(None)
