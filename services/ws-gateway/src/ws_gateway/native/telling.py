"""One answer about the past: complete at once if memory holds it, else made ready piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ws_gateway.event import Event
from ws_gateway.hub.wishes import Wish
from ws_gateway.native.owed import Owed
from ws_gateway.native.teller import Teller


class Telling:
    """What one client is told of the past on one occasion.

    Attributes:
        has_read: whether a stream had to be read.
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
    ) -> None:
        """Tell *parts* as far as *wishes* want them.

        Args:
            teller: tells it.
            parts: what is owed, stream by stream.
            wishes: what of it is wanted.
            snapshot: whether the present is shown of the streams after which nothing is owed.
            opening: frames said first.
            ending: makes the frame said last, from the number of messages told.
        """
        self._teller, self._wishes = teller, wishes
        self._later = [part for part in parts if part.after is not None]
        self._present = [part for part in parts if part.after is None and snapshot]
        self._opening, self._ending = opening, ending
        self._older: Sequence[Event] | None = None
        self._told = 0
        self.has_read = False

    def frames(self) -> list[bytes] | None:
        """Return all that is still to be said; None where a stream must be read first.

        The client must be taken in among the live in the same turn of the loop.
        """
        later = self._teller.at_hand(self._later, self._wishes)
        if later is None or (self._older is None and self._teller.unsure(self._present)):
            return None
        present = self._teller.present(self._present, self._wishes, self._older or ())
        count = self._told + len(present) + len(later)
        last = () if self._ending is None else (self._ending(count),)
        return [*self._opening, *present, *later, *last]

    async def prepare(self) -> None:
        """Read what memory does not hold, and say what must be said before it."""
        self.has_read = True
        if self._opening:
            self._teller.show(self._opening)
            self._opening = ()
        if self._older is None and (rare := self._teller.unsure(self._present)):
            self._older = await self._teller.rare(rare)
        self._told += await self._teller.past_of(self._later, self._wishes)
