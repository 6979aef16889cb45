"""Holes in feeds: when one opens, and the announcement when it closes.

Pure. A hole opens when messages may have been missed (the predecessor's buffer, a lost socket, an overflow)
and closes when the feed is known to flow again; then it is announced once, before what follows it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from baleen_contracts.feed import FeedGap, GapReason


@dataclass(slots=True)
class _Hole:
    started_at: datetime
    reason: GapReason
    lost: int | None = None
    detail: str | None = None


@dataclass(slots=True)
class Holes:
    """The holes that are open now."""

    by_feed: dict[str, _Hole] = field(default_factory=dict)

    def open(
        self, feed: str, started_at: datetime, reason: GapReason, *, lost: int | None = None, detail: str = ""
    ) -> None:
        """Open a hole, or let an open one grow: it keeps its first reason and its earliest start."""
        hole = self.by_feed.get(feed)
        if hole is None:
            self.by_feed[feed] = _Hole(started_at, reason, lost, detail or None)
            return
        hole.started_at = min(hole.started_at, started_at)
        if lost is not None:
            hole.lost = (hole.lost or 0) + lost

    def close(self, feed: str, at: datetime) -> FeedGap | None:
        """Close a feed's hole and return its announcement, or ``None`` if it has none."""
        hole = self.by_feed.pop(feed, None)
        if hole is None:
            return None
        return FeedGap(
            occurred_at=at,
            received_at=at,
            feed=feed,
            started_at=min(hole.started_at, at),
            ended_at=at,
            reason=hole.reason,
            lost=hole.lost,
            detail=hole.detail,
        )
