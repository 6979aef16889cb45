"""When a destination that failed may be tried again, and whether at all. Pure.

Time is an argument in seconds of a clock that never goes back; chance is one in [0, 1).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

FIRST: Final = 1.0
"""Seconds; the longest wait after one failure. It doubles with every further one."""
CAP: Final = 900.0
SHORTEST: Final = 0.01
"""Seconds between two tries, at least, where no time is asked for; doubles up to `FIRST`."""
OPENS_AFTER: Final = 5


class Standing(StrEnum):
    """How a destination fares."""

    RUNNING = "running"
    WAITING = "waiting"
    """It asked for a while, or failed lately."""
    OPEN = "open"
    """It failed many times in a row: the head of the line alone tries whether it is back."""
    STOPPED = "stopped"
    """Nothing is sent until somebody acts."""


class Breaker:
    """Waits with full jitter, so that many senders of one destination that was away do not come at once.

    Args:
        cap: seconds; the longest wait, unless a destination asks for a longer one.
        opens_after: failures in a row.
    """

    def __init__(self, *, cap: float = CAP, opens_after: int = OPENS_AFTER) -> None:
        self.failures = 0
        self.why = ""
        self._cap = cap
        self._opens_after = opens_after
        self._until = 0.0
        self._held_off = 0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether nothing may be sent."""
        return self._stopped

    def standing(self, now: float) -> Standing:
        """How it fares now."""
        if self._stopped:
            return Standing.STOPPED
        if self.failures >= self._opens_after:
            return Standing.OPEN
        return Standing.WAITING if self.failures or now < self._until else Standing.RUNNING

    def ready_in(self, now: float) -> float:
        """Seconds until the next try; 0 for at once."""
        return max(0.0, self._until - now)

    def failed(self, why: str, now: float, chance: float, after: float | None = None) -> None:
        """A try failed; *after* is how long the destination asked to be left alone."""
        longest = min(self._cap, FIRST * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self.why = why
        self._until = now + max(after or 0.0, chance * longest)

    def held_off(self, why: str, now: float, after: float | None) -> None:
        """A limit was obeyed; that is no failure. One that asks for no time again and again gets some."""
        self.why = why
        least = min(FIRST, SHORTEST * 2.0 ** min(self._held_off, 30))
        self._held_off += 1
        self._until = max(self._until, now + (FIRST if after is None else max(after, least)))

    def passed(self) -> None:
        """It answered as one that is well does."""
        self.failures = self._held_off = 0
        self.why = ""
        self._until = 0.0

    def stop(self, why: str) -> None:
        """Send nothing more until `resume`."""
        self._stopped = True
        self.why = why

    def resume(self) -> None:
        """Somebody acted: try at once, and count anew."""
        self._stopped = False
        self.passed()
