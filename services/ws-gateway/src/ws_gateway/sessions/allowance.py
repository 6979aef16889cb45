"""How often somebody may do something. Pure; time is handed in."""

from __future__ import annotations


class Allowance:
    """So many at once, and so many a second in the long run."""

    __slots__ = ("_at_once", "_left", "_per_second", "_since")

    def __init__(self, *, per_second: float, at_once: int, now: float) -> None:
        self._per_second, self._at_once = per_second, at_once
        self._left = float(at_once)
        self._since = now

    def take(self, now: float) -> bool:
        """Spend one and return True, or return False where none is left at *now* in seconds."""
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_second)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
