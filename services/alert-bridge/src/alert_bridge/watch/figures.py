"""What the watches count. Labelled by the names of watches, of which a rules file has a bounded number."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from alert_bridge.watch.sentry import Verdict


class WatchFigures:
    """The metrics of the watches in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._matches = Counter(
            "baleen_alert_bridge_watch_matches",
            "Messages that a watch matched, by what became of them.",
            ("rule", "outcome"),
            registry=registry,
        )
        self._failures = Counter(
            "baleen_alert_bridge_watch_failures",
            "Alerts of a watch that could not be made, or that the bus refused.",
            ("rule",),
            registry=registry,
        )
        self.messages = Counter(
            "baleen_alert_bridge_watch_messages", "Messages that watches looked at.", registry=registry
        )
        self.gaps = Counter(
            "baleen_alert_bridge_watch_gaps",
            "Ranges of messages that the watches did not hear.",
            registry=registry,
        )
        self.watching = Gauge(
            "baleen_alert_bridge_watching", "1 while this replica is the one that watches.", registry=registry
        )
        self.open = Gauge(
            "baleen_alert_bridge_watch_open_messages",
            "Messages whose alerts are on their way to the bus.",
            registry=registry,
        )

    def stands(self, name: str) -> None:
        """A watch has begun: all its series exist from now on."""
        for verdict in Verdict:
            self._matches.labels(name, verdict)
        self._failures.labels(name)

    def judged(self, name: str, verdict: Verdict) -> None:
        """Count one match."""
        self._matches.labels(name, verdict).inc()

    def failed(self, name: str) -> None:
        """Count one failure."""
        self._failures.labels(name).inc()
