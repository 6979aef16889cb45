"""What the bridge counts. No label grows with tickers, ids or users."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alert_bridge.errors import Outcome

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Dialect(StrEnum):
    """How a request was spoken."""

    JSON = "json"
    """The contract's own, at `/alerts`."""
    DISCORD = "discord"
    SLACK = "slack"
    GITHUB = "github"
    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    TRADINGVIEW = "tradingview"
    APPRISE = "apprise"
    ANY_JSON = "any_json"
    """Anybody's, at `/in/json`."""


class Metrics:
    """The bridge's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "baleen_alert_bridge_requests",
            "Requests by dialect and outcome.",
            ("dialect", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "baleen_alert_bridge_request_seconds",
            "Time from a whole request to its answer, the wait for the bus included.",
            ("dialect",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.waiting = Gauge(
            "baleen_alert_bridge_waiting_alerts",
            "Alerts on their way to the bus.",
            registry=registry,
        )
        self.connected = Gauge(
            "baleen_alert_bridge_bus_connected",
            "1 while the bus is connected.",
            registry=registry,
        )
        self.rules_valid = Gauge(
            "baleen_alert_bridge_rules_valid",
            "1 while the rules in force are those of the file; 0 while the file is wrong and older ones are.",
            registry=registry,
        )
        # All series exist from the start, so that a rate is never absent and none is looked up by its labels.
        self._answered = {
            (dialect, outcome): self._requests.labels(dialect, outcome)
            for dialect in Dialect
            for outcome in Outcome
        }
        self._took = {dialect: self._seconds.labels(dialect) for dialect in Dialect}

    def answered(self, dialect: Dialect, outcome: Outcome, seconds: float) -> None:
        """Count one request."""
        self._answered[dialect, outcome].inc()
        self._took[dialect].observe(seconds)

    def answers(self) -> dict[str, dict[str, int]]:
        """How many requests of each dialect ended how in this process, without what never happened."""
        told: dict[str, dict[str, int]] = {}
        for family in self._requests.collect():
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.value:
                    outcomes = told.setdefault(sample.labels["dialect"], {})
                    outcomes[sample.labels["outcome"]] = int(sample.value)
        return told
