"""What Prometheus reads, made from plain counts when asked. No ticker is ever a label."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from uw_ingest.feed import Connection, Feed
from uw_ingest.intake import Intake
from uw_ingest.limiter import Budget
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally

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
        intake: Intake,
        bus: Bus,
        *,
        feed: Feed | None,
        budget: Budget,
        now: Callable[[], datetime],
    ) -> None:
        """Read from these parts of the running service."""
        self._tally, self._publisher, self._intake, self._bus = tally, publisher, intake, bus
        self._feed, self._budget, self._now = feed, budget, now

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from self._frames()
        yield from self._messages()
        yield from self._links()
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
        backlog = {"buffer": float(self._intake.backlog), "outbox": float(self._publisher.backlog)}
        yield gauge("backlog", "Frames and messages on their way to the bus.", backlog, "place")
        ages = {feed: (now - at).total_seconds() for feed, at in tally.last_message_at.items()}
        yield gauge("last_message_age_seconds", "Since a feed's last message was received.", ages, "feed")

    def _links(self) -> Iterator[Metric]:
        feed = self._feed
        connected = feed is not None and feed.connection is Connection.CONNECTED
        yield gauge("upstream_connected", "Whether the upstream socket is open.", {"": float(connected)})
        reconnects = max(feed.opened_times - 1, 0) if feed else 0
        yield counter("upstream_reconnects", "Sockets opened after the first.", {"": reconnects})
        failures = {kind: float(count) for kind, count in feed.failures.items()} if feed else {}
        yield counter("upstream_failures", "Sockets lost or not opened, by kind.", failures, "kind")
        yield gauge("bus_connected", "Whether the bus is connected.", {"": float(self._bus.connected)})
        yield counter("bus_reconnects", "Reconnects to the bus.", {"": self._bus.stats.reconnects})

    def _rest(self) -> Iterator[Metric]:
        calls = {status: float(count) for status, count in self._tally.rest_calls.items()}
        yield counter("rest_calls", "REST calls, by HTTP status or failed.", calls, "status")
        yield gauge("rest_day_used", "REST calls upstream has counted today.", {"": self._budget.day_used})
        if self._budget.day_limit is not None:
            yield gauge("rest_day_limit", "REST calls a day, as upstream says.", {"": self._budget.day_limit})
