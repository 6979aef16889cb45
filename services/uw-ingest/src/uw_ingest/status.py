"""``GET /status``: what an operator asks first, as JSON."""

from typing import Any

from fastapi import APIRouter

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_runtime.clock import Clock
from uw_ingest.feed import Feed
from uw_ingest.intake import Intake
from uw_ingest.limiter import Budget
from uw_ingest.settings import Settings
from uw_ingest.tally import Tally
from uw_ingest.watch import Watch


class Status:
    """The running parts, once there are any."""

    def __init__(self, settings: Settings, tally: Tally, budget: Budget, clock: Clock) -> None:
        """Know the settings; the rest is attached when the bus is there."""
        self._settings, self._tally, self._budget, self._clock = settings, tally, budget, clock
        self.feed: Feed | None = None
        self._bus: Bus | None = None
        self._publisher: Publisher | None = None
        self._intake: Intake | None = None
        self._watch: Watch | None = None

    def attach(self, bus: Bus, publisher: Publisher, intake: Intake, watch: Watch, feed: Feed | None) -> None:
        """Show these from now on."""
        self._bus, self._publisher, self._intake, self._watch, self.feed = bus, publisher, intake, watch, feed

    def routes(self) -> APIRouter:
        """Return the route."""
        routes = APIRouter(tags=["status"])
        routes.add_api_route("/status", self._answer, methods=["GET"])
        return routes

    async def _answer(self) -> dict[str, Any]:
        return self.describe()

    def describe(self) -> dict[str, Any]:
        """Return everything; neither token nor upstream's address is in it."""
        feed, watched = self.feed, self._watch.describe() if self._watch else {}
        return {
            "service": "uw-ingest",
            "source": self._settings.source,
            "simulated": self._settings.simulated,
            "connection": {
                "state": str(feed.connection) if feed else "disabled",
                "why": feed.reason if feed else "",
                "opened_times": feed.opened_times if feed else 0,
                "connected_for_s": round(feed.connected_for(), 3) if feed else 0.0,
                "bus": bool(self._bus and self._bus.connected),
            },
            **watched,
            "counters": self._counters(),
            "rest": self._rest(),
        }

    def _counters(self) -> dict[str, Any]:
        tally, publisher = self._tally, self._publisher
        return {
            "frames": tally.frames,
            "accepted": sum(tally.accepted.values()),
            "refused": {str(reason): count for reason, count in tally.refused.items()},
            "overflowed": tally.overflowed,
            "gaps": tally.gaps,
            "dropped": sum(publisher.stats.dropped.values()) if publisher else 0,
            "published": publisher.stats.stored if publisher else 0,
            "duplicates": publisher.stats.duplicates if publisher else 0,
            "backlog": (self._intake.backlog if self._intake else 0)
            + (publisher.backlog if publisher else 0),
        }

    def _rest(self) -> dict[str, Any]:
        budget = self._budget
        return {
            "per_minute": budget.per_minute,
            "in_flight": budget.flying,
            "day_limit": budget.day_limit,
            "day_used": budget.day_used,
            "wait_s": round(budget.wait(self._clock.now()), 3),
            "last_limit": str(budget.last_limit) if budget.last_limit else None,
            "calls": dict(self._tally.rest_calls),
        }
