"""What several workers are together, to a probe and to Prometheus. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LABEL: Final = "worker"

Told = Mapping[str, Any]
"""How a worker is: `listening`, `ready` and `parts`, each part with "ok" or what it lacks."""


def health_of(told: Mapping[int, Told | None], running: int, wanted: int) -> tuple[bool, dict[str, str]]:
    """Return whether all may be sent work, and why not.

    The kernel gives every worker that listens its share of the connections, so one that is not ready makes
    the whole not ready; one that does not listen yet gets none, and only its absence is told.

    Args:
        told: by place, what each worker that listens tells; None where it does not answer.
        running: how many workers listen.
        wanted: how many should.
    """
    reasons: dict[str, list[str]] = {}
    for place, said in sorted(told.items()):
        parts = {"answer": "does not answer"} if said is None else said["parts"]
        for part, words in parts.items():
            lacks = reasons.setdefault(part, [])
            if words != "ok":
                lacks.append(f"worker {place}: {words}")
    parts = {part: "; ".join(lacks) or "ok" for part, lacks in sorted(reasons.items())}
    ready = bool(told) and all(said is not None and said["ready"] for said in told.values())
    return ready, {"workers": f"{running} of {wanted} serve", **parts}


def metrics_of(texts: Mapping[int, str], *, running: int, restarts: int) -> bytes:
    """Return the metrics of all workers, each sample labelled with its worker's place.

    They are not summed: the counters of a worker that is started again begin anew, which Prometheus
    understands of one worker and not of a sum.
    """
    registry = CollectorRegistry()
    registry.register(_All(texts, running, restarts))
    return generate_latest(registry)


class _All(Collector):
    def __init__(self, texts: Mapping[int, str], running: int, restarts: int) -> None:
        self._texts = texts
        self._running = running
        self._restarts = restarts

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("baleen_gateway_workers", "Worker processes that serve.", self._running)
        words = "Worker processes that were started again."
        yield CounterMetricFamily("baleen_gateway_worker_restarts", words, self._restarts)
        families: dict[str, Metric] = {}
        for place, text in sorted(self._texts.items()):
            for family in text_string_to_metric_families(text):
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                known.samples += [
                    sample._replace(labels={LABEL: str(place), **sample.labels}) for sample in family.samples
                ]
        yield from families.values()
