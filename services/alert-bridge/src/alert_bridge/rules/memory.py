"""What has been let through, by which repeats are known. Pure.

Only what was let through is noted: what was suppressed told nobody anything, so it neither hides the next
one nor makes a cooldown longer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MOST: Final = 20_000
"""Notes of one memory: some 11 MB with usual keys, 31 MB with the longest."""


@dataclass(frozen=True, slots=True)
class Note:
    """That an alert was let through: where and by which key, when, and which alert."""

    place: tuple[object, ...]
    at: float
    same: tuple[str, str, float]


class Memory:
    """The newest notes. Beyond *most* the oldest is forgotten, after which a repeat of it is let through."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._notes: OrderedDict[tuple[object, ...], Note] = OrderedDict()

    @property
    def size(self) -> int:
        """Notes that there are now."""
        return len(self._notes)

    def seconds_since(self, note: Note) -> float | None:
        """Seconds from the newest alert let through at the same place to this one; None if there is none.

        They are less than 0 where that one was received later. An alert is no repeat of itself: the stream
        may bring it again before its end is known.
        """
        known = self._notes.get(note.place)
        return None if known is None or known.same == note.same else note.at - known.at

    def copy(self) -> Memory:
        """Another memory of the same, for asking what would be."""
        other = Memory(self._most)
        other._notes = self._notes.copy()
        return other

    def take(self, note: Note) -> None:
        """Note one that is let through, as the newest."""
        self._notes.pop(note.place, None)
        self._notes[note.place] = note
        if len(self._notes) > self._most:
            self._notes.popitem(last=False)

    def forget(self, notes: tuple[Note, ...]) -> None:
        """Take back what a decision noted, since nobody was told after all: the next one like it may be."""
        for note in notes:
            if self._notes.get(note.place) == note:
                del self._notes[note.place]
