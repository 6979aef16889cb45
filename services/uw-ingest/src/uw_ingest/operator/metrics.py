"""What Prometheus reads, made from plain counts when asked. No ticker is ever a label."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_contracts.feed import FeedState
from uw_ingest.fleet.fleet import Fleet
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.refusals import Refusal
from uw_ingest.slots.feed import Connection
from uw_ingest.slots.watch import Watch
from uw_ingest.tally import Tally
from uw_ingest.upstream.tap import Tap

PREFIX = "baleen_ingest_"


def counter(name: str, text: str, values: dict[str, float], label: str | None = None) -> Metric:
    """Return a counter, with one label or none."""
    family = CounterMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    for kind, value in values.items():
        family.add_metric([kind] if label else [], value)
    return family


def gauge(name: str, text: str, values: dict[str, float], label: str | None = None) -> Metric:
    """Return a gauge, with one label or none."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    for kind, value in values.items():
        family.add_metric([kind] if label else [], value)
    return family


class IngestCollector(Collector):
    """Reads the counts at scrape time, so that counting costs the hot path an addition."""

    def __init__(
        self,
        tally: Tally,
        publisher: Publisher,
        outlet: Outlet,
        bus: Bus,
        *,
        fleet: Fleet | None,
        tap: Tap,
        watch: Watch,
        room: dict[str, int],
        now: Callable[[], datetime],
    ) -> None:
        """Read from these parts of the running service; *room* is what each place of a backlog takes."""
        self._tally, self._publisher, self._outlet, self._bus = tally, publisher, outlet, bus
        self._fleet, self._tap, self._now = fleet, tap, now
        self._watch, self._room = watch, room

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from self._frames()
        yield from self._messages()
        yield from self._feeds()
        yield from self._links()
        yield from self._shares()
        yield from self._rest()

    def _frames(self) -> Iterator[Metric]:
        tally = self._tally
        yield counter("frames_received", "Frames the socket brought.", {"": tally.frames})
        yield counter("frames_overflowed", "Frames dropped, the buffer being full.", {"": tally.overflowed})
        yield counter("join_answers", "Answers to joins; never published.", {"": tally.answers})
        refused = {str(reason): float(tally.refused[reason]) for reason in Refusal}
        yield counter("refused", "Frames and rows not published, by reason.", refused, "reason")

    def _messages(self) -> Iterator[Metric]:
        tally, stats, now = self._tally, self._publisher.stats, self._now()
        yield counter("accepted", "Valid contract messages made, by feed.", dict(tally.accepted), "feed")
        yield counter("published", "Messages acked by a stream.", {"": stats.stored})
        yield counter("duplicates", "Of these, known to the stream already.", {"": stats.duplicates})
        dropped = {str(reason): float(count) for reason, count in stats.dropped.items()}
        yield counter("dropped", "Messages the bus would not take, by reason.", dropped, "reason")
        yield counter("gaps", "Holes announced.", {"": tally.gaps})
        waiting = self._outlet.backlog + (self._fleet.slots.backlog if self._fleet else 0)
        backlog = {"buffer": float(waiting), "outbox": float(self._publisher.backlog)}
        yield gauge("backlog", "Frames and messages on their way to the bus.", backlog, "place")
        held = len(self._fleet.slots.held) if self._fleet else 0
        room = {
            "buffer": float(self._room["buffer"] * max(1, held)),  # every socket's is its own
            "outbox": float(self._room["outbox"]),
        }
        yield gauge("backlog_limit", "How many of them each place takes.", room, "place")
        ages = {feed: (now - at).total_seconds() for feed, at in tally.last_message_at.items()}
        yield gauge("last_message_age_seconds", "Since a feed's last message was received.", ages, "feed")

    def _feeds(self) -> Iterator[Metric]:
        """The judgement that is published as the status of the feeds for which this replica speaks."""
        text = "1 for how a feed stands, of those for which this replica speaks."
        states = GaugeMetricFamily(PREFIX + "feed_state", text, labels=["feed", "state"])
        for feed, standing in self._watch.standings.items():
            for state in FeedState:
                states.add_metric([feed, state], float(state is standing.verdict.state))
        yield states
        is_open = {"": float(self._watch.lively())}
        yield gauge("market_open", "1 during the exchange's regular session.", is_open)

    def _links(self) -> Iterator[Metric]:
        slots = self._fleet.slots if self._fleet else None
        feeds = [slot.feed for slot in slots.held.values()] if slots else []
        connected = sum(feed.connection is Connection.CONNECTED for feed in feeds)
        yield gauge("upstream_connected", "Open upstream sockets of this replica.", {"": float(connected)})
        yield counter("upstream_sockets_opened", "Sockets this replica opened.", {"": self._tally.opened})
        failures = {kind: float(count) for kind, count in self._tally.failures.items()}
        yield counter("upstream_failures", "Sockets lost or not opened, by kind.", failures, "kind")
        yield gauge("bus_connected", "Whether the bus is connected.", {"": float(self._bus.connected)})
        yield counter("bus_reconnects", "Reconnects to the bus.", {"": self._bus.stats.reconnects})

    def _shares(self) -> Iterator[Metric]:
        fleet = self._fleet
        if fleet is None:
            return
        held = {
            "socket": float(len(fleet.slots.held)),
            "planner": float(fleet.planner.grant is not None),
            "rest": float(fleet.rest.grant is not None),
        }
        yield gauge("leases_held", "Leases that this replica holds, by kind.", held, "kind")
        plan = fleet.board.plan
        if plan is not None:
            yield gauge("socket_ceiling", "Sockets that may be open at once.", {"": float(plan.ceiling)})
            joins = float(sum(len(channels) for channels in plan.joins.values()))
            yield gauge("channels_planned", "Channels that the plan joins.", {"": joins})
            yield gauge("wishes_unserved", "Wishes that cannot be served.", {"": float(len(plan.unserved))})
        malformed = fleet.view.malformed + fleet.board.malformed + fleet.planning.refused_wishes.total()
        yield gauge(
            "shared_state_malformed", "Entries on the bus that nobody can read.", {"": float(malformed)}
        )
        yield counter(
            "recording_dropped", "Frames dropped for slow recorders.", {"": float(self._tap.dropped)}
        )

    def _rest(self) -> Iterator[Metric]:
        calls = {status: float(count) for status, count in self._tally.rest_calls.items()}
        yield counter("rest_calls", "REST calls, by HTTP status or failed.", calls, "status")
        rest = self._fleet.poller.describe() if self._fleet else {}
        if isinstance(used := rest.get("day_used"), int):
            yield gauge("rest_day_used", "REST calls upstream has counted today.", {"": float(used)})
        if isinstance(limit := rest.get("day_limit"), int):
            yield gauge("rest_day_limit", "REST calls a day, as upstream says.", {"": float(limit)})
