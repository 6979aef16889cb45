"""One slot that this replica holds: a socket to upstream, what it must join, and what it may have missed.

Opened when the lease is ours, closed inside the call that says it is not. Between the two it tells the other
replicas, in the lease's value, what it hears.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from baleen_bus.connection import Bus
from baleen_bus.lease import Grant
from baleen_bus.publisher import Publisher
from baleen_contracts.feed import FeedGap, GapReason
from baleen_runtime.clock import Clock
from uw_ingest.channels import feed_of, kind_of
from uw_ingest.feed import Connection, Feed, FeedSettings
from uw_ingest.gaps import Holes
from uw_ingest.handover import OUTDATED, Doubt, Handovers, Sight, covered_by
from uw_ingest.intake import Hearers, Intake
from uw_ingest.outlet import Outlet
from uw_ingest.predecessor import Newest, newest_of
from uw_ingest.protocol import FeedProtocol, Joined
from uw_ingest.tally import Tally
from uw_ingest.tap import Tap
from uw_ingest.weights import Weights

LONG_AGO = timedelta(minutes=10)  # since when something may be missing, if the bus does not say
HURRY = 0.02  # seconds between two looks when somebody waits
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
    ) -> None:
        """Hold slot *number*; nothing is opened before :meth:`start`."""
        self.number, self.grant = number, grant
        self._around = around
        self.wanted: tuple[str, ...] = ()
        self._moved: set[str] = set()  # wanted channels of which nothing may be missed
        self._floors: dict[str, Newest] = {}  # of those that another socket had: the newest before we joined
        self._left: dict[str, float] = {}  # when each channel was left whose last frames are not said yet
        self._news = asyncio.Event()
        self._handovers = Handovers()
        self.weights = Weights()
        self._heard_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.leaving = False
        self._read_at = 0.0  # when the last frame of the closed socket may have been read
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
        )
        self.intake.hearers = Hearers(self.feed.answered, self.feed.complained, self._heard)

    def start(self, channels: Sequence[str]) -> None:
        """Join these, of which the last holder may have had some: nothing of them may be missed."""
        self.want(channels, channels)
        self._spawn(self._follow(), f"slot-{self.number}-wants")
        self._spawn(self.feed.run(), f"slot-{self.number}")

    def want(self, channels: Sequence[str], moved: Iterable[str]) -> None:
        """Join these from now on; of those among ``moved`` another socket brought nothing may be missed."""
        now = self._around.clock.monotonic()
        self._left |= {channel: now for channel in self.wanted if channel not in channels}
        self._left = {channel: at for channel, at in self._left.items() if channel not in channels}
        self._moved |= {c for c in channels if c in set(moved) and c not in self.wanted and kind_of(c).every}
        self._moved &= set(channels)
        self._floors = {channel: newest for channel, newest in self._floors.items() if channel in channels}
        self.wanted = tuple(channels)
        self._news.set()

    def close(self, reason: str) -> None:
        """Close the socket now; what it brought is still said."""
        self._read_at = self._around.clock.monotonic()
        self.feed.stop(reason)
        for task in self._tasks:
            task.cancel()
        self.intake.retire()
        for channel in self.wanted:
            if self._bearer(channel) is None:  # whoever takes the slot finds the same hole on the bus
                self._around.holes.forget(channel)

    def look(self) -> None:
        """Say which handovers turned out badly, and forget what is settled; every second or so."""
        for doubt in self._handovers.look(self._around.others(self.number)):
            self._around.outlet.announce([_gap(doubt)])
        self._left = {channel: at for channel, at in self._left.items() if not self._said_since(at)}

    def tell(self) -> dict[str, Any]:
        """Return what the other replicas must know, as JSON."""
        feed, joins = self.feed, self.feed.protocol.report()
        return {
            "state": str(feed.connection),
            "why": feed.reason,
            "leaving": self.leaving,
            "accepted": sorted(feed.protocol.accepted),
            "owes": sorted(self._left),
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
        connected = self.feed.connection is Connection.CONNECTED
        covers = frozenset(self.feed.protocol.accepted) | self._left.keys()
        return Sight(self.grant.epoch, connected, self.flows(), covers)

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            await self._adopt()

    async def _adopt(self) -> None:
        """Join what is wanted; what nobody brings meanwhile has a hole since the newest that the bus has."""
        self._news.clear()
        around, joins = self._around, self.feed.protocol.report()
        moved = [channel for channel in self._moved if channel not in joins]
        newest = await newest_of(around.bus, moved) if moved else {}
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
        self.intake.joined = frozenset(self.wanted) | self._left.keys()
        self.feed.want(self.wanted)

    def _bearer(self, channel: str) -> int | None:
        return covered_by(channel, self._around.others(self.number), but=self.number)

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
            if not joined or not kind_of(channel).every or self._bearer(channel) is not None:
                continue
            before = last[channel].message_id if channel in last else None
            self._around.holes.open(
                channel, since, GapReason.RECONNECTED, now=self._around.clock.now(), before_id=before
            )

    def owes(self) -> bool:
        """Tell whether frames of channels that were left are not on the bus yet."""
        return bool(self._left)

    def said(self) -> bool:
        """Tell, once closed, whether the bus has everything that this socket brought."""
        around = self._around
        age = around.clock.monotonic() - self._read_at
        waits = around.publisher.oldest_age(asyncio.get_running_loop().time())
        return not self.intake.backlog and not around.outlet.backlog and waits <= age

    async def say_all(self, stuck_after: float) -> bool:
        """Wait, once closed, until the bus has everything; give up when nothing moves for so many seconds."""
        around, time = self._around, asyncio.get_running_loop().time
        least, oldest, moved_at = self.intake.backlog, 0.0, time()
        while not self.said():
            left, first = self.intake.backlog, time() - around.publisher.oldest_age(time())
            if left:
                self._read_at = around.clock.monotonic()
            if left < least or first > oldest + HURRY:
                least, oldest, moved_at = left, first, time()
            elif time() - moved_at > stuck_after or not around.bus.connected:
                return False
            await asyncio.sleep(HURRY)
        return True

    def _said_since(self, at: float) -> bool:
        """Tell whether the bus has everything that was received up to a moment (monotonic seconds)."""
        around = self._around
        age = around.clock.monotonic() - at
        if around.outlet.backlog or self.intake.oldest_age() > age:
            return False
        return around.publisher.oldest_age(asyncio.get_running_loop().time()) < age

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
