"""One answer about the past: complete at once if memory holds it, else made ready piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ws_gateway.event import Event
from ws_gateway.hub.wishes import Wish
from ws_gateway.native.owed import Floors, Owed, condition_of
from ws_gateway.native.teller import Teller

AT_ONCE: Final = 1_000
"""Messages of a snapshot that are made ready in one turn of the loop."""


class Telling:
    """What one client is told of the past on one occasion.

    Attributes:
        has_read: whether it could not be told at once, as where a stream must be read.
        stopped: whether no more of it is read now, for what is wanted may have changed.
    """

    def __init__(
        self,
        teller: Teller,
        parts: Sequence[Owed],
        wishes: frozenset[Wish],
        *,
        snapshot: bool = False,
        opening: Sequence[bytes] = (),
        ending: Callable[[int], bytes] | None = None,
        floors: Floors | None = None,
    ) -> None:
        """Tell *parts* as far as *wishes* want them.

        Args:
            teller: tells it.
            parts: what is owed, stream by stream.
            wishes: what of it is wanted.
            snapshot: whether the present is shown of the streams after which nothing is owed.
            opening: frames said first.
            ending: makes the frame said last, from the number of messages told.
            floors: up to where some topics have been told already.
        """
        self._teller, self._wishes = teller, wishes
        self._passes = condition_of(wishes, floors)
        self._later = [part for part in parts if part.after is not None]
        # What is stored while a stream is read belongs to nobody's present: it is told as what came after.
        self._joining = [replace(part, after=part.stream.tail.heard) for part in parts if part.after is None]
        self._present = self._joining if snapshot else []
        self._opening, self._ending = list(opening), ending
        self._older: Sequence[Event] | None = None
        self._told = 0
        self.has_read = self.stopped = False

    def frames(self) -> list[bytes] | None:
        """Return all that is still to be said; None where a stream must be read first.

        The client must be taken in among the live in the same turn of the loop.
        """
        self._learn()
        later = self._teller.at_hand(self._later, self._passes)
        if later is None or (self._older is None and self._teller.unsure(self._present)):
            return None
        shown = self._teller.present(self._present, self._older or ())
        if len(shown) > AT_ONCE and not self.has_read:
            return None  # nobody else would be served meanwhile
        present = self._teller.items(shown, self._passes)
        count = self._told + len(present) + len(later)
        last = () if self._ending is None else (self._ending(count),)
        return [*self._opening, *present, *later, *last]

    async def prepare(self) -> None:
        """Read what memory does not hold, and say what must be said before it."""
        self._say_opening()
        if not self.has_read:
            self.has_read = True
            await self._show_present()
        while not self.stopped and (part := self._teller.unread(self._later)) is not None:
            self._learn()
            self._say_opening()
            self._told += await self._teller.piece(part, self._passes)

    async def _show_present(self) -> None:
        """Show the present as it was when the occasion began; from there on everything is told."""
        if rare := self._teller.unsure(self._present):
            self._older = await self._teller.rare(rare)
        shown = self._teller.present(self._present, self._older or ())
        for start in range(0, len(shown), AT_ONCE):
            frames = self._teller.items(shown[start : start + AT_ONCE], self._passes)
            if frames:
                self._teller.show(frames)
                self._told += len(frames)
            await asyncio.sleep(0)
        self._later += self._joining
        self._present = []

    def _learn(self) -> None:
        """Say also what was lost meanwhile: nobody else tells a client that stands on no lane."""
        for part in self._later:
            lost = part.learn()
            if lost:
                self._opening += [self._teller.gap(part, one) for one in lost]
                self._passes = condition_of(self._wishes)  # the numbers of floors may mean other messages

    def _say_opening(self) -> None:
        if self._opening:
            self._teller.show(self._opening)
            self._opening = []
