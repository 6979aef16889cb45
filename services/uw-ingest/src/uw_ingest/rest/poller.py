"""All that is asked over REST, while this replica holds the lease for it: polls, backfill, and their pace."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from baleen_bus.connection import Bus
from baleen_bus.errors import BusError
from baleen_bus.kv import Bucket
from baleen_bus.leases import Grant
from baleen_bus.reading import fetch_last
from baleen_contracts import by_name
from baleen_contracts.market_mover import MarketMover
from baleen_runtime.clock import Clock
from uw_ingest.errors import QuotaTaken
from uw_ingest.feeds.feed_state import PollFacts
from uw_ingest.feeds.market_hours import MarketHours
from uw_ingest.feeds.predecessor import known_disclosures
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.rest.backfiller import Backfiller
from uw_ingest.rest.call import Rest
from uw_ingest.rest.congress import Congress
from uw_ingest.rest.limiter import day_reset
from uw_ingest.rest.polls import Movers, Poll
from uw_ingest.rest.quota import Quota
from uw_ingest.rest.rest_plan import RestPlan, Spending, plan, questions_of, spans
from uw_ingest.settings import Settings
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.rest.poller")

AGAIN_AFTER = 1.0  # seconds, when the budget cannot be taken over
PLAN_EVERY = 5.0
NOT_OURS = "another replica asks, or none does yet"


class Poller:
    """Asks upstream over REST, from :meth:`held` to :meth:`lost`."""

    def __init__(
        self,
        settings: Settings,
        *,
        token: str,
        bus: Bus,
        budget: Bucket,
        outlet: Outlet,
        tally: Tally,
        clock: Clock,
        allowed: Callable[[], bool],
        hours: Callable[[], MarketHours],
        wished: Callable[[], Iterable[str]],
    ) -> None:
        """Ask nothing before the lease is held.

        Args:
            settings: of the service.
            token: upstream's; it never leaves this but in requests.
            bus: where gaps and stored messages are read.
            budget: the bucket in which all replicas keep what they spent.
            outlet: where messages leave.
            tally: what is counted.
            clock: tells the time.
            allowed: whether the lease is held at this very moment.
            hours: when the exchange is open.
            wished: the polled feeds that somebody wishes for.
        """
        assert settings.upstream is not None  # noqa: S101 - without one nobody makes a poller
        self._settings, self._bus, self._outlet, self._tally = settings, bus, outlet, tally
        self._clock, self._hours, self._wished = clock, hours, wished
        self._questions = questions_of(
            movers_every=settings.movers_every, congress_every=settings.congress_every
        )
        self._quota = Quota(budget, owner=settings.replica, clock=clock, per_minute=settings.rest_per_minute)
        self._rest = Rest(settings.upstream, token, quota=self._quota, tally=tally, allowed=allowed)
        self._spending = Spending()
        self._plan = RestPlan({}, plan(self._questions, [], now=clock.now(), left=0).forecast)
        self._polls: tuple[Poll, ...] = ()
        self._backfiller: Backfiller | None = None
        self._held = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._failing = ""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rest.aclose()

    def held(self, grant: Grant) -> None:
        """Begin to ask: the lease is ours."""
        log.info("asking over REST", before=str(grant.before))
        self._held.set()

    def lost(self, reason: str) -> None:
        """Stop asking at once; calls under way are cut off."""
        if self._held.is_set():
            log.info("no longer asking over REST", why=reason)
        self._held.clear()
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> None:
        """Ask while the lease is held, for ever."""
        try:
            while True:
                await self._held.wait()
                if not self._held.is_set():
                    continue  # lost again in the same moment
                self._work = asyncio.create_task(self._hold(), name="rest-work")
                await asyncio.wait({self._work})
                work, self._work = self._work, None
                self._polls, self._backfiller = (), None
                if not work.cancelled():
                    work.result()
        finally:
            if self._work is not None:
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)

    def facts(self) -> Mapping[str, PollFacts]:
        """Describe the polled feeds; empty while another replica polls them."""
        return {poll.feed: poll.facts() for poll in self._polls}

    def describe(self) -> dict[str, Any]:
        """Return what an operator asks, as JSON."""
        if not self._held.is_set():
            return {"held": False, "why": NOT_OURS, "calls": dict(self._tally.rest_calls)}
        budget, forecast = self._quota.budget, self._plan.forecast
        return {
            "held": True,
            "why": self._failing,
            "per_minute": budget.spendable,
            "minute_left": self._quota.minute_left(),
            "in_flight": budget.flying,
            "in_flight_limit": budget.in_flight,
            "day_limit": budget.day_limit,
            "day_limit_assumed": budget.day_limit is None,
            "day_used": budget.day_used,
            "day_left": budget.day_left(),
            "day_ends": budget.day_ends.isoformat() if budget.day_ends else None,
            "forecast": {
                "lasts": forecast.ends_at is None,
                "ends_at": forecast.ends_at.isoformat() if forecast.ends_at else None,
                "planned": forecast.planned,
                "unspent": forecast.unspent,
            },
            "wait_s": round(self._quota.wait(), 3),
            "last_limit": str(budget.last_limit) if budget.last_limit else None,
            "malformed": self._quota.malformed,
            "questions": self._asked(),
            "backfill": self._backfiller.describe() if self._backfiller else {},
            "calls": dict(self._tally.rest_calls),
        }

    def _asked(self) -> dict[str, Any]:
        now, wished = self._clock.monotonic(), frozenset(self._wished())
        return {
            name: {
                "feed": poll.feed,
                "wished": poll.feed in wished,
                "every_s": round(self._every(name), 1),
                "due_in_s": round(max(asking.due_at - now, 0.0), 1),
                "answered_ago_s": None if asking.answered_at is None else round(now - asking.answered_at, 1),
                "asked": asking.asked,
                "why": asking.refused or asking.failing,
            }
            for poll in self._polls
            for name, asking in poll.askings.items()
        }

    async def _hold(self) -> None:
        """Take the budget over and ask; when somebody else writes the budget, take it over again.

        The lease decides who may: whoever lost it is cancelled here soon.
        """
        while True:
            try:
                await self._quota.load()
                self._failing = ""
                await self._ask()
            except* QuotaTaken as taken:
                self._stumble(str(_first(taken)))
            except* BusError as error:
                self._stumble(f"the bus does not answer ({type(_first(error)).__name__})")
            self._polls, self._backfiller = (), None
            await asyncio.sleep(AGAIN_AFTER)

    def _stumble(self, why: str) -> None:
        if why != self._failing:
            log.warning("not asking over REST", why=why)
        self._failing = why

    async def _ask(self) -> None:
        self._spending = Spending()
        self._replan()
        shared: dict[str, Any] = {
            "every": self._every,
            "recheck": self._settings.entitlement_recheck,
            "say": self._outlet.say,
            "tally": self._tally,
            "clock": self._clock,
        }
        self._backfiller = Backfiller(
            self._rest, self._bus, say=self._outlet.say, tally=self._tally, clock=self._clock
        )
        self._polls = (
            Movers(self._rest, standing=partial(standing_movers, self._bus), **shared),
            Congress(self._rest, stored=partial(known_disclosures, self._bus), **shared),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._backfiller.run(), name="backfill")
            for poll in self._polls:
                tasks.create_task(poll.run(), name=f"poll-{poll.feed}")
            tasks.create_task(self._keep_planning(), name="rest-plan")

    async def _keep_planning(self) -> None:
        while True:
            await asyncio.sleep(PLAN_EVERY)
            self._replan()

    def _replan(self) -> None:
        budget, now, at = self._quota.budget, self._clock.now(), self._clock.monotonic()
        self._plan = plan(
            self._questions,
            spans(self._hours(), now, budget.day_ends or day_reset(now)),
            now=now,
            left=budget.day_left(),
            wished=self._wished(),
            others=self._spending.others(at, budget.day_used, budget.granted),
        )

    def _every(self, question: str) -> float:
        with contextlib.suppress(KeyError):
            return self._plan.intervals[question]
        return next(one.least for one in self._questions if one.name == question)


async def standing_movers(bus: Bus) -> list[MarketMover]:
    """Return what the bus has of the market movers, those that left their lists too.

    Raises:
        BusError: it cannot be read now.
    """
    entity, found = by_name("market_mover"), list[MarketMover]()
    assert entity.stream is not None  # noqa: S101 - the catalogue gives it one
    for item in await fetch_last(bus, entity.stream, entity.pattern):
        with contextlib.suppress(ValidationError):
            found.append(MarketMover.model_validate_json(item.body))
    return found


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    """Return one of the errors that a group, or a group in it, holds."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
