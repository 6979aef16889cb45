"""What there is to know of the spool: as metrics, and in a sentence for whoever asks whether we are ready."""

from __future__ import annotations

from collections.abc import Iterator
from time import time

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alert_bridge.store.relay import Relay
from baleen_runtime.health import Health


class SpoolFigures(Collector):
    """The figures of a spool, read when they are asked for."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        relay, spool = self._relay, self._relay.spool
        oldest = spool.extent.oldest_at
        gauges = (
            ("alerts", "Alerts kept on disk for the bus.", spool.extent.alerts),
            ("bytes", "What they count against the bound of the spool.", spool.extent.size),
            ("max_bytes", "The bound of the spool.", spool.max_bytes),
            ("oldest_seconds", "Age of the oldest alert kept.", max(0.0, time() - oldest) if oldest else 0.0),
            ("failing", "1 while the disk does not take what is to be kept.", bool(spool.problem)),
            ("refused_alerts", "Alerts kept that the bus will not have.", relay.carrier.refused),
        )
        for name, help_, value in gauges:
            yield GaugeMetricFamily(f"baleen_alert_bridge_spool_{name}", help_, value)
        yield CounterMetricFamily(
            "baleen_alert_bridge_spool_carried",
            "Alerts that went from the disk to the bus.",
            relay.carrier.carried,
        )


def show_spool(relay: Relay, health: Health, registry: CollectorRegistry) -> None:
    """Show the spool among the metrics, and in *health* whenever something changes."""

    def report() -> None:
        problem, note = _condition(relay)
        health.report("spool", ok=not problem, reason=problem, note=note)

    registry.register(SpoolFigures(relay))
    relay.carrier.on_change = report
    report()


def _condition(relay: Relay) -> tuple[str, str]:
    """Why alerts can be kept neither on the bus nor on the disk, and what to know of the spool otherwise."""
    spool = relay.spool
    trouble = f"full: it may hold {spool.max_bytes} bytes" if spool.full else ""
    if spool.problem:
        trouble = f"the disk does not take alerts: {spool.problem}"
    if trouble:
        return ("", trouble) if relay.open else (trouble, "")
    if relay.carrier.refused:
        return "", f"{relay.carrier.refused} alerts are kept that the bus refuses"
    if spool.extent.alerts:
        return "", "spooling: alerts wait on this disk for the bus"
    return "", ""
