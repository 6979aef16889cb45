"""What was alerted: by id, by message id, by number, from a moment on. Every replica has its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final

from alert_bridge.account.bodies import read_seqs
from alert_bridge.account.follow import Following
from alert_bridge.account.heard import PATTERN, STREAM, carried, heard
from alert_bridge.account.history import Page, covers, page_by_index, page_by_reading
from alert_bridge.account.index import NEWEST, Index
from alert_bridge.account.wanted import Filters, Since, Wanted
from alert_bridge.carried import Carried
from baleen_bus import Bus, Delivered, Unreachable

_MICROSECONDS: Final = 1_000_000
_STILL_READING: Final = "the newest alerts are still being read"


class Archive:
    """The alerts of the stream; the newest are known by their ids.

    Args:
        newest: how many are known by their ids.
    """

    def __init__(self, newest: int = NEWEST) -> None:
        self._index = Index(newest)
        self._following = Following(STREAM, [PATTERN], self._index, self._hear, newest)

    def over(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        """Follow the stream for as long as the block lasts; does not wait for it."""
        return self._following.over(bus)

    def on_trouble(self, tell: Callable[[str], None]) -> None:
        """Let *tell* know why the stream cannot be followed, and nothing once it can."""
        self._following.on_trouble = tell

    @property
    def ready(self) -> bool:
        """Whether the newest alerts are all known."""
        return self._following.caught_up

    @property
    def known(self) -> int:
        """How many alerts are known by their ids."""
        return len(self._index)

    @property
    def reaches_back_to(self) -> datetime | None:
        """When the oldest alert that is known by its id was stored; None if none is known."""
        at = self._index.reaches_back_to
        return None if at is None else datetime.fromtimestamp(at / _MICROSECONDS, UTC)

    def seqs_of(self, alert_id: str) -> list[int]:
        """The numbers of the alerts with this id, oldest first; several sources may use the same."""
        return self._index.seqs_of(alert_id)

    def seq_of_snowflake(self, snowflake: str, source: str | None = None) -> int | None:
        """The number of the alert that its sender knows as this message; None if it is not known.

        With *source*, only one of that source's alerts.
        """
        return self._index.seq_of_message(snowflake, source)

    async def settle(self, within: float = 1.0) -> None:
        """Let what was stored before now be known, on whichever replica; at most so many seconds.

        An alert that this replica stored itself is known when its sender is answered.
        """
        await self._following.settle(within)

    async def read(self, seq: int) -> Carried | None:
        """The alert of this number; None if the stream does not have it, or it is no alert.

        Raises:
            Unreachable: there is no bus now, or it does not answer.
        """
        found = await read_seqs(self._following.bus, STREAM, PATTERN, [seq]) if seq > 0 else []
        return carried(found[0]) if found else None

    async def since(self, since: Since, count: int, filters: Filters | None = None) -> list[Carried]:
        """The first so many alerts from a moment or a number on, oldest first; with None the newest.

        Fewer may come although there are more: a reading is bounded; see `page`.

        Raises:
            Unreachable: there is no bus now, or it does not answer.
        """
        return (await self.page(Wanted(since, count, filters or Filters()))).alerts

    async def page(self, wanted: Wanted) -> Page:
        """A page of history.

        Raises:
            Unreachable: there is no bus now, it does not answer, or the newest are not known yet.
        """
        bus = self._following.bus
        if self.ready and covers(self._index, wanted.since):
            return await page_by_index(bus, self._index, wanted)
        if wanted.since is None:
            raise Unreachable(_STILL_READING)
        return await page_by_reading(bus, wanted.since, wanted)

    def must_be_ready(self) -> None:
        """Return if the newest alerts are all known.

        Raises:
            Unreachable: they are not, so that nothing can be said of what is not found.
        """
        if not self.ready:
            raise Unreachable(_STILL_READING)

    def _hear(self, item: Delivered) -> None:
        self._index.add(*heard(item))
