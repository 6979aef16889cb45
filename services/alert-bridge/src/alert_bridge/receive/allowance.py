"""How much a source may still send: a bucket that its limit fills again. Pure."""

from __future__ import annotations

from alert_bridge.receive.source import Source


class Allowances:
    """What is left of each source's limit. Bounded by the number of sources there ever were."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def wait_for(self, source: Source, now: float) -> float:
        """Take one request of *source*: 0 if it may come in, else seconds until one may.

        Args:
            source: who asks; without a limit it always may.
            now: seconds that never run backwards.
        """
        limit = source.limit
        if limit is None:
            return 0.0
        pace = limit.requests / limit.seconds
        left, at = self._left.get(source.name, (float(limit.requests), now))
        left = min(float(limit.requests), left + (now - at) * pace)
        if left >= 1:
            self._left[source.name] = (left - 1, now)
            return 0.0
        self._left[source.name] = (left, now)
        return (1 - left) / pace
