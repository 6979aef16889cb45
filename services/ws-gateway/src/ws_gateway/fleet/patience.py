"""Whether a worker that ended is started again, and when. Pure.

One that ends before it ever served cannot start: then the whole ends, so that whoever started it hears of it.
One that crashes later is started again, after a pause that doubles while its successors do not last either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
LASTS: Final = 30.0
"""Seconds after which a worker has proven itself."""
MOST_FAILURES: Final = 8
"""Workers of one place that may end in a row without having lasted."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start it again after so many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End everything, for this reason."""

    reason: str


class Patience:
    """What is known of the workers of one place, one after the other."""

    def __init__(self) -> None:
        self._served = False
        self._failures = 0

    def ended(self, code: int, *, served: bool, lived: float) -> Again | GiveUp:
        """Decide what follows when a worker ends that nobody asked to.

        Args:
            code: its exit code, negative for a signal.
            served: whether it ever accepted connections.
            lived: for how many seconds it ran.
        """
        self._served = self._served or served
        if not self._served:
            return GiveUp(f"a worker cannot start: it ended with {code} before it served")
        self._failures = 1 if lived >= LASTS else self._failures + 1
        if self._failures >= MOST_FAILURES:
            return GiveUp(f"{self._failures} workers in a row did not last; the last ended with {code}")
        return Again(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self._failures - 1)))
