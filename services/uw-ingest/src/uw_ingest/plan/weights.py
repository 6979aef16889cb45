"""How many frames a second each channel brings, so that the planner can balance sockets. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_SPAN = 10.0  # seconds of counting before the figures move
_KEEP = 0.7  # of the old figure


@dataclass(slots=True)
class Weights:
    """Smoothed rates, in frames a second; figures below a tenth are left out."""

    rates: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _since: float | None = None

    def add(self, counts: Mapping[str, int], now: float) -> None:
        """Count frames by channel; ``now`` in monotonic seconds."""
        if self._since is None:
            self._since = now
        for channel, count in counts.items():
            self._counts[channel] = self._counts.get(channel, 0) + count
        span = now - self._since
        if span < _SPAN:
            return
        for channel in self.rates.keys() | self._counts.keys():
            fresh = self._counts.get(channel, 0) / span
            rate = _KEEP * self.rates[channel] + (1 - _KEEP) * fresh if channel in self.rates else fresh
            self.rates[channel] = float(f"{rate:.2g}")
        self.rates = {channel: rate for channel, rate in self.rates.items() if rate >= 0.1}  # noqa: PLR2004
        self._counts, self._since = {}, now
