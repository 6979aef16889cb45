"""Looks at every feed once a second, publishes what changed, and describes the whole for the status page."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from baleen_contracts import Message
from baleen_contracts.feed import FeedState, FeedStatus
from baleen_runtime.clock import Clock
from uw_ingest.channels import POLLED_FEEDS, feed_of, kind_of
from uw_ingest.feeds.feed_state import PollFacts, SocketFacts, Verdict, judge, judge_poll
from uw_ingest.feeds.market_hours import MarketHours, Phase
from uw_ingest.slots.feed import Connection
from uw_ingest.slots.slot import Slot
from uw_ingest.slots.slots import Slots
from uw_ingest.tally import Tally
from uw_ingest.upstream.protocol import Joined, JoinReport

log: Any = structlog.get_logger("uw_ingest.slots.watch")

LOOK_EVERY = 1.0  # seconds
SAY_AGAIN_AFTER = timedelta(seconds=30)  # a status nobody repeats is one nobody can trust


@dataclass(frozen=True, slots=True)
class Standing:
    """How a feed stands, since when, and when that was last published."""

    verdict: Verdict
    since: datetime
    said_at: datetime


class Watch:
    """Judges the feeds for which this replica speaks.

    A feed of the socket is spoken for by whoever holds the lowest slot that has one of its channels, a polled
    one by whoever polls, and one that no slot has by whoever plans.
    """

    def __init__(
        self,
        configured: Sequence[str],
        *,
        tally: Tally,
        clock: Clock,
        say: Callable[[Message], object],
        simulated: bool,
    ) -> None:
        """Watch the feeds of these channels; :meth:`attach` or :meth:`disable` says what there is to see."""
        self._configured = tuple(configured)
        self._tally, self._clock, self._say, self._simulated = tally, clock, say, simulated
        self._slots: Slots | None = None
        self._polled: Callable[[], Mapping[str, PollFacts]] = dict
        self._plans: Callable[[], bool] = bool
        self._backfilling: Callable[[str], bool] = lambda _feed: False
        self._why_disabled = ""
        self.hours = MarketHours()
        self.standings: dict[str, Standing] = {}

    def attach(
        self,
        slots: Slots,
        *,
        polled: Callable[[], Mapping[str, PollFacts]],
        plans: Callable[[], bool],
        backfilling: Callable[[str], bool],
    ) -> None:
        """Judge by these from now on: the facts of the feeds that we poll, and whether it is us who plans."""
        self._slots, self._polled, self._plans, self._backfilling = slots, polled, plans, backfilling

    def disable(self, why: str) -> None:
        """Say of every feed that it is disabled, and why."""
        self._why_disabled = why

    async def run(self, on_look: Callable[[], None]) -> None:
        """Look for ever; ``on_look`` is called each time, for readiness."""
        while True:
            self.look()
            on_look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Judge every feed and publish what changed or was not said for a while."""
        now = self._clock.now()
        verdicts = self.verdicts()
        self.standings = {name: standing for name, standing in self.standings.items() if name in verdicts}
        for name, verdict in verdicts.items():
            before = self.standings.get(name)
            same = before is not None and before.verdict.state is verdict.state
            if before is not None and same and now - before.said_at < SAY_AGAIN_AFTER:
                continue
            since = before.since if before is not None and same else now
            if not same:
                tell = log.debug if before is None else log.info  # the first says no more than that we began
                tell("feed state", feed=name, state=str(verdict.state), why=verdict.why)
            self.standings[name] = Standing(verdict, since, now)
            self._say(self._status(name, verdict, since, now))

    def verdicts(self) -> dict[str, Verdict]:
        """Say how each feed for which we speak stands now."""
        if self._slots is None:
            disabled = Verdict(FeedState.DISABLED, self._why_disabled)
            return dict.fromkeys([*map(feed_of, self._configured), *POLLED_FEEDS], disabled)
        joins = joins_of(self._slots)
        found: dict[str, Verdict] = {}
        for feed, (channels, slot) in self._spoken_for().items():
            if slot is None:
                found[feed] = Verdict(FeedState.RECONNECTING, "no socket has its channels yet")
            else:
                found[feed] = judge(self._facts(feed, channels, slot, joins))
        return found | {feed: judge_poll(facts) for feed, facts in self._polled().items()}

    def _spoken_for(self) -> dict[str, tuple[list[str], Slot | None]]:
        """Return our feeds, each with its channels and the slot by which it is judged."""
        slots = self._slots
        assert slots is not None  # noqa: S101 - verdicts() asked
        joins = slots.plan.joins if slots.plan is not None else {}
        lowest: dict[str, int] = {}
        channels: dict[str, list[str]] = {}
        for number in sorted(joins):
            for channel in joins[number]:
                lowest.setdefault(feed_of(channel), number)
                channels.setdefault(feed_of(channel), []).append(channel)
        found: dict[str, tuple[list[str], Slot | None]] = {
            feed: (channels[feed], slots.held[number])
            for feed, number in lowest.items()
            if number in slots.held
        }
        if self._plans():
            found |= {feed_of(c): ([c], None) for c in self._configured if feed_of(c) not in lowest}
        return found

    def lively(self) -> bool:
        """Tell whether the steady channels may be expected to speak."""
        return self.hours.phase(self._clock.now()) is Phase.REGULAR

    def describe(self) -> dict[str, Any]:
        """Return feeds and channels in a form that becomes JSON."""
        now, at = self._clock.now(), self._clock.monotonic()
        joins = joins_of(self._slots) if self._slots is not None else {}
        feeds = {
            name: {
                "state": str(standing.verdict.state),
                "why": standing.verdict.why,
                "since": standing.since.isoformat(),
                "last_message_age_s": self._age(name, now),
                "messages": self._tally.accepted[name],
            }
            for name, standing in self.standings.items()
        }
        channels = [
            {
                "channel": channel,
                "feed": feed_of(channel),
                "join": str(join.joined),
                "asked": join.asked,
                "heard_age_s": _ago(join.heard_at, at),
                "why": join.why,
            }
            for channel, join in joins.items()
        ]
        return {"market": str(self.hours.phase(now)), "feeds": feeds, "channels": channels}

    def _facts(
        self, name: str, channels: Sequence[str], slot: Slot, joins: Mapping[str, JoinReport]
    ) -> SocketFacts:
        feed, kind, at = slot.feed, kind_of(channels[0]), self._clock.monotonic()
        mine = [joins[channel] for channel in channels if channel in joins]
        others = [join.heard_at for channel, join in joins.items() if feed_of(channel) != name]
        refused = [join.why or "no reason given" for join in mine if join.joined is Joined.REFUSED]
        return SocketFacts(
            rhythm=kind.rhythm,
            hours=kind.hours,
            phase=self.hours.phase(self._clock.now()),
            connected=feed.connection is Connection.CONNECTED,
            connection=feed.reason or str(feed.connection),
            entitled=feed.connection is not Connection.NOT_ENTITLED,
            joined=any(join.joined is Joined.ACCEPTED for join in mine),
            refused=refused[0] if mine and len(refused) == len(mine) else "",
            unjoined=next((join.why for join in mine if join.why), ""),
            connected_for=feed.connected_for(),
            mute_before=feed.protocol.mute_before,
            heard_ago=_newest([join.heard_at for join in mine], at),
            siblings_heard_ago=_newest(others, at),
            backfilling=self._backfilling(name),
        )

    def _status(self, name: str, verdict: Verdict, since: datetime, now: datetime) -> FeedStatus:
        return FeedStatus(
            occurred_at=now,
            received_at=now,
            feed=name,
            state=str(verdict.state),
            since=since,
            detail=verdict.why or None,
            last_message_at=self._tally.last_message_at.get(name),
            messages=self._tally.accepted[name],
            simulated=self._simulated,
        )

    def _age(self, name: str, now: datetime) -> float | None:
        at = self._tally.last_message_at.get(name)
        return None if at is None else round((now - at).total_seconds(), 3)


def joins_of(slots: Slots) -> dict[str, JoinReport]:
    """Return every channel of our sockets with how far its join has come, the best if two have it."""
    found: dict[str, JoinReport] = {}
    for slot in slots.held.values():
        for channel, join in slot.feed.protocol.report().items():
            if channel not in found or join.joined is Joined.ACCEPTED:
                found[channel] = join
    return found


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(now - moment, 3)


def _newest(moments: list[float | None], now: float) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return now - max(known) if known else None
