"""What is taken from upstream, and of what is left of it: sockets, joins, REST calls. Pure."""

from __future__ import annotations

from typing import Final

from observability.dashboards.board import CHOSEN, Board, Colour, Panel, Query, Row, Unit, light

_RATE: Final = f"{{{CHOSEN}}}[$__rate_interval]"
_NOW: Final = f"{{{CHOSEN}}}"
_USED: Final = f"max(baleen_ingest_rest_day_used{_NOW})"
_LIMIT: Final = f"max(baleen_ingest_rest_day_limit{_NOW})"
_PACE: Final = f"max(deriv(baleen_ingest_rest_day_used{{{CHOSEN}}}[30m]))"

_SOCKETS: Final = Row(
    "Sockets: how many of those we may open are open",
    (
        light(
            "Sockets open",
            "Open upstream sockets of all replicas. At 0 nothing streams: look at the failures beside this, "
            "then at the body of /readyz of uw-ingest.",
            f"sum(baleen_ingest_upstream_connected{_NOW})",
            limits=((None, Colour.BAD), (1, Colour.GOOD)),
        ),
        light(
            "Sockets above the ceiling",
            "Open sockets less those that may be open at once. Above 0 upstream will close some of them: "
            "find a program outside Baleen that uses the same token.",
            f"clamp_min(sum(baleen_ingest_upstream_connected{_NOW}) "
            f"- max(baleen_ingest_socket_ceiling{_NOW}), 0)",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Wishes unserved",
            "Wishes of clients that fit into no socket. Raise UW_INGEST_SLOTS if the subscription allows "
            "more sockets, or have clients wish for less.",
            f"max(baleen_ingest_wishes_unserved{_NOW})",
            limits=((None, Colour.GOOD), (1, Colour.DOUBTFUL)),
        ),
        light(
            "Planner",
            "Replicas that hold the planner's lease: exactly one. At 0 for longer than a lease lasts, no "
            "replica reaches the bus.",
            f'sum(baleen_ingest_leases_held{{kind="planner",{CHOSEN}}})',
            limits=((None, Colour.BAD), (1, Colour.GOOD), (2, Colour.BAD)),
        ),
        light(
            "REST keeper",
            "Replicas that hold the lease for REST calls: exactly one. Two would spend the budget twice.",
            f'sum(baleen_ingest_leases_held{{kind="rest",{CHOSEN}}})',
            limits=((None, Colour.BAD), (1, Colour.GOOD), (2, Colour.BAD)),
        ),
        light(
            "Unreadable entries",
            "Entries on the bus that no replica can read. Another version wrote them, or a hand did.",
            f"max(baleen_ingest_shared_state_malformed{_NOW})",
            limits=((None, Colour.GOOD), (1, Colour.DOUBTFUL)),
        ),
        Panel(
            "Sockets and ceiling",
            "Sockets open, by replica, below the number that may be. A replica that lost its sockets should "
            "be followed by another within a lease.",
            Unit.COUNT,
            (
                Query(f"sum by (instance) (baleen_ingest_upstream_connected{_NOW})", "{{instance}}"),
                Query(f"max(baleen_ingest_socket_ceiling{_NOW})", "ceiling"),
            ),
        ),
        Panel(
            "Leases held",
            "Leases by kind and replica. One that wanders to and fro means a slow or overloaded bus.",
            Unit.COUNT,
            (Query(f"sum by (kind, instance) (baleen_ingest_leases_held{_NOW})", "{{kind}} {{instance}}"),),
        ),
        Panel(
            "Sockets opened in an hour",
            "Openings, reconnects included. Many in an hour bring upstream to refuse us: see the failures.",
            Unit.COUNT,
            (Query(f"sum(increase(baleen_ingest_upstream_sockets_opened_total{{{CHOSEN}}}[1h]))", "opened"),),
        ),
        Panel(
            "Socket failures by kind",
            "Sockets lost or not opened. The kind is how the reason in the log of uw-ingest begins; /readyz "
            "has the last one whole.",
            Unit.PER_SECOND,
            (Query(f"sum by (kind) (rate(baleen_ingest_upstream_failures_total{_RATE}))", "{{kind}}"),),
            quiet="upstream is cut off (drill: cut upstream)",
            width=24,
        ),
    ),
)

_JOINS: Final = Row(
    "Joins: what the sockets are used for",
    (
        Panel(
            "Channels planned and unserved",
            "Channels that the plan joins, and wishes that did not fit.",
            Unit.COUNT,
            (
                Query(f"max(baleen_ingest_channels_planned{_NOW})", "planned"),
                Query(f"max(baleen_ingest_wishes_unserved{_NOW})", "unserved"),
            ),
        ),
        Panel(
            "Answers to joins",
            "Answers of upstream to joins and leaves. A steady rate means that the plan does not come to "
            "rest.",
            Unit.PER_SECOND,
            (Query(f"sum(rate(baleen_ingest_join_answers_total{_RATE}))", "answers"),),
        ),
        Panel(
            "Feeds by state",
            "How many feeds stand how. `stale` in market hours: upstream is silent; `not_entitled`: the "
            "plan lacks it; `refused`: upstream will not have the join.",
            Unit.COUNT,
            (Query(f"sum by (state) (max by (feed, state) (baleen_ingest_feed_state{_NOW}))", "{{state}}"),),
        ),
    ),
)

_REST: Final = Row(
    "REST: the day's calls",
    (
        light(
            "Used of the day's calls",
            "As upstream counts them. The last 2 % are kept for urgent calls; used up, there are none until "
            "the day turns at 20:00 in New York. Other programs with the same token count too.",
            f"{_USED} / {_LIMIT}",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.8, Colour.DOUBTFUL), (0.95, Colour.BAD)),
            width=6,
        ),
        light(
            "Used in 6 hours at this pace",
            "The share of the day's calls that will have been used in six hours. Above 100 %: lengthen the "
            "intervals of the polled feeds, or find who else uses the token.",
            f"({_USED} + 6 * 3600 * clamp_min({_PACE}, 0)) / {_LIMIT}",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.9, Colour.DOUBTFUL), (1, Colour.BAD)),
            width=6,
        ),
        light(
            "Time until they are used up",
            "At the pace of the last half hour. Shorter than until 20:00 in New York is too short.",
            f"({_LIMIT} - {_USED}) / clamp_min({_PACE}, 0.01)",
            unit=Unit.SECONDS,
            limits=((None, Colour.BAD), (3600, Colour.DOUBTFUL), (6 * 3600, Colour.GOOD)),
            width=6,
        ),
        light(
            "Calls left",
            "What upstream still grants today.",
            f"{_LIMIT} - {_USED}",
            limits=((None, Colour.BAD), (500, Colour.DOUBTFUL), (2000, Colour.GOOD)),
            width=6,
        ),
        Panel(
            "REST calls by status",
            "429: too fast or used up. 401 and 403: the token. `failed`: no answer at all.",
            Unit.PER_SECOND,
            (Query(f"sum by (status) (rate(baleen_ingest_rest_calls_total{_RATE}))", "{{status}}"),),
            width=12,
        ),
        Panel(
            "The day's calls",
            "Used, and the limit that upstream tells.",
            Unit.COUNT,
            (Query(_USED, "used"), Query(_LIMIT, "limit")),
            width=12,
        ),
    ),
)

_FRAMES: Final = Row(
    "Frames: from the socket to the bus",
    (
        Panel(
            "Frames, messages, stored",
            "A frame holds several messages or none. Stored below accepted for minutes: the bus is slow, "
            "see the backlog.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_ingest_frames_received_total{_RATE}))", "frames"),
                Query(f"sum(rate(baleen_ingest_accepted_total{_RATE}))", "accepted"),
                Query(f"sum(rate(baleen_ingest_published_total{_RATE}))", "stored"),
                Query(f"sum(rate(baleen_ingest_duplicates_total{_RATE}))", "known already"),
            ),
        ),
        Panel(
            "Accepted by feed",
            "Messages by feed. One line at 0 while the others move: that channel is silent or was not "
            "joined.",
            Unit.PER_SECOND,
            (Query(f"sum by (feed) (rate(baleen_ingest_accepted_total{_RATE}))", "{{feed}}"),),
        ),
        Panel(
            "Refused by reason",
            "Frames and rows that were not published. A reason that grows with the feed's rate: upstream "
            "changed its format; keep a recording (`baleen record`).",
            Unit.PER_SECOND,
            (
                Query(
                    f"sum by (reason) (rate(baleen_ingest_refused_total{_RATE})) > 0 or "
                    f'label_replace(sum(rate(baleen_ingest_refused_total{_RATE})), "reason", "all", "", "")',
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Backlog of its room",
            "What waits for the bus. At 100 % what comes next is dropped and a gap is announced.",
            Unit.SHARE,
            (
                Query(
                    "max by (instance, place) "
                    f"(baleen_ingest_backlog{_NOW} / baleen_ingest_backlog_limit{_NOW})",
                    "{{place}} {{instance}}",
                ),
            ),
        ),
        Panel(
            "Lost, and said so",
            "Frames dropped for want of room, gaps announced, frames not recorded. Clients were told of the "
            "gaps; find out what held up the bus.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_ingest_frames_overflowed_total{_RATE}))", "overflowed"),
                Query(f"sum(rate(baleen_ingest_gaps_total{_RATE}))", "gaps"),
                Query(f"sum(rate(baleen_ingest_recording_dropped_total{_RATE}))", "not recorded"),
            ),
        ),
        Panel(
            "Not taken by the bus, by reason",
            "Messages given up for good. `denied`: the permissions of uw-ingest on the bus; `rejected`: a "
            "stream is full or gone, run the bootstrap; `too_big`: one message alone.",
            Unit.PER_SECOND,
            (Query(f"sum by (reason) (rate(baleen_ingest_dropped_total{_RATE}))", "{{reason}}"),),
            quiet="the bus refuses messages (drill: take uw-ingest its permissions)",
        ),
    ),
)

UPSTREAM: Final = Board(
    uid="baleen-upstream",
    title="Baleen / Upstream budget",
    says="What we take from upstream, what is left, and what becomes of it until the bus has it.",
    known_by="baleen_ingest_bus_connected",
    rows=(_SOCKETS, _JOINS, _REST, _FRAMES),
)
