"""The catalogue of metrics: everything that a rule or a panel may name. Pure.

It is written down, not read off the collectors: some families have no sample, and so no label to read, until
something rare has happened. The test that compares it, both ways, with what running services show keeps it
true: no name, type, label or meaning may differ, none may be missing here or there.

Names are those of the exposition, counters with their `_total`. A histogram named `x` has the series
`x_bucket`, `x_sum` and `x_count`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Row = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of metrics.

    Attributes:
        name: as PromQL writes it.
        kind: counter, gauge or histogram.
        labels: those that its samples have, beside `le` and what Prometheus adds.
        meaning: the text that `/metrics` shows with it.
        job: the service that shows it, which is also the value of Prometheus' label `job`.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    job: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that PromQL knows it by."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _of(job: str, prefix: str, *rows: Row) -> tuple[Metric, ...]:
    return tuple(
        Metric(prefix + name, kind, (*labels.split(),), text, job) for name, kind, labels, text in rows
    )


INGEST: Final = _of(
    "uw-ingest",
    "baleen_ingest_",
    ("frames_received_total", "counter", "", "Frames the socket brought."),
    ("frames_overflowed_total", "counter", "", "Frames dropped, the buffer being full."),
    ("join_answers_total", "counter", "", "Answers to joins; never published."),
    ("refused_total", "counter", "reason", "Frames and rows not published, by reason."),
    ("accepted_total", "counter", "feed", "Valid contract messages made, by feed."),
    ("published_total", "counter", "", "Messages acked by a stream."),
    ("duplicates_total", "counter", "", "Of these, known to the stream already."),
    ("dropped_total", "counter", "reason", "Messages the bus would not take, by reason."),
    ("gaps_total", "counter", "", "Holes announced."),
    ("backlog", "gauge", "place", "Frames and messages on their way to the bus."),
    ("backlog_limit", "gauge", "place", "How many of them each place takes."),
    ("last_message_age_seconds", "gauge", "feed", "Since a feed's last message was received."),
    ("feed_state", "gauge", "feed state", "1 for how a feed stands, of those for which this replica speaks."),
    ("market_open", "gauge", "", "1 during the exchange's regular session."),
    ("upstream_connected", "gauge", "", "Open upstream sockets of this replica."),
    ("upstream_sockets_opened_total", "counter", "", "Sockets this replica opened."),
    ("upstream_failures_total", "counter", "kind", "Sockets lost or not opened, by kind."),
    ("bus_connected", "gauge", "", "Whether the bus is connected."),
    ("bus_reconnects_total", "counter", "", "Reconnects to the bus."),
    ("leases_held", "gauge", "kind", "Leases that this replica holds, by kind."),
    ("socket_ceiling", "gauge", "", "Sockets that may be open at once."),
    ("channels_planned", "gauge", "", "Channels that the plan joins."),
    ("wishes_unserved", "gauge", "", "Wishes that cannot be served."),
    ("shared_state_malformed", "gauge", "", "Entries on the bus that nobody can read."),
    ("recording_dropped_total", "counter", "", "Frames dropped for slow recorders."),
    ("rest_calls_total", "counter", "status", "REST calls, by HTTP status or failed."),
    ("rest_day_used", "gauge", "", "REST calls upstream has counted today."),
    ("rest_day_limit", "gauge", "", "REST calls a day, as upstream says."),
)

GATEWAY: Final = _of(
    "ws-gateway",
    "baleen_gateway_",
    ("workers", "gauge", "", "Worker processes that serve."),
    ("worker_restarts_total", "counter", "", "Worker processes that were started again."),
    ("connections", "gauge", "", "Clients connected."),
    ("tasks", "gauge", "", "Tasks of the event loop."),
    ("lanes", "gauge", "", "Different wishes among the clients."),
    ("flush_interval_seconds", "gauge", "", "Pause between flushes of a client."),
    ("buffered_bytes", "gauge", "", "Bytes that wait for slow clients."),
    ("connects_total", "counter", "", "Clients accepted."),
    ("disconnects_total", "counter", "", "Clients gone."),
    ("messages_total", "counter", "", "Messages taken from the bus."),
    ("deliveries_total", "counter", "", "Messages given to clients."),
    ("frames_encoded_total", "counter", "", "Frames made; each is shared by all its readers."),
    ("flushes_total", "counter", "", "Flushes of a cohort of clients."),
    ("flush_seconds_total", "counter", "", "Processor time spent flushing."),
    ("forgeries_total", "counter", "", "Bus messages dropped because no stream stored them."),
    ("gaps_total", "counter", "", "Gaps that streams announced."),
    ("closes_total", "counter", "code reason", "Connections that the gateway ended."),
    ("refusals_total", "counter", "reason", "Client input that was not obeyed."),
    ("stream_reads_total", "counter", "", "Pieces of streams read for single clients."),
    ("resumes_total", "counter", "how", "Clients told what they had missed."),
    (
        "snapshot_messages",
        "histogram",
        "",
        "Messages that clients were shown of the past, when they came or asked.",
    ),
    ("dropped_total", "counter", "reason", "Bus messages that could not be shown."),
    ("unidentified", "gauge", "", "Clients that have not said yet who they are."),
    ("denials_total", "counter", "reason", "Tokens, or clients by their tokens, not let in."),
    ("handshakes_refused_total", "counter", "", "Handshakes sent away because they came too early."),
    ("keys", "gauge", "", "Keys that tokens are checked with."),
    ("key_readings_total", "counter", "", "Key sets that were read and hold."),
    ("key_failures_total", "counter", "", "Key sets that could not be read."),
    ("clients", "gauge", "dialect", "Clients connected."),
    ("lagging", "gauge", "", "Clients whose socket takes nothing more at the moment."),
    ("catching_up", "gauge", "", "Clients that fell behind and catch up from a stream."),
    ("conflated_total", "counter", "", "Messages passed over for a newer one of their subject."),
    ("skipped_total", "counter", "", "Messages dropped as their client fell behind."),
    ("fell_behind_total", "counter", "reason", "Times that a client fell behind."),
    ("wishes", "gauge", "", "Upstream topics that are wished for."),
    ("wishes_left_out", "gauge", "", "Upstream topics not wished for, being too many."),
    ("workers_known", "gauge", "", "Workers of all gateways that this one knows."),
)

ALERT_BRIDGE: Final = _of(
    "alert-bridge",
    "baleen_alert_bridge_",
    ("requests_total", "counter", "dialect outcome", "Requests by dialect and outcome."),
    (
        "request_seconds",
        "histogram",
        "dialect",
        "Time from a whole request to its answer, the wait for the bus included.",
    ),
    ("waiting_alerts", "gauge", "", "Alerts on their way to the bus."),
    ("bus_connected", "gauge", "", "1 while the bus is connected."),
    (
        "rules_valid",
        "gauge",
        "",
        "1 while the rules in force are those of the file; 0 while the file is wrong and older ones are.",
    ),
    ("spool_alerts", "gauge", "", "Alerts kept on disk for the bus."),
    ("spool_bytes", "gauge", "", "What they count against the bound of the spool."),
    ("spool_max_bytes", "gauge", "", "The bound of the spool."),
    ("spool_oldest_seconds", "gauge", "", "Age of the oldest alert kept."),
    ("spool_failing", "gauge", "", "1 while the disk does not take what is to be kept."),
    ("spool_refused_alerts", "gauge", "", "Alerts kept that the bus will not have."),
    ("spool_carried_total", "counter", "", "Alerts that went from the disk to the bus."),
    ("account_accepted", "gauge", "destination", "Alerts stored since the destination was first served."),
    ("account_delivered", "gauge", "destination", "Of these, it has."),
    ("account_in_flight", "gauge", "destination", "Of these, have not ended."),
    (
        "account_unaccounted",
        "gauge",
        "destination",
        "Accepted less delivered, suppressed, dead and in flight: 0 when it is quiet.",
    ),
    (
        "account_possible_duplicates",
        "gauge",
        "destination",
        "Requests that said again what an earlier one may have said.",
    ),
    ("account_suppressed", "gauge", "destination reason", "Of these, it was not to be told."),
    ("account_dead", "gauge", "destination reason", "Of these, it will not get."),
    ("account_age_seconds", "gauge", "", "How old the other account gauges are."),
    (
        "send_seconds",
        "histogram",
        "destination outcome",
        "Time of one request to a destination, by how it ended.",
    ),
    ("destination_standing", "gauge", "destination reason", "1 for how it fares."),
    ("open_alerts", "gauge", "destination", "Alerts that were taken for a destination and have not ended."),
    ("behind_alerts", "gauge", "destination", "Alerts stored that were not taken for a destination yet."),
    ("oldest_alert_seconds", "gauge", "destination", "Age of the oldest alert that is open."),
    ("told_early_alerts", "gauge", "destination", "Alerts told before their time, since too many were held."),
    (
        "watch_matches_total",
        "counter",
        "rule outcome",
        "Messages that a watch matched, by what became of them.",
    ),
    (
        "watch_failures_total",
        "counter",
        "rule",
        "Alerts of a watch that could not be made, or that the bus refused.",
    ),
    ("watch_messages_total", "counter", "", "Messages that watches looked at."),
    ("watch_gaps_total", "counter", "", "Ranges of messages that the watches did not hear."),
    ("watching", "gauge", "", "1 while this replica is the one that watches."),
    ("watch_open_messages", "gauge", "", "Messages whose alerts are on their way to the bus."),
)

NATS: Final = _of(
    "nats",
    "nats_",
    ("stream_total_bytes", "gauge", "stream_name", "Bytes that a stream holds."),
    ("stream_limit_bytes", "gauge", "stream_name", "Bytes that a stream may hold; -1 for no limit."),
    ("stream_total_messages", "gauge", "stream_name", "Messages that a stream holds."),
    ("stream_last_seq", "gauge", "stream_name", "Number of a stream's newest message."),
    ("stream_consumer_count", "gauge", "stream_name", "Consumers of a stream."),
    ("consumer_num_pending", "gauge", "stream_name consumer_name", "Messages a consumer was not sent yet."),
    ("consumer_num_ack_pending", "gauge", "stream_name consumer_name", "Messages sent and not acked yet."),
    ("consumer_num_redelivered", "gauge", "stream_name consumer_name", "Messages sent more than once."),
    ("server_total_message_bytes", "gauge", "", "Bytes that the server's streams hold."),
    ("server_max_storage", "gauge", "", "Bytes that they may hold on disk."),
    ("server_jetstream_disabled", "gauge", "", "1 while JetStream is off."),
    ("varz_connections", "gauge", "", "Connections of clients."),
    ("varz_slow_consumers", "gauge", "", "Clients that the server cut for reading too slowly."),
    ("varz_subscriptions", "gauge", "", "Subscriptions."),
    ("varz_mem", "gauge", "", "Bytes of memory."),
    ("varz_cpu", "gauge", "", "Percent of one core."),
    ("varz_in_msgs", "gauge", "", "Messages received since the server began."),
    ("varz_out_msgs", "gauge", "", "Messages sent since the server began."),
    ("varz_in_bytes", "gauge", "", "Bytes received since the server began."),
    ("varz_out_bytes", "gauge", "", "Bytes sent since the server began."),
)
"""What is used of NATS: nats-server shows Prometheus nothing, its exporter with `-prefix=nats` does."""

PROMETHEUS: Final = _of(
    "prometheus",
    "",
    ("up", "gauge", "job instance", "1 while a target can be scraped."),
    ("ALERTS", "gauge", "alertname alertstate severity", "1 for every alert that is pending or firing."),
)
"""What Prometheus makes itself."""

OURS: Final = (*INGEST, *GATEWAY, *ALERT_BRIDGE)
CATALOGUE: Final = (*OURS, *NATS, *PROMETHEUS)
LABELS_PER_WORKER: Final = "worker"
"""Every metric of a gateway with several workers has this label too, but those about the workers."""


def unknown(names: Iterable[str]) -> list[str]:
    """Which of the names that an expression uses no metric has."""
    known = {series for metric in CATALOGUE for series in metric.series}
    return sorted(set(names) - known)
