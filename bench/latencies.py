"""Counts of latencies in fixed steps, exact enough to merge and to ask for percentiles.  Pure."""

from __future__ import annotations

from typing import Any

STEP_NS = 20_000
"""Width of a step: 20 microseconds."""

_STEPS = 500_000  # up to ten seconds; later arrivals share the last step


class Latencies:
    """A histogram of durations; *worst* is kept exactly."""

    __slots__ = ("counts", "worst")

    def __init__(self) -> None:
        self.counts = [0] * (_STEPS + 1)
        self.worst = 0

    def add(self, nanoseconds: int) -> None:
        """Count one duration."""
        self.worst = max(self.worst, nanoseconds)
        step = nanoseconds // STEP_NS
        self.counts[step if 0 <= step < _STEPS else _STEPS] += 1

    def clear(self) -> None:
        """Forget everything counted so far."""
        self.counts = [0] * (_STEPS + 1)
        self.worst = 0

    def quantile_ms(self, share: float) -> float | None:
        """The duration, in milliseconds, that *share* of all samples did not exceed; None without samples."""
        total = sum(self.counts)
        if not total:
            return None
        wanted = share * total
        seen = 0
        for step, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return min((step + 1) * STEP_NS, self.worst) / 1e6
        return self.worst / 1e6

    def summary(self) -> dict[str, Any]:
        """Samples, p50, p99 and the worst, in milliseconds."""
        return {
            "samples": sum(self.counts),
            "p50_ms": self.quantile_ms(0.50),
            "p99_ms": self.quantile_ms(0.99),
            "max_ms": self.worst / 1e6,
        }
