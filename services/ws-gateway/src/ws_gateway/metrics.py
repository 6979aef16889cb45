"""What the gateway counts, read only when it is asked: the hot path adds plain integers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ws_gateway.fleet.clients import family_of
from ws_gateway.gateway import Gateway


class GatewayCollector(Collector):
    """The gateway's figures as `baleen_gateway_…`; labels hold closed lists, never tickers or clients."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering needs no running gateway."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        hub, sweep = self._gateway.hub, self._gateway.hub.sweep
        yield self._gauge("connections", "Clients connected.", len(hub))
        yield self._gauge("tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
        yield self._gauge("lanes", "Different wishes among the clients.", len(hub.lanes))
        yield self._gauge("flush_interval_seconds", "Pause between flushes of a client.", sweep.pace.interval)
        yield self._gauge("buffered_bytes", "Bytes that wait for slow clients.", hub.buffered())
        yield self._count("connects", "Clients accepted.", hub.connects)
        yield self._count("disconnects", "Clients gone.", hub.disconnects)
        yield self._count("messages", "Messages taken from the bus.", self._gateway.taken)
        yield self._count("deliveries", "Messages given to clients.", sweep.delivered)
        yield self._count("frames_encoded", "Frames made; each is shared by all its readers.", hub.encoded)
        yield self._count("flushes", "Flushes of a cohort of clients.", sweep.flushes)
        yield self._count("flush_seconds", "Processor time spent flushing.", sweep.seconds)
        forged = sum(follower.stats.forged for follower in self._gateway.followers)
        yield self._count("forgeries", "Bus messages dropped because no stream stored them.", forged)
        yield self._count("gaps", "Gaps that streams announced.", self._gateway.gaps)
        closes = CounterMetricFamily(
            "baleen_gateway_closes", "Connections that the gateway ended.", labels=["code", "reason"]
        )
        for (code, reason), count in hub.farewells.items():
            closes.add_metric([str(code), reason.value], count)
        yield closes
        yield self._by_reason("refusals", "Client input that was not obeyed.", hub.refusals)
        chunks = self._gateway.rereader.chunks if self._gateway.rereader is not None else 0
        yield self._count("stream_reads", "Pieces of streams read for single clients.", chunks)
        yield self._by_reason("resumes", "Clients told what they had missed.", self._gateway.resumed, "how")
        sizes = self._gateway.snapshots
        words = "Messages that clients were shown of the past, when they came or asked."
        yield HistogramMetricFamily(
            "baleen_gateway_snapshot_messages", words, buckets=sizes.buckets(), sum_value=sizes.total
        )
        yield self._by_reason("dropped", "Bus messages that could not be shown.", hub.dropped)
        yield from self._of_the_door()
        yield from self._of_the_slow()
        yield from self._of_the_fleet()

    def _of_the_door(self) -> Iterator[Metric]:
        entry = self._gateway.entry
        keyring, refused = entry.keyring, entry.handshakes.refused
        yield self._gauge("unidentified", "Clients that have not said yet who they are.", entry.unidentified)
        yield self._by_reason("denials", "Tokens, or clients by their tokens, not let in.", entry.denials)
        yield self._count("handshakes_refused", "Handshakes sent away because they came too early.", refused)
        yield self._gauge("keys", "Keys that tokens are checked with.", len(keyring.keys))
        yield self._count("key_readings", "Key sets that were read and hold.", keyring.readings)
        yield self._count("key_failures", "Key sets that could not be read.", keyring.failures)

    def _of_the_slow(self) -> Iterator[Metric]:
        hub = self._gateway.hub
        by_dialect = Counter(family_of(wire) for wire in hub.wires)
        clients = GaugeMetricFamily("baleen_gateway_clients", "Clients connected.", labels=["dialect"])
        for dialect, count in sorted(by_dialect.items()):
            clients.add_metric([dialect], count)
        yield clients
        lagging = sum(wire.lagging for wire in hub.wires)
        yield self._gauge("lagging", "Clients whose socket takes nothing more at the moment.", lagging)
        catching_up = sum(wire.behind for wire in hub.wires)
        yield self._gauge("catching_up", "Clients that fell behind and catch up from a stream.", catching_up)
        conflated, skipped = hub.books.conflated, hub.books.skipped
        yield self._count("conflated", "Messages passed over for a newer one of their subject.", conflated)
        yield self._count("skipped", "Messages dropped as their client fell behind.", skipped)
        yield self._by_reason("fell_behind", "Times that a client fell behind.", hub.laggards.fallen)

    def _of_the_fleet(self) -> Iterator[Metric]:
        fleet = self._gateway.fleet
        wanted, known = fleet.demand.wanted, len(fleet.presence.others()) + 1
        yield self._gauge("wishes", "Upstream topics that are wished for.", wanted.wished)
        yield self._gauge(
            "wishes_left_out", "Upstream topics not wished for, being too many.", wanted.left_out
        )
        yield self._gauge("workers_known", "Workers of all gateways that this one knows.", known)

    @staticmethod
    def _gauge(name: str, words: str, value: float) -> Metric:
        return GaugeMetricFamily(f"baleen_gateway_{name}", words, value)

    @staticmethod
    def _count(name: str, words: str, value: float) -> Metric:
        return CounterMetricFamily(f"baleen_gateway_{name}", words, value)

    @staticmethod
    def _by_reason(name: str, words: str, counts: Mapping[Any, int], label: str = "reason") -> Metric:
        family = CounterMetricFamily(f"baleen_gateway_{name}", words, labels=[label])
        for reason, count in counts.items():
            family.add_metric([str(reason)], count)
        return family
