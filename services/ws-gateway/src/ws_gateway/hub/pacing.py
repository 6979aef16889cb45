"""How often to flush: as often as it stays cheap. Pure: costs and times are handed in.

A flush writes to many sockets, so its cost decides what share of a core the gateway spends; the pause between
two flushes of the same client decides how late a frame may be. A handful of clients gets its frames almost at
once; some hundreds wait for what nobody notices, which keeps the gateway cheap; for thousands the pause grows
so that flushing stays about half a core, until being late is worse than being busy.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

_PAUSES: Final = (
    # seconds of work per round, seconds of pause
    (0.0, 0.001),
    (0.0005, 0.001),
    (0.001, 0.002),
    (0.002, 0.006),
    (0.005, 0.018),
    (0.015, 0.030),
    (0.030, 0.054),
    (0.045, 0.074),
    (0.060, 0.086),
    (0.085, 0.100),
)
SHORTEST: Final = _PAUSES[0][1]
LONGEST: Final = _PAUSES[-1][1]
"""Least and greatest pause between two flushes of one client, in seconds."""
_COSTS: Final = tuple(cost for cost, _ in _PAUSES)
_WEIGHT_OF_NEWEST = 0.3


def interval(round_cost: float) -> float:
    """Return the pause, in seconds, between two flushes of one client.

    Args:
        round_cost: seconds of work that flushing every active client once takes.
    """
    place = bisect_right(_COSTS, round_cost)
    if place == len(_PAUSES):
        return LONGEST
    (cost, pause), (dearer, longer) = _PAUSES[place - 1], _PAUSES[place]
    return pause + (longer - pause) * (round_cost - cost) / (dearer - cost)


class Pace:
    """Learns what a round of flushes costs from the flushes themselves."""

    def __init__(self) -> None:
        self.interval = SHORTEST
        self.round_cost = 0.0

    def learn(self, known: float, measured: float) -> float:
        """Replace what a part of the round was *known* to cost (0 for never) and return its new estimate."""
        estimate = known + _WEIGHT_OF_NEWEST * (measured - known) if known else measured
        self.round_cost = max(0.0, self.round_cost - known + estimate)
        self.interval = interval(self.round_cost)
        return estimate

    def forget(self, known: float) -> None:
        """Take a part out of the round, because it ended or fell silent."""
        self.round_cost = max(0.0, self.round_cost - known)
        self.interval = interval(self.round_cost)
