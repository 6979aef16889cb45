"""How often to flush: as often as it stays cheap. Pure: costs and times are handed in.

A flush writes to many sockets, so its cost decides what share of a core the gateway spends; the pause between
two flushes of the same client decides how late a frame may be. When all flushes together are cheap, frames
leave almost at once; as they cost more, the pause grows, so that flushing keeps under about half a core, and
its growth stops about `LONGEST`, where being late is worse than being busy.
"""

from __future__ import annotations

SHORTEST, LONGEST = 0.001, 0.050
"""Least and greatest pause between two flushes of one client, in seconds."""
_GENTLE_SHARE, _GENTLE_UP_TO = 0.25, 0.015
_USUAL_SHARE, _GREATEST_SHARE = 0.6, 0.85
_WEIGHT_OF_NEWEST = 0.3


def interval(round_cost: float) -> float:
    """Return the pause, in seconds, between two flushes of one client.

    Args:
        round_cost: seconds of work that flushing every active client once takes.
    """
    gentle = round_cost / _GENTLE_SHARE
    if gentle <= _GENTLE_UP_TO:
        return max(SHORTEST, gentle)
    usual = max(_GENTLE_UP_TO, round_cost / _USUAL_SHARE)
    if usual <= LONGEST:
        return usual
    return min(max(LONGEST, round_cost / _GREATEST_SHARE), 2 * LONGEST)


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
