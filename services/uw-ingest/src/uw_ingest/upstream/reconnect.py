"""How long to wait before the next socket.

Pure: randomness is handed in as a number between -1 and 1. Never gives up; grows to a minute; forgets its
failures only after a connection that stayed healthy for a minute, so that a socket which is accepted and
closed again at once does not turn into a storm.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Exponential delays with jitter. All times in seconds."""

    first: float = 0.5
    cap: float = 60.0
    jitter: float = 0.1
    healthy_after: float = 60.0
    failures: int = 0

    def after(self, *, healthy_for: float, spread: float) -> float:
        """Return the delay after a connection that was healthy for so long (0 = it never opened)."""
        if healthy_for >= self.healthy_after:
            self.failures = 0
        delay = min(self.first * 2 ** min(self.failures, 32), self.cap)
        self.failures += 1
        return float(min(delay * (1 + self.jitter * spread), self.cap))
