"""Dead letters: which there are, what they hold, and which are sent again. Every replica knows all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alert_bridge.account.bodies import read_seqs
from alert_bridge.account.dead_index import LETTERS, NEWEST, REPLAYS, STREAM, Chosen, DeadIndex, hear
from alert_bridge.account.follow import Following
from alert_bridge.account.heard import stored_at
from alert_bridge.account.wanted import WantedDead
from baleen_bus import Bus, Delivered, Unreachable
from baleen_contracts.dead_letter import DeadLetter
from baleen_contracts.message import micros

AT_ONCE: Final = 1_000
"""Letters that one request sends again at most."""
_PAGE_BYTES: Final = 8 << 20
_CHUNK: Final = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as the stream keeps it; ``again`` if it was sent again."""

    seq: int
    stored_at: datetime
    said: DeadLetter
    again: bool


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some letters, oldest first; ``next`` is the number to go on from, at once if there are ``more``."""

    letters: list[Letter]
    next: int
    more: bool


class DeadLetters:
    """The newest dead letters.

    Args:
        newest: how many are known.
    """

    def __init__(self, newest: int = NEWEST) -> None:
        self._index = DeadIndex(newest)
        self._following = Following(STREAM, [LETTERS, REPLAYS], self._index, self._hear, newest)

    def over(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        """Follow the stream for as long as the block lasts; does not wait for it."""
        return self._following.over(bus)

    async def page(self, wanted: WantedDead) -> LetterPage:
        """A page of letters.

        Raises:
            Unreachable, ApiRefused: they cannot be read now, or are not known yet.
        """
        bus = await self._there()
        seqs, left = self._index.page(wanted.since, wanted.destination, wanted.limit)
        start = wanted.since if isinstance(wanted.since, int) else 0
        onwards = left or max(start, self._index.newest + 1)
        letters, size = [], 0
        for place in range(0, len(seqs), _CHUNK):
            for item in await read_seqs(bus, STREAM, LETTERS, seqs[place : place + _CHUNK]):
                letter = self._letter(item)
                if letter is not None:
                    letters.append(letter)
                    size += len(item.body)
            if size >= _PAGE_BYTES and place + _CHUNK < len(seqs):
                return LetterPage(letters, seqs[place + _CHUNK], more=True)
        return LetterPage(letters, onwards, more=left is not None)

    async def choose(self, destination: str, seqs: Sequence[int] | None) -> Chosen:
        """Which letters of a destination to send again: those named, or all that can be and were not yet.

        Raises:
            Unreachable: they are not known now.
        """
        await self._there()
        return self._index.choose(destination, None if seqs is None else list(seqs), AT_ONCE)

    async def _there(self) -> Bus:
        await self._following.settle(1.0)
        if not self._following.caught_up:
            raise Unreachable("the dead letters are still being read")
        return self._following.bus

    def _hear(self, item: Delivered) -> None:
        hear(self._index, item, micros(stored_at(item)))

    def _letter(self, item: Delivered) -> Letter | None:
        try:
            said = DeadLetter.model_validate_json(item.body)
        except ValueError:
            return None
        return Letter(item.seq, stored_at(item), said, self._index.was_sent_again(item.seq))
