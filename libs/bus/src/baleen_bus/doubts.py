"""What was sent and never confirmed, so that saying it again does not double it. Pure: time is handed in.

A caller that is told ``False`` may say the same again. Had the first attempt been stored after all, only its
id keeps the second one from being stored beside it: the stream knows the id of what it has. So the next
saying of the same words takes over the id of an attempt in doubt, and every other saying gets its own: two
equal alerts that are both confirmed are two.
"""

from collections import deque
from typing import Final, NamedTuple

MOST: Final = 1_024


class Doubt(NamedTuple):
    """An attempt whose end is not known: its id, when it was first sent, and when last (seconds)."""

    id: str
    since: float
    last: float


class Doubts:
    """The newest attempts in doubt.

    Each is one for ``repeat_within`` seconds after it was last sent: who says the same later means a new
    alert. And for ``lasting`` seconds after it was first sent: as long as the stream knows its id.
    """

    def __init__(self, *, repeat_within: float, lasting: float, most: int = MOST) -> None:
        self._repeat_within = repeat_within
        self._lasting = lasting
        self._kept: deque[tuple[str, Doubt]] = deque(maxlen=most)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, words: str, doubt: Doubt) -> None:
        """An attempt to say ``words`` is in doubt; beyond ``most``, the oldest is forgotten."""
        self._kept.append((words, doubt))

    def take(self, words: str, now: float) -> Doubt | None:
        """The oldest attempt to say ``words`` in doubt, and it no longer is: ``keep`` it again if need be."""
        self._kept = deque((entry for entry in self._kept if self._counts(entry[1], now)), self._kept.maxlen)
        for entry in self._kept:
            if entry[0] == words:
                self._kept.remove(entry)
                return entry[1]
        return None

    def _counts(self, doubt: Doubt, now: float) -> bool:
        return now - doubt.last < self._repeat_within and now - doubt.since < self._lasting
