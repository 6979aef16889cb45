"""The gateway: what it takes, gives, refuses and ends, who lags, what flushing costs. Pure."""

from __future__ import annotations

from typing import Final

from observability.dashboards.board import CHOSEN, Board, Colour, Panel, Query, Row, Unit, light

_RATE: Final = f"{{{CHOSEN}}}[$__rate_interval]"
_NOW: Final = f"{{{CHOSEN}}}"


def _rate(name: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate(baleen_gateway_{name}_total{_RATE}))"


def _sum(name: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (baleen_gateway_{name}{_NOW})"


_GLANCE: Final = Row(
    "At a glance",
    (
        light(
            "Clients",
            "Clients of all gateways. 0 is red only where somebody should be there: see whether they reach "
            "the door (handshakes, denials).",
            _sum("connections"),
            limits=((None, Colour.DOUBTFUL), (1, Colour.GOOD)),
        ),
        light(
            "Busiest process",
            "Clients of the process that has most. About 5,000 each is what the autoscaler aims at; beyond "
            "that add workers or pods.",
            f"max(baleen_gateway_connections{_NOW})",
            limits=((None, Colour.GOOD), (6000, Colour.DOUBTFUL), (10000, Colour.BAD)),
        ),
        light(
            "Lagging",
            "Clients whose socket takes nothing more. A few are their own lines; all at once are this "
            "machine's network or processor.",
            f"{_sum('lagging')} / clamp_min({_sum('connections')}, 1)",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.05, Colour.DOUBTFUL), (0.25, Colour.BAD)),
        ),
        light(
            "Processor spent on flushing",
            "Of one core, in the process that flushes most. Near 100 % everybody waits: add workers or pods.",
            f"max(rate(baleen_gateway_flush_seconds_total{_RATE}))",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.6, Colour.DOUBTFUL), (0.85, Colour.BAD)),
        ),
        light(
            "Gaps in an hour",
            "Holes that streams announced. Clients were told; find the cause at uw-ingest and NATS.",
            f"max(increase(baleen_gateway_gaps_total{{{CHOSEN}}}[1h]))",
            limits=((None, Colour.GOOD), (1, Colour.DOUBTFUL)),
        ),
        light(
            "Forged in an hour",
            "Messages on the bus that no stream stored. Somebody publishes around the streams: look at the "
            "users' permissions.",
            f"max(increase(baleen_gateway_forgeries_total{{{CHOSEN}}}[1h]))",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
    ),
)

_RED: Final = Row(
    "Rate, errors, duration",
    (
        Panel(
            "Taken from the bus",
            "Messages, by process. A process that takes less than the others has lost its streams: restart "
            "it, and look at its /readyz first.",
            Unit.PER_SECOND,
            (Query(_rate("messages", "instance, worker"), "{{instance}} {{worker}}"),),
        ),
        Panel(
            "Given to clients",
            "Messages given, and frames made for them; the ratio says how many clients share a frame.",
            Unit.PER_SECOND,
            (Query(_rate("deliveries"), "given"), Query(_rate("frames_encoded"), "frames made")),
        ),
        Panel(
            "Refused input by reason",
            "What clients asked and were refused. One reason that jumps: a client was released with a "
            "fault, and `GET /v1/clients` tells which.",
            Unit.PER_SECOND,
            (Query(_rate("refusals", "reason"), "{{reason}}"),),
            quiet="a client asks for what there is not",
        ),
        Panel(
            "Connections ended by code",
            "Those that the gateway ended (docs/close-codes.md). Many at once with the same code and reason "
            "have one cause.",
            Unit.PER_SECOND,
            (Query(_rate("closes", "code, reason"), "{{code}} {{reason}}"),),
            quiet="the gateway ends a connection (drill: fill a client's buffer)",
        ),
        Panel(
            "Not let in",
            "Tokens refused, by reason, and handshakes sent away for coming too early. Many `expired`: a "
            "client that does not renew its token.",
            Unit.PER_SECOND,
            (
                Query(_rate("denials", "reason"), "{{reason}}"),
                Query(_rate("handshakes_refused"), "handshake too early"),
            ),
            quiet="a client comes with a token that is no good; handshakes are always told",
        ),
        Panel(
            "Not shown, by reason",
            "Messages on the bus that cannot be shown: `unknown_subject` is a newer publisher, `unsayable` "
            "one whose body does not fit the dialect.",
            Unit.PER_SECOND,
            (Query(_rate("dropped", "reason"), "{{reason}}"),),
            quiet="somebody publishes what the contracts do not know",
        ),
    ),
)

_CLIENTS: Final = Row(
    "Clients",
    (
        Panel(
            "Clients by dialect",
            "Who is connected. A step down everywhere is a gateway that left; clients come back within "
            "seconds.",
            Unit.COUNT,
            (Query(_sum("clients", "dialect"), "{{dialect}}"),),
            needs="a client is connected",
        ),
        Panel(
            "Coming and going",
            "Connects and disconnects. Both high for minutes: clients that are ended again and again, see "
            "the codes.",
            Unit.PER_SECOND,
            (Query(_rate("connects"), "come"), Query(_rate("disconnects"), "go")),
        ),
        Panel(
            "Different wishes and the unidentified",
            "Wishes decide what encoding costs: clients of the same wish share it. The unidentified have "
            "not yet said who they are.",
            Unit.COUNT,
            (
                Query(_sum("lanes"), "different wishes"),
                Query(_sum("unidentified"), "unidentified"),
                Query(f"max(baleen_gateway_wishes{_NOW})", "upstream topics wished for"),
                Query(f"max(baleen_gateway_wishes_left_out{_NOW})", "wishes left out"),
            ),
        ),
        Panel(
            "Told what they missed",
            "Clients that came back and said where they had been: from memory, from a stream, or nothing "
            "was missing.",
            Unit.PER_SECOND,
            (Query(_rate("resumes", "how"), "{{how}}"),),
            quiet="a client resumes (drill: kill a gateway)",
        ),
        Panel(
            "Past shown when they came",
            "Messages of the past, half of the clients and nearly all; large ones cost memory and time at "
            "reconnects.",
            Unit.COUNT,
            (
                Query(
                    f"histogram_quantile(0.5, sum by (le) (baleen_gateway_snapshot_messages_bucket{_NOW}))",
                    "half get no more than",
                ),
                Query(
                    f"histogram_quantile(0.99, sum by (le) (baleen_gateway_snapshot_messages_bucket{_NOW}))",
                    "99 % get no more than",
                ),
            ),
        ),
        Panel(
            "Processes that know each other",
            "Workers of all gateways, as each knows them. Different numbers for minutes: one of them is cut "
            "off from the bus.",
            Unit.COUNT,
            (Query(f"baleen_gateway_workers_known{_NOW}", "{{instance}} {{worker}}"),),
        ),
    ),
)

_LAG: Final = Row(
    "Lag and conflation",
    (
        Panel(
            "Lagging and catching up",
            "Clients whose socket is full, and clients that fell behind and read on from a stream.",
            Unit.COUNT,
            (Query(_sum("lagging"), "lagging"), Query(_sum("catching_up"), "catching up")),
        ),
        Panel(
            "Waiting for slow clients",
            "Bytes kept, by process. It is bounded per client; what is beyond is conflated or the client "
            "falls behind.",
            Unit.BYTES,
            (Query(_sum("buffered_bytes", "instance, worker"), "{{instance}} {{worker}}"),),
        ),
        Panel(
            "Conflated and skipped",
            "Conflated: passed over for a newer one of the same subject, as promised for quotes. Skipped: "
            "dropped as the client fell behind; it is told, and catches up.",
            Unit.PER_SECOND,
            (Query(_rate("conflated"), "conflated"), Query(_rate("skipped"), "skipped")),
        ),
        Panel(
            "Fell behind, by reason",
            "How often, and which bound was met. `too_many_slow_clients`: this process gave up on the "
            "slowest to spare the others.",
            Unit.PER_SECOND,
            (Query(_rate("fell_behind", "reason"), "{{reason}}"),),
            quiet="a client reads too slowly (drill: fill a client's buffer)",
            width=12,
        ),
        Panel(
            "Reads of streams",
            "Pieces of streams read for single clients. High for long: many catch up at once, after an "
            "outage or because they never keep up.",
            Unit.PER_SECOND,
            (Query(_rate("stream_reads"), "reads"),),
            width=12,
        ),
    ),
)

_FLUSH: Final = Row(
    "Flushing",
    (
        Panel(
            "Pause between flushes",
            "What the gateway chose. It grows with load, so that more is sent at once; data is late by as "
            "much.",
            Unit.SECONDS,
            (
                Query(
                    f"max by (instance, worker) (baleen_gateway_flush_interval_seconds{_NOW})",
                    "{{instance}} {{worker}}",
                ),
            ),
        ),
        Panel(
            "Flushes, and what each costs",
            "Processor time of a flush of one cohort of clients.",
            Unit.SECONDS,
            (
                Query(
                    f"sum(rate(baleen_gateway_flush_seconds_total{_RATE})) "
                    f"/ clamp_min({_rate('flushes')}, 1e-9)",
                    "processor time of a flush",
                ),
            ),
        ),
        Panel(
            "Tasks of the event loop",
            "Does not grow with clients. If it does, something leaks: keep the figures of `GET /v1/clients` "
            "and restart.",
            Unit.COUNT,
            (Query(_sum("tasks", "instance, worker"), "{{instance}} {{worker}}"),),
        ),
        Panel(
            "Keys for tokens",
            "Keys known, and readings of the key set that failed. No key lets nobody in: look at the key "
            "set's URL.",
            Unit.COUNT,
            (
                Query(f"max(baleen_gateway_keys{_NOW})", "keys"),
                Query(f"sum(increase(baleen_gateway_key_readings_total{{{CHOSEN}}}[1h]))", "read in an hour"),
                Query(
                    f"sum(increase(baleen_gateway_key_failures_total{{{CHOSEN}}}[1h]))", "failed in an hour"
                ),
            ),
            width=24,
        ),
    ),
)

GATEWAY: Final = Board(
    uid="baleen-gateway",
    title="Baleen / Gateway",
    says="What clients get, who lags, and what it costs.",
    known_by="baleen_gateway_connections",
    rows=(_GLANCE, _RED, _CLIENTS, _LAG, _FLUSH),
)
