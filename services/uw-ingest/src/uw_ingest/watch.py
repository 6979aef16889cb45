"""Looks at every feed once a second, publishes what changed, and describes the whole for the status page."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from baleen_contracts import Message
from baleen_contracts.feed import FeedState, FeedStatus
from baleen_runtime.clock import Clock
from uw_ingest.channels import POLLED_FEEDS, ChannelKind, kind_of
from uw_ingest.feed import Connection, Feed
from uw_ingest.feed_state import SocketFacts, Verdict, judge, judge_poll
from uw_ingest.market_hours import MarketHours, Phase
from uw_ingest.polls import Poll
from uw_ingest.protocol import Joined, JoinReport
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.watch")

LOOK_EVERY = 1.0  # seconds
SAY_AGAIN_AFTER = timedelta(seconds=30)  # a status nobody repeats is one nobody can trust


@dataclass(frozen=True, slots=True)
class Standing:
    """How a feed stands, since when, and when that was last published."""

    verdict: Verdict
    since: datetime
    said_at: datetime


class Watch:
    """Judges the feeds of this process."""

    def __init__(
        self,
        channels: Sequence[str],
        *,
        tally: Tally,
        clock: Clock,
        say: Callable[[Message], object],
        simulated: bool,
    ) -> None:
        """Watch the feeds of these channels; :meth:`attach` or :meth:`disable` says what there is to see."""
        self._tally, self._clock, self._say, self._simulated = tally, clock, say, simulated
        self._feed: Feed | None = None
        self._polls: Sequence[Poll] = ()
        self._why_disabled = ""
        self._kinds: dict[str, ChannelKind] = {}
        self._channels: dict[str, list[str]] = {}
        for channel in channels:
            kind = kind_of(channel)
            self._kinds[kind.feed] = kind
            self._channels.setdefault(kind.feed, []).append(channel)
        self.hours = MarketHours()
        self.standings: dict[str, Standing] = {}

    def attach(self, feed: Feed, polls: Sequence[Poll]) -> None:
        """Judge by these from now on."""
        self._feed, self._polls = feed, polls

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
        for name, verdict in self.verdicts().items():
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
        """Say how each feed stands now."""
        if self._feed is None:
            disabled = Verdict(FeedState.DISABLED, self._why_disabled)
            return dict.fromkeys([*self._kinds, *POLLED_FEEDS], disabled)
        joins = self._feed.protocol.report()
        found = {name: judge(self._facts(name, joins)) for name in self._kinds}
        return found | {poll.feed: judge_poll(poll.facts()) for poll in self._polls}

    def lively(self) -> bool:
        """Tell whether the steady channels may be expected to speak."""
        return self.hours.phase(self._clock.now()) is Phase.REGULAR

    def describe(self) -> dict[str, Any]:
        """Return feeds and channels in a form that becomes JSON."""
        now, at = self._clock.now(), self._clock.monotonic()
        joins = self._feed.protocol.report() if self._feed else {}
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
                "feed": name,
                "join": str(joins[channel].joined) if channel in joins else "waiting",
                "asked": joins[channel].asked if channel in joins else 0,
                "heard_age_s": _ago(joins[channel].heard_at, at) if channel in joins else None,
                "why": joins[channel].why if channel in joins else "",
            }
            for name, wanted in self._channels.items()
            for channel in wanted
        ]
        return {"market": str(self.hours.phase(now)), "feeds": feeds, "channels": channels}

    def _facts(self, name: str, joins: dict[str, JoinReport]) -> SocketFacts:
        feed = self._feed
        assert feed is not None  # noqa: S101 - verdicts() asked
        kind, at = self._kinds[name], self._clock.monotonic()
        mine = [joins[channel] for channel in self._channels[name]]
        others = [join.heard_at for channel, join in joins.items() if channel not in self._channels[name]]
        refused = [join.why or "no reason given" for join in mine if join.joined is Joined.REFUSED]
        return SocketFacts(
            rhythm=kind.rhythm,
            hours=kind.hours,
            phase=self.hours.phase(self._clock.now()),
            connected=feed.connection is Connection.CONNECTED,
            connection=feed.reason or str(feed.connection),
            entitled=feed.connection is not Connection.NOT_ENTITLED,
            joined=any(join.joined is Joined.ACCEPTED for join in mine),
            refused=refused[0] if len(refused) == len(mine) else "",
            connected_for=feed.connected_for(),
            heard_ago=_newest([join.heard_at for join in mine], at),
            siblings_heard_ago=_newest(others, at),
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


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(now - moment, 3)


def _newest(moments: list[float | None], now: float) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return now - max(known) if known else None
