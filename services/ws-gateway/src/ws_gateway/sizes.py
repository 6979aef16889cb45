"""How large things were, counted in classes as Prometheus wants them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Sizes:
    """Counts of sizes, each in the smallest class that it fits."""

    def __init__(self, bounds: Sequence[int]) -> None:
        """Make empty classes up to each of *bounds*, which ascend, and one beyond."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0
        """The sum of all sizes."""

    def note(self, size: int) -> None:
        """Count one of this size."""
        self._counts[bisect_left(self._bounds, size)] += 1
        self.total += size

    def buckets(self) -> list[tuple[str, float]]:
        """Return each bound, as text, and how many were no larger; all of them under `+Inf`."""
        found, so_far = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found
