"""``GET /status`` and ``/budget``, what an operator asks first; ``POST /reconnect``, what one may order."""

from typing import Any

from fastapi import APIRouter, Request, Response

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_runtime.clock import Clock
from baleen_runtime.traceparent import heard_in
from uw_ingest.fleet.budget_page import BudgetFacts, budget_page
from uw_ingest.fleet.fleet import Fleet
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.settings import Settings
from uw_ingest.slots.watch import Watch
from uw_ingest.tally import Tally

NOT_YET = "starting: the bus is not connected yet"
_CODES = {"TOO_SOON": 429, "NOT_CONNECTED": 502}
_UNAVAILABLE = 503


class Status:
    """The running parts, once there are any."""

    def __init__(self, settings: Settings, tally: Tally, clock: Clock) -> None:
        """Know the settings; the rest is attached when the bus is there."""
        self._settings, self._tally, self._clock = settings, tally, clock
        self._fleet: Fleet | None = None
        self._bus: Bus | None = None
        self._publisher: Publisher | None = None
        self._outlet: Outlet | None = None
        self._watch: Watch | None = None

    def attach(
        self, bus: Bus, publisher: Publisher, outlet: Outlet, watch: Watch, fleet: Fleet | None
    ) -> None:
        """Show these from now on."""
        self._bus, self._publisher, self._outlet, self._watch = bus, publisher, outlet, watch
        self._fleet = fleet

    def routes(self) -> APIRouter:
        """Return the routes."""
        routes = APIRouter(tags=["status"])
        routes.add_api_route("/status", self._status, methods=["GET"])
        routes.add_api_route("/budget", self._budget, methods=["GET"])
        routes.add_api_route("/reconnect", self._reconnect, methods=["POST"])
        return routes

    async def _status(self) -> dict[str, Any]:
        return self.describe()

    async def _budget(self) -> dict[str, Any]:
        if self._fleet is not None:
            return budget_page(self._fleet.facts())
        why = NOT_YET if self._settings.upstream is not None else "no token"
        return budget_page(
            BudgetFacts(self._settings.replica, 0.0, self._settings.slots, 0.0, {}, {}, None, {}, {}, why)
        )

    async def _reconnect(self, request: Request, response: Response) -> dict[str, Any]:
        if self._fleet is None:
            response.status_code = _UNAVAILABLE
            return {"ok": False, "code": "DISABLED", "message": "there is no upstream to reconnect to"}
        reply = await self._fleet.reconnect(heard_in(request.scope["headers"]))
        if not reply.ok:
            response.status_code = _CODES.get(reply.code or "", _UNAVAILABLE)
        return reply.model_dump(exclude_none=True)

    def describe(self) -> dict[str, Any]:
        """Return everything; neither token nor upstream's address is in it."""
        watched = self._watch.describe() if self._watch else {}
        return {
            "service": "uw-ingest",
            "replica": self._settings.replica,
            "source": self._settings.source,
            "simulated": self._settings.simulated,
            "connection": self._connection(),
            **watched,
            "counters": self._counters(),
            "rest": self._fleet.poller.describe() if self._fleet else {"calls": {}},
        }

    def _connection(self) -> dict[str, Any]:
        """Return how our sockets stand, the worst of them first."""
        bus = bool(self._bus and self._bus.connected)
        feeds = [slot.feed for slot in self._fleet.slots.held.values()] if self._fleet else []
        if not feeds:
            state = (
                "disabled" if self._settings.upstream is None else "standby" if self._fleet else "connecting"
            )
            return {"state": state, "why": "", "opened_times": 0, "connected_for_s": 0.0, "bus": bus}
        worst = min(feeds, key=lambda feed: feed.connected_for())
        return {
            "state": str(worst.connection),
            "why": worst.reason,
            "opened_times": sum(feed.opened_times for feed in feeds),
            "connected_for_s": round(worst.connected_for(), 3),
            "bus": bus,
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
            "backlog": (self._fleet.slots.backlog if self._fleet else 0)
            + (self._outlet.backlog if self._outlet else 0)
            + (publisher.backlog if publisher else 0),
        }
