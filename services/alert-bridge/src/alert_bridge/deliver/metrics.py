"""What deliveries are counted by, per destination: the account, and how long sending takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alert_bridge.deliver.breaker import Standing
from alert_bridge.deliver.counts import Counts

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PREFIX = "baleen_alert_bridge_"


@dataclass(frozen=True, slots=True)
class Figures:
    """One destination that this replica serves, at one moment.

    Attributes:
        name: the destination.
        counts: its account.
        accepted: alerts that were stored since it is served.
        in_flight: those of them that have not ended.
        standing: how it fares.
        oldest: seconds since the oldest of them was stored; 0 if there is none.
    """

    name: str
    counts: Counts
    accepted: int
    in_flight: int
    standing: Standing
    oldest: float


class DeliveryMetrics(Collector):
    """Told for the destinations that this replica serves; the sum over all replicas is the whole."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.figures: Callable[[], Iterable[Figures]] = tuple
        self.send_seconds = Histogram(
            _PREFIX + "send_seconds",
            "Time of one request to a destination, by how it ended.",
            ("destination", "outcome"),
            buckets=_SECONDS,
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """What is served now."""
        accepted = _gauge("accepted_alerts", "Alerts stored since a destination is served.")
        in_flight = _gauge("in_flight_alerts", "Those that have not ended.")
        unaccounted = _gauge("unaccounted_alerts", "Accepted, not ended and not in flight: always 0.")
        oldest = _gauge("oldest_alert_seconds", "Age of the oldest alert that has not ended.")
        standing = _gauge("destination_standing", "1 for how it fares.", "reason")
        delivered = _counter("delivered", "Alerts delivered.")
        suppressed = _counter("suppressed", "Alerts that it was not to be told.", "reason")
        dead = _counter("dead", "Alerts given up; each is a dead letter.", "reason")
        again = _counter("possible_duplicates", "Alerts sent although an earlier try may have arrived.")
        for one in self.figures():
            counts = one.counts
            accepted.add_metric([one.name], one.accepted)
            in_flight.add_metric([one.name], one.in_flight)
            unaccounted.add_metric([one.name], one.accepted - one.in_flight - counts.ended)
            oldest.add_metric([one.name], one.oldest)
            delivered.add_metric([one.name], counts.delivered)
            again.add_metric([one.name], counts.possible_duplicates)
            for word in Standing:
                standing.add_metric([one.name, word], float(word is one.standing))
            for reason, count in counts.suppressed.items():
                suppressed.add_metric([one.name, reason], count)
            for reason, count in counts.dead.items():
                dead.add_metric([one.name, reason], count)
        return [accepted, in_flight, unaccounted, oldest, standing, delivered, suppressed, dead, again]


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, words, labels=("destination", *labels))


def _counter(name: str, words: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, words, labels=("destination", *labels))
