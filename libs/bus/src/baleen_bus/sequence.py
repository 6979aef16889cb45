"""Which message may be delivered now, which must wait, what must be fetched, what is lost. Pure.

A follower hears live messages and, when it doubts, fetches from the stream what follows its position. Here
the two meet: every sequence comes out once, in order, or is announced as a gap. While a repair runs, live
messages are held.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SUBJECTS: Final = 100_000
"""How many subjects' tails a follower of a part of a stream remembers."""


class GapReason(StrEnum):
    """Why messages are missing for good."""

    EXPIRED = "expired"
    """The stream no longer keeps them."""
    NOTICED_LATE = "noticed_late"
    """One was lost on the way, and seen to be missing only after newer ones had been delivered."""
    STREAM_RECREATED = "stream_recreated"
    """The stream was made anew; its numbering began again."""
    WENT_BACK = "went_back"
    """The stream ends before our position: it lost its end, or the position was never its own."""


class Thins(Enum):
    """Which messages a stream drops before their neighbours, so that a missing number need mean nothing."""

    NEVER = auto()
    SINGLY = auto()
    """Those that a newer one of their subject replaces, and those whose own age is over. The rest leave from
    the front, and what is missing there may be any."""
    EVERYWHERE = auto()
    """All but the newest of each subject."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequences ``first`` to ``last`` are missing for good; of a part of a stream, some may be others'."""

    first: int
    last: int
    reason: GapReason


class Sequence(Generic[T]):
    """The position of one follower in one stream.

    ``whole``: it follows all subjects, so that any number left out is a hole; otherwise a hole shows in the
    message's own subject only. ``thins``: where the stream does, numbers missing in what is fetched mean
    nothing. It starts repairing, at position 0.
    """

    def __init__(self, *, whole: bool, thins: Thins, hold_limit: int) -> None:
        self.last = 0
        """The highest sequence delivered, or known to lie before the start."""
        self.repairing = True
        self.holes: list[Hole] = []
        """What must be announced before anything else is delivered; the caller empties it."""
        self.duplicates = 0
        self._whole = whole
        self._thins = thins
        self._hold_limit = hold_limit
        self._held: deque[tuple[int, str, int, T]] = deque()
        self._overflowed = False
        self._floor = 0
        self._checked = 0
        self._tails: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Live messages that wait for a repair to end."""
        return len(self._held)

    def move_to(self, last: int) -> None:
        """Takes ``last`` as the position: what it covers is not wanted, or was delivered as a snapshot."""
        self.last = self._floor = self._checked = last
        self._tails.clear()

    def adopt(self, other: "Sequence[T]") -> None:
        """Takes over what another one holds, when the kind of stream is known only after messages arrive."""
        self._held, self._overflowed = other._held, other._overflowed  # noqa: SLF001 - of the same class

    def live(self, seq: int, subject: str, previous: int, item: T) -> bool:
        """A message arrived; whether to deliver it now. If not, it is held for a repair or was known."""
        if self.repairing:
            self._hold(seq, subject, previous, item)
            return False
        if seq <= self.last:
            self.duplicates += 1
            return False
        if (seq != self.last + 1) if self._whole else (previous > self.last):
            self.repairing = True
            self._hold(seq, subject, previous, item)
            return False
        self._accept(seq, subject, previous)
        return True

    def fetched(self, seq: int, subject: str) -> bool:
        """A message was read from the stream during a repair, in order; whether to deliver it now."""
        if seq <= self.last:
            return False
        if self._whole and seq > self.last + 1:
            self._lost(self.last + 1, seq - 1)
        self._accept(seq, subject, 0)
        return True

    def kept_from(self, first: int) -> None:
        """The stream's oldest message has this number: what would stand before it is lost, unless it is held.

        Where a stream thins singly, what is lost may have been replaced and not missed by anybody; that
        cannot be told, so it is announced.
        """
        known = max(self.last, self._checked)
        if self._held and not self._overflowed:
            first = min(first, self._held[0][0])
        if first > known + 1:
            if self._thins is not Thins.EVERYWHERE:
                self._announce(known + 1, first - 1)
            self.last = self._floor = self._checked = first - 1

    def checked(self, upto: int) -> None:
        """The stream was read to its end, which had this number: nothing wanted is missing up to there."""
        if self._whole and upto > self.last:
            self._lost(self.last + 1, upto)
            self.last = upto
        self._checked = max(self._checked, upto)

    def doubt(self) -> None:
        """Something may be missing: holds live messages until a repair has ended."""
        self.repairing = True

    def interrupt(self) -> None:
        """The connection is lost: what was heard on it need not join what will be heard next."""
        self._held.clear()
        self._overflowed = False
        self.repairing = True

    def joins(self, cursor: int) -> bool:
        """Whether, all up to ``cursor`` being read, what is held leaves no room for a missed message."""
        return bool(self._held) and not self._overflowed and self._held[0][0] <= cursor + self._whole

    def release(self, *, final: bool) -> Iterator[T]:
        """All the stream had after our position was fetched: what is held and newer comes out, in order.

        If held messages do not join on, or were too many to hold, no more come out and ``repairing`` stays
        true: fetch again. With ``final`` what does not join on is lost: it stands in ``holes`` before the
        next one comes out. Exhaust it.
        """
        held = self._held
        while held:
            seq, subject, previous, item = held[0]
            before = seq - 1 if self._whole else previous
            if seq > self.last:
                if before > self.last:
                    if not final:
                        return
                    self._lost(self.last + 1, before)
                self._accept(seq, subject, previous)
                held.popleft()
                yield item
            else:
                held.popleft()
        self.repairing = self._overflowed
        self._overflowed = False

    def restart(self, reason: GapReason, last: int) -> None:
        """The stream is not what it was: goes on after ``last``, announcing what was delivered beyond."""
        if self.last > last:
            self.holes.append(Hole(last + 1, self.last, reason))
        self._held.clear()
        self._overflowed = False
        self.repairing = True
        self.move_to(last)

    def _hold(self, seq: int, subject: str, previous: int, item: T) -> None:
        if self._overflowed or (self._held and seq <= self._held[-1][0]):
            return
        if len(self._held) >= self._hold_limit:
            self._held.clear()  # the stream has them: the next round of the repair fetches them
            self._overflowed = True
            return
        self._held.append((seq, subject, previous, item))

    def _accept(self, seq: int, subject: str, previous: int) -> None:
        if not self._whole:
            known = self._tails.get(subject, self._floor)
            if known < previous <= self.last:
                self.holes.append(Hole(known + 1, previous, GapReason.NOTICED_LATE))
            if len(self._tails) >= SUBJECTS:
                self._tails.clear()
                self._floor = self.last
            self._tails[subject] = seq
        self.last = seq

    def _lost(self, first: int, last: int) -> None:
        if self._thins is Thins.NEVER:
            self._announce(first, last)

    def _announce(self, first: int, last: int) -> None:
        self.holes.append(Hole(first, last, GapReason.EXPIRED))
