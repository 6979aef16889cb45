"""NATS as its exporter tells of it, started with `-prefix=nats`, as the official chart does. Pure."""

from __future__ import annotations

from typing import Final

from observability.dashboards.board import CHOSEN, Board, Colour, Panel, Query, Row, Unit, light

_NOW: Final = f"{{{CHOSEN}}}"
_LED: Final = f'{{is_stream_leader="true",{CHOSEN}}}'
_LEADING: Final = f'{{is_consumer_leader="true",{CHOSEN}}}'
_RATE: Final = f"{{{CHOSEN}}}[$__rate_interval]"


def _by_server(name: str) -> str:
    """The exporter tells counters as gauges; their rates are meant all the same."""
    return f"sum by (server_id) (rate(nats_varz_{name}{_RATE}))"


_GLANCE: Final = Row(
    "At a glance",
    (
        light(
            "Servers",
            "Servers that their exporters reach. Fewer than were started: look at the pod or container that "
            "is missing; with one of three gone nothing is lost.",
            f"count(nats_varz_connections{_NOW})",
            limits=((None, Colour.BAD), (1, Colour.GOOD)),
        ),
        light(
            "JetStream",
            "Servers whose JetStream is off. Then nothing is stored: the disk is full or was not mounted, "
            "and the server's log says which.",
            f"sum(nats_server_jetstream_disabled{_NOW})",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Disk of its bound",
            "What streams hold of what the server may store. At 100 % publishing is refused: give the "
            "volume room, or have the streams keep less.",
            f"max(nats_server_total_message_bytes{_NOW} / nats_server_max_storage{_NOW})",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.7, Colour.DOUBTFUL), (0.9, Colour.BAD)),
        ),
        light(
            "Slow consumers in an hour",
            "Connections that the servers ended for reading too slowly. The servers' logs name them; ours "
            "come back and announce gaps.",
            f"sum(increase(nats_varz_slow_consumers{{{CHOSEN}}}[1h]))",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Connections",
            "Clients of all servers: some for each process of ours, and other teams.",
            f"sum(nats_varz_connections{_NOW})",
            limits=((None, Colour.BAD), (1, Colour.GOOD)),
        ),
        light(
            "Streams",
            "Streams and buckets with a leader. Fewer than the bootstrap made: run it again, or wait for an "
            "election.",
            f"count(nats_stream_total_messages{_LED})",
            limits=((None, Colour.BAD), (1, Colour.GOOD)),
        ),
    ),
)

_SERVERS: Final = Row(
    "Servers",
    (
        Panel(
            "Messages in and out",
            "By server. Out is in times the readers.",
            Unit.PER_SECOND,
            (
                Query(_by_server("in_msgs"), "in {{server_id}}"),
                Query(_by_server("out_msgs"), "out {{server_id}}"),
            ),
        ),
        Panel(
            "Bytes in and out",
            "By server. Near the line's rate: spread the readers over the servers.",
            Unit.BYTES_PER_SECOND,
            (
                Query(_by_server("in_bytes"), "in {{server_id}}"),
                Query(_by_server("out_bytes"), "out {{server_id}}"),
            ),
        ),
        Panel(
            "Connections by server",
            "All on one server after a restart is usual; they spread again when clients reconnect.",
            Unit.COUNT,
            (Query(f"sum by (server_id) (nats_varz_connections{_NOW})", "{{server_id}}"),),
        ),
        Panel(
            "Processor",
            "Percent of one core, by server. At the limit of its pod, acknowledgements are late and "
            "publishers queue.",
            Unit.PERCENT,
            (Query(f"sum by (server_id) (nats_varz_cpu{_NOW})", "{{server_id}}"),),
        ),
        Panel(
            "Memory",
            "By server. Steady growth: very many subjects, or consumers that nobody deletes.",
            Unit.BYTES,
            (Query(f"sum by (server_id) (nats_varz_mem{_NOW})", "{{server_id}}"),),
        ),
        Panel(
            "Subscriptions",
            "By server. Growth without more clients: a client that subscribes and never leaves.",
            Unit.COUNT,
            (Query(f"sum by (server_id) (nats_varz_subscriptions{_NOW})", "{{server_id}}"),),
        ),
    ),
)

_STREAMS: Final = Row(
    "Streams, as their leaders tell",
    (
        Panel(
            "Stored by stream",
            "Messages a second that each stream takes. TAPE at 0 in market hours: see uw-ingest.",
            Unit.PER_SECOND,
            (
                Query(
                    f'sum by (stream_name) (rate(nats_stream_last_seq{{is_stream_leader="true",{CHOSEN}}}'
                    "[$__rate_interval]))",
                    "{{stream_name}}",
                ),
            ),
        ),
        Panel(
            "Messages held",
            "By stream. A step to 0: the stream was made anew, and readers begin afresh.",
            Unit.COUNT,
            (Query(f"sum by (stream_name) (nats_stream_total_messages{_LED})", "{{stream_name}}"),),
        ),
        Panel(
            "Bytes held",
            "By stream; each has a bound of its own, at which the oldest go.",
            Unit.BYTES,
            (Query(f"sum by (stream_name) (nats_stream_total_bytes{_LED})", "{{stream_name}}"),),
        ),
        Panel(
            "Consumers by stream",
            "Readers that the servers know. Growth without end: somebody makes durable ones and never "
            "deletes them.",
            Unit.COUNT,
            (Query(f"sum by (stream_name) (nats_stream_consumer_count{_LED})", "{{stream_name}}"),),
        ),
        Panel(
            "Behind, by consumer",
            "Messages that a reader has not been sent. Growing: that reader is too slow or gone.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (stream_name, consumer_name) (nats_consumer_num_pending{_LEADING})",
                    "{{stream_name}} {{consumer_name}}",
                ),
            ),
        ),
        Panel(
            "Not acknowledged, by consumer",
            "Sent and not acknowledged, and sent again. Sent again and again: its reader fails on the same "
            "message.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (stream_name, consumer_name) (nats_consumer_num_ack_pending{_LEADING})",
                    "{{stream_name}} {{consumer_name}}",
                ),
                Query(
                    f"sum by (stream_name, consumer_name) (nats_consumer_num_redelivered{_LEADING})",
                    "{{stream_name}} {{consumer_name}} again",
                ),
            ),
        ),
    ),
)

BUS: Final = Board(
    uid="baleen-nats",
    title="Baleen / NATS",
    says="The servers, the streams and their readers, by the NATS exporter with the prefix `nats`.",
    known_by="nats_varz_connections",
    rows=(_GLANCE, _SERVERS, _STREAMS),
)
