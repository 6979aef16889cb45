"""One slot that this replica holds: a socket to upstream, what it must join, and what it may have missed.

Opened when the lease is ours, closed inside the call that says it is not. Between the two it tells the other
replicas, in the lease's value, what it hears.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from baleen_bus.connection import Bus
from baleen_bus.lease import Grant
from baleen_bus.publisher import Publisher
from baleen_contracts.feed import FeedGap, GapReason
from baleen_runtime.clock import Clock
from uw_ingest.channels import feed_of, kind_of
from uw_ingest.feeds.gaps import Holes
from uw_ingest.feeds.predecessor import Newest, newest_of
from uw_ingest.pipeline.intake import Hearers, Intake
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.pipeline.said import Said, UpTo
from uw_ingest.plan.weights import Weights
from uw_ingest.slots.feed import Feed, FeedSettings
from uw_ingest.slots.handover import OUTDATED, Doubt, Handovers, Sight, bearer_of
from uw_ingest.tally import Tally
from uw_ingest.upstream.protocol import FeedProtocol, Joined
from uw_ingest.upstream.tap import Tap

LONG_AGO = timedelta(minutes=10)  # since when something may be missing, if the bus does not say
CLOSING = "closing"  # the socket is closed, and what it brought is being said
FLOWS_WITHIN = 15.0  # seconds since the last data
LOST = "what the last holder had not yet published is lost"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every slot of a process shares."""

    bus: Bus
    publisher: Publisher
    outlet: Outlet
    holes: Holes
    tally: Tally
    clock: Clock
    feed: FeedSettings
    max_frames: int
    max_bytes: int
    redact: Callable[[str], str]
    lively: Callable[[], bool]
    others: Callable[[int], Mapping[int, Sight]]
    """How the other slots look, by number, when asked on behalf of one."""
    tap: Tap
    began: datetime
    """When this process began: what the bus has from before was somebody else's."""


class Slot:
    """A held slot."""

    def __init__(
        self,
        number: int,
        grant: Grant,
        around: Surroundings,
        *,
        allowed: Callable[[], bool],
        changed: Callable[[], None],
        cool: Callable[[float], None],
    ) -> None:
        """Hold slot *number*; nothing is opened before :meth:`start`."""
        self.number, self.grant = number, grant
        self._around = around
        self.wanted: tuple[str, ...] = ()
        self._moved: set[str] = set()  # wanted channels of which nothing may be missed
        self._floors: dict[str, Newest] = {}  # of those that another socket had: the newest before we joined
        self._left: dict[str, UpTo] = {}  # the channels that were left, until all of them is said
        self._news = asyncio.Event()
        self._handovers = Handovers()
        self.weights = Weights()
        self._heard_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.leaving = False  # and asks the planner to move its channels
        self.dropped: frozenset[str] | None = None  # once closed: what it brought until then
        self._told: dict[str, Any] = {}
        self.intake = Intake(
            around.outlet,
            tally=around.tally,
            holes=around.holes,
            clock=around.clock,
            joined=frozenset(),
            max_frames=around.max_frames,
            max_bytes=around.max_bytes,
            tap=around.tap,
        )
        self.said = Said(self.intake, around.outlet, around.publisher, around.bus, around.clock)
        self.feed = Feed(
            around.feed,
            FeedProtocol(()),
            clock=around.clock,
            lively=around.lively,
            on_text=self.intake.frame,
            on_refused=self.intake.refuse,
            on_down=self._down,
            on_joined=self._joined,
            unheard=self.intake.unheard,
            redact=around.redact,
            tally=around.tally,
            allowed=allowed,
            siblings_flow=lambda: any(sight.flows for sight in around.others(number).values()),
            on_change=changed,
            cool=cool,
        )
        self.intake.hearers = Hearers(self.feed.answered, self.feed.complained, self._heard)

    def start(self, channels: Sequence[str], had: Collection[str]) -> None:
        """Join these; of those that somebody ``had`` nothing may be missed."""
        self.want(channels, had)
        self._spawn(self._follow(), f"slot-{self.number}-wants")
        self._spawn(self.feed.run(), f"slot-{self.number}")

    def want(self, channels: Sequence[str], had: Collection[str]) -> None:
        """Join these from now on; of those that another socket ``had`` nothing may be missed."""
        now = self._around.clock.monotonic()
        gone = [channel for channel in self.wanted if channel not in channels]
        for channel in gone:
            self._around.outlet.announce(self._around.holes.leave(channel, self._around.clock.now()))
        self._left |= {channel: UpTo(now) for channel in gone}
        self._left = {channel: left for channel, left in self._left.items() if channel not in channels}
        self._moved |= {c for c in channels if c in had and c not in self.wanted and kind_of(c).every}
        self._moved &= set(channels)
        self._floors = {channel: newest for channel, newest in self._floors.items() if channel in channels}
        self.wanted = tuple(channels)
        self._news.set()

    def close(self, reason: str) -> None:
        """Close the socket now; what it brought is still said, and what it missed."""
        around = self._around
        self.dropped = frozenset(self.feed.protocol.accepted)
        self.feed.stop(reason)
        for task in self._tasks:
            task.cancel()
        self.intake.retire()
        for channel in self.wanted:
            around.outlet.announce(around.holes.leave(channel, around.clock.now()))
        around.outlet.announce([_gap(doubt) for doubt in self._handovers.doubts])
        self._handovers.doubts.clear()

    def look(self) -> None:
        """Say which handovers turned out badly, and forget what is settled; every second or so."""
        for doubt in self._handovers.look(self._around.others(self.number)):
            self._around.outlet.announce([_gap(doubt)])
        self._left = {channel: left for channel, left in self._left.items() if not self.said.has(left)}

    def tell(self) -> dict[str, Any]:
        """Return what the other replicas must know, as JSON."""
        feed, joins = self.feed, self.feed.protocol.report()
        sight = self.sight()
        return {
            "state": CLOSING if self.dropped is not None else str(feed.connection),
            "why": feed.reason,
            "leaving": self.leaving,
            "accepted": sorted(sight.brings),
            "owes": sorted(sight.owes),
            "dropped": sorted(sight.dropped),
            "refused": {
                c: join.why for c, join in joins.items() if join.joined is not Joined.ACCEPTED and join.why
            },
            "flows": self.flows(),
            "mute": feed.refused(),
            "full_at": feed.protocol.full_at,
            "weights": self.weights.rates,
        }

    def news(self) -> bool:
        """Tell whether the others should hear of this slot before the lease is renewed anyway."""
        told = {key: value for key, value in self.tell().items() if key not in ("weights", "why")}
        news, self._told = told != self._told, told
        return news

    def flows(self) -> bool:
        """Tell whether data came lately."""
        heard, now = self._heard_at, self._around.clock.monotonic()
        return heard is not None and now - heard < FLOWS_WITHIN

    def sight(self) -> Sight:
        """Return how this slot looks to the others, without the way over the bus."""
        owes = frozenset(self._left)
        if self.dropped is not None:
            owed, dropped = owes.union(self.wanted), self.dropped
            return Sight(self.grant.epoch, owes=owed, dropped=dropped, ours=True)
        brings = frozenset(self.feed.protocol.accepted)
        return Sight(self.grant.epoch, flows=self.flows(), brings=brings, owes=owes, ours=True)

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            await self._adopt()

    async def _adopt(self) -> None:
        """Join what is wanted; what nobody brings meanwhile has a hole since the newest that the bus has."""
        self._news.clear()
        around, joins, wanted = self._around, self.feed.protocol.report(), self.wanted
        moved = [channel for channel in self._moved if channel not in joins]
        newest = await newest_of(around.bus, moved, around.began) if moved else {}
        for channel in moved:
            now = around.clock.now()
            last = newest.get(channel, Newest(now - LONG_AGO, ""))
            if last is not None and self._bearer(channel) is not None:
                self._floors[channel] = last
            elif last is not None:
                around.holes.open(
                    channel,
                    last.at,
                    GapReason.RESTARTED,
                    now=now,
                    detail=LOST,
                    before_id=last.message_id or None,
                )
        # What was wanted only meanwhile waits for the next turn, which asks the bus about it first.
        self.intake.joined = frozenset(self.wanted) | self._left.keys()
        self.feed.want([channel for channel in self.wanted if channel in wanted])

    def _bearer(self, channel: str) -> int | None:
        return bearer_of(channel, self._around.others(self.number))

    def _joined(self, channel: str) -> None:
        """Upstream accepted a join: from here on nothing of the channel is missed by this socket."""
        self.intake.rejoined(channel)
        self._moved.discard(channel)
        floor = self._floors.pop(channel, None)
        if floor is None:
            return
        now, bearer = self._around.clock.now(), self._bearer(channel)
        epoch = OUTDATED if bearer is None else self._around.others(self.number)[bearer].epoch
        doubt = Doubt(channel, bearer or 0, epoch, min(floor.at, now), now, floor.message_id or None)
        if bearer is None:  # gone between our wish to join and upstream's answer
            self._around.outlet.announce([_gap(doubt)])
        else:
            self._handovers.doubts.append(doubt)

    def _heard(self, counts: Mapping[str, int]) -> None:
        self._heard_at = self._around.clock.monotonic()
        self.weights.add(counts, self._heard_at)
        self.feed.heard(counts)

    def _down(self, since: datetime) -> None:
        """The socket is gone: what no other one brings has a hole."""
        self.intake.cut()
        last = self.intake.last
        for channel, join in self.feed.protocol.report().items():
            joined = join.heard_at is not None or join.joined is Joined.ACCEPTED
            if not joined or not kind_of(channel).every or self._ours_brings(channel):
                continue
            before = last[channel].message_id if channel in last else None
            self._around.holes.open(
                channel, since, GapReason.RECONNECTED, now=self._around.clock.now(), before_id=before
            )

    def owes(self) -> bool:
        """Tell whether frames of channels that were left are not on the bus yet."""
        return bool(self._left)

    def _ours_brings(self, channel: str) -> bool:
        """Tell whether another socket of this process has the channel; what others' leases say may be old."""
        others, bearer = self._around.others(self.number), self._bearer(channel)
        return bearer is not None and others[bearer].ours

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._around.bus.broken(error)


def _gap(doubt: Doubt) -> FeedGap:
    ticker = f"{doubt.channel}: " if ":" in doubt.channel else ""
    return FeedGap(
        occurred_at=doubt.at,
        received_at=doubt.at,
        feed=feed_of(doubt.channel),
        started_at=doubt.since,
        ended_at=doubt.at,
        reason=GapReason.RESTARTED,
        detail=ticker + LOST,
        before_id=doubt.before_id,
    )
