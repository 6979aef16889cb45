"""Keeps an index up with its stream, from the newest so many messages on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from baleen_bus import Bus, BusError, Delivered, Follower, FromSequence, Gap, GapReason, Unreachable
from baleen_bus.connection import end_task
from baleen_bus.reading import stream_state

_AGAIN_AFTER: Final = 1.0

log = structlog.get_logger(__name__)


class Followed(Protocol):
    """What is kept up with a stream."""

    def begin(self, after: int) -> None:
        """Forget everything; what is stored after number *after* will be told."""

    def cut(self, from_seq: int) -> None:
        """Forget the messages of this number and later ones: the stream gives these numbers again."""


class Following:
    """Follows a stream, and says how far it has come.

    Args:
        stream: its name.
        patterns: which of its subjects.
        index: what is kept up with it.
        hear: told each message, in the stream's order.
        newest: how many messages that are stored already are read first.

    Attributes:
        on_trouble: told why the stream cannot be followed, and nothing once it can.
    """

    def __init__(
        self,
        stream: str,
        patterns: Sequence[str],
        index: Followed,
        hear: Callable[[Delivered], None],
        newest: int,
    ) -> None:
        self._stream, self._patterns = stream, patterns
        self._index, self._tell = index, hear
        self._newest = newest
        self._caught_up = False
        self._bus: Bus | None = None
        self._follower: Follower | None = None
        self._waiting: dict[asyncio.Future[None], int] = {}
        self.on_trouble: Callable[[str], None] | None = None

    @property
    def caught_up(self) -> bool:
        """Whether everything that was stored before the start is known."""
        return self._caught_up

    @property
    def bus(self) -> Bus:
        """The bus that is followed.

        Raises:
            Unreachable: there is none now.
        """
        if self._bus is None:
            raise Unreachable("there is no connection to the bus")
        return self._bus

    @asynccontextmanager
    async def over(self, bus: Bus) -> AsyncIterator[None]:
        """Follow the stream for as long as the block lasts; does not wait for it."""
        self._bus = bus
        task = asyncio.create_task(self._run(bus), name=f"following {self._stream}")
        bus.supervise(task)
        try:
            yield
        finally:
            self._bus = None
            await end_task(task)

    async def settle(self, within: float) -> None:
        """Return once all that was stored before now is known, or after so many seconds."""
        with contextlib.suppress(TimeoutError, Unreachable):
            async with asyncio.timeout(within):
                await self._reach((await stream_state(self.bus, self._stream)).last_seq)

    async def _run(self, bus: Bus) -> None:
        """Follow until cancelled; a bus that has no such stream yet is asked again."""
        told = False
        while True:
            try:
                await self._follow(bus)
            except BusError as error:
                self._tell_trouble(str(error))
                if not told:
                    log.warning("a stream cannot be followed yet", stream=self._stream, error=str(error))
                    told = True
                await asyncio.sleep(_AGAIN_AFTER)

    async def _reach(self, seq: int) -> None:
        if self._caught_up and self._follower is not None and self._follower.position >= seq:
            return
        reached = asyncio.get_running_loop().create_future()
        self._waiting[reached] = seq
        try:
            await reached
        finally:
            self._waiting.pop(reached, None)

    async def _follow(self, bus: Bus) -> None:
        state = await stream_state(bus, self._stream)
        self._tell_trouble("")
        start = max(1, state.first_seq, state.last_seq - self._newest + 1)
        self._index.begin(start - 1)
        follower = Follower(
            bus,
            self._stream,
            self._patterns,
            FromSequence(start),
            self._hear,
            self._miss,
            self._have_caught_up,
        )
        self._follower = follower
        try:
            async with follower:
                await asyncio.Event().wait()
        finally:
            self._caught_up = False
            self._follower = None

    def _hear(self, item: Delivered) -> None:
        self._tell(item)
        if self._waiting and self._caught_up:
            self._wake(item.seq)

    def _miss(self, gap: Gap) -> None:
        """What expired is on no stream any more; what is numbered anew is another message."""
        if gap.reason is GapReason.STREAM_RECREATED:
            self._index.begin(0)
        elif gap.reason is GapReason.WENT_BACK:
            self._index.cut(gap.from_seq)

    def _have_caught_up(self) -> None:
        self._caught_up = True
        if self._follower is not None:
            self._wake(self._follower.position)
        log.info("the newest messages of a stream are known", stream=self._stream)

    def _tell_trouble(self, why: str) -> None:
        if self.on_trouble is not None:
            self.on_trouble(why)

    def _wake(self, seq: int) -> None:
        for waiting, wanted in tuple(self._waiting.items()):
            if wanted <= seq and not waiting.done():
                waiting.set_result(None)
