"""What deliveries are measured by, per destination: how it fares, what waits, how long sending takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alert_bridge.deliver.breaker import Standing

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PREFIX = "baleen_alert_bridge_"


@dataclass(frozen=True, slots=True)
class Figures:
    """One destination that this replica serves, at one moment.

    Attributes:
        name: the destination.
        standing: how it fares.
        open: alerts that were taken and have not ended.
        behind: alerts of the stream that were not taken yet.
        oldest: seconds since the oldest one that is open was stored; 0 if there is none.
        early: alerts that were told before their time since too many were held.
    """

    name: str
    standing: Standing
    open: int
    behind: int
    oldest: float
    early: int


class DeliveryMetrics(Collector):
    """What this replica knows of the destinations that it serves, at once; the account tells the rest."""

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
        standing = _gauge("destination_standing", "1 for how it fares.", "reason")
        still = _gauge("open_alerts", "Alerts that were taken for a destination and have not ended.")
        behind = _gauge("behind_alerts", "Alerts stored that were not taken for a destination yet.")
        oldest = _gauge("oldest_alert_seconds", "Age of the oldest alert that is open.")
        early = _gauge("told_early_alerts", "Alerts told before their time, since too many were held.")
        for one in self.figures():
            for word in Standing:
                standing.add_metric([one.name, word], float(word is one.standing))
            still.add_metric([one.name], one.open)
            behind.add_metric([one.name], one.behind)
            oldest.add_metric([one.name], one.oldest)
            early.add_metric([one.name], one.early)
        return [standing, still, behind, oldest, early]


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, words, labels=("destination", *labels))
