"""Holes in feeds: when one opens, and the announcement when it closes.

Pure. A hole belongs to a channel. It opens when messages may have been missed: an outage (the predecessor's
buffer, a lost socket), an overflow of the buffer, or messages that the bus took and then refused. It closes
only by what came after it: a frame that was received before the hole opened, and merely read later, says
nothing. A closed hole is announced once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from baleen_contracts.feed import FeedGap, GapReason
from uw_ingest.channels import feed_of

SEGMENT = timedelta(seconds=10)  # losses that go on are announced in pieces of about this length
QUIET = timedelta(seconds=1)  # without a further refusal: the refusals are over

_OUTAGES = frozenset({GapReason.RECONNECTED, GapReason.RESTARTED})


@dataclass(slots=True)
class _Hole:
    feed: str
    started_at: datetime
    last_at: datetime  # when it opened, or last grew
    reason: GapReason
    lost: int | None
    detail: str | None
    before_id: str | None


@dataclass(slots=True)
class Holes:
    """The holes that are open now, by channel (or feed, where no channel is known)."""

    by_channel: dict[str, list[_Hole]] = field(default_factory=dict)

    def open(
        self,
        channel: str,
        started_at: datetime,
        reason: GapReason,
        *,
        now: datetime,
        lost: int | None = None,
        detail: str = "",
        before_id: str | None = None,
    ) -> None:
        """Open a hole, or let an open one of its kind grow: it keeps its first reason and earliest start.

        ``before_id`` is the id of the last message before it.
        """
        holes = self.by_channel.setdefault(channel, [])
        outage = reason in _OUTAGES
        mine = [hole for hole in holes if hole.reason is reason or (outage and hole.reason in _OUTAGES)]
        if not mine or (not outage and len(mine) == 1 and now - mine[0].started_at > SEGMENT):
            words = ": ".join(filter(None, [channel if ":" in channel else "", detail]))
            holes.append(_Hole(feed_of(channel), started_at, now, reason, lost, words or None, before_id))
            return
        hole = mine[-1]
        if started_at < hole.started_at:
            hole.started_at, hole.before_id = started_at, before_id
        hole.last_at = now
        if lost is not None:
            hole.lost = (hole.lost or 0) + lost

    def flows(self, channel: str, at: datetime, *, after_id: str | None = None) -> list[FeedGap]:
        """Close what was open before *at*, when something of the channel was received; refusals stay."""
        over = [
            hole
            for hole in self.by_channel.get(channel, ())
            if hole.reason is not GapReason.REFUSED and hole.last_at < at
        ]
        return [self._close(channel, hole, at, after_id) for hole in over]

    def leave(self, channel: str, at: datetime) -> list[FeedGap]:
        """Close a channel's outages, since this process hears it no more."""
        over = [hole for hole in self.by_channel.get(channel, ()) if hole.reason in _OUTAGES]
        return [self._close(channel, hole, at) for hole in over]

    def drained(self, at: datetime, channels: Iterable[str]) -> list[FeedGap]:
        """Close the overflows of these channels: all frames that were received have been read."""
        return [gap for channel in channels for gap in self._close_of(channel, GapReason.OVERFLOW, at, at)]

    def quiet(self, at: datetime, *, calm: timedelta = QUIET) -> list[FeedGap]:
        """Close the refusals that have not grown for a while; they end with the last one."""
        return [
            gap
            for channel in list(self.by_channel)
            for gap in self._close_of(channel, GapReason.REFUSED, at - calm, None)
        ]

    def _close_of(
        self, channel: str, reason: GapReason, before: datetime, ended_at: datetime | None
    ) -> list[FeedGap]:
        holes = self.by_channel.get(channel, ())
        over = [hole for hole in holes if hole.reason is reason and hole.last_at <= before]
        return [self._close(channel, hole, ended_at or hole.last_at) for hole in over]

    def _close(self, channel: str, hole: _Hole, ended_at: datetime, after_id: str | None = None) -> FeedGap:
        holes = self.by_channel[channel]
        holes[:] = [other for other in holes if other is not hole]
        if not holes:
            del self.by_channel[channel]
        return FeedGap(
            occurred_at=ended_at,
            received_at=ended_at,
            feed=hole.feed,
            started_at=min(hole.started_at, ended_at),
            ended_at=ended_at,
            reason=hole.reason,
            lost=hole.lost,
            detail=hole.detail,
            before_id=hole.before_id,
            after_id=after_id,
        )
