"""How far a stream is read for good: everything up to there is judged, and what it made is stored. Pure."""

from __future__ import annotations


class Progress:
    """The numbers of one stream; starts after *seq*."""

    def __init__(self, seq: int) -> None:
        self.heard = seq
        """The last number that was judged."""
        self._open: dict[int, int] = {}  # by number, in order: alerts that are not stored yet

    @property
    def done(self) -> int:
        """The last number up to which nothing is open."""
        return max(0, next(iter(self._open)) - 1) if self._open else self.heard

    @property
    def open(self) -> int:
        """Messages whose alerts are not all stored."""
        return len(self._open)

    def began(self, seq: int) -> None:
        """An alert of this message is on its way. Messages come in order."""
        self._open[seq] = self._open.get(seq, 0) + 1

    def ended(self, seq: int) -> None:
        """An alert of this message is stored, or never will be."""
        left = self._open.get(seq, 0) - 1
        if left > 0:
            self._open[seq] = left
        else:
            self._open.pop(seq, None)

    def judged(self, seq: int) -> None:
        """All that this message makes has begun."""
        self.heard = max(self.heard, seq)
