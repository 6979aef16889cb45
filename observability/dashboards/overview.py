"""Is data flowing, from upstream to clients, and alerts, from senders to destinations? Pure."""

from __future__ import annotations

from typing import Final

from observability.dashboards.board import CHOSEN, Board, Colour, Panel, Query, Row, Unit, light

_RATE: Final = f"{{{CHOSEN}}}[$__rate_interval]"
_SHORT: Final = f"{{{CHOSEN}}}[5m]"
_NOW: Final = f"{{{CHOSEN}}}"
_FLOWS: Final = ((None, Colour.BAD), (1, Colour.GOOD))
_CLOSED: Final = f"(max(baleen_ingest_market_open{_NOW}) == bool 0)"

_FRAMES: Final = f"sum(rate(baleen_ingest_frames_received_total{_SHORT}))"
_STORED: Final = f"sum(rate(baleen_ingest_published_total{_SHORT}))"
_TAKEN: Final = f"sum(rate(baleen_gateway_messages_total{_SHORT}))"
_GIVEN: Final = f"sum(rate(baleen_gateway_deliveries_total{_SHORT}))"
_CLIENTS: Final = f"sum(baleen_gateway_connections{_NOW})"

_GLANCE: Final = Row(
    "Is data flowing? Each light needs those left of it",
    (
        light(
            "1 Upstream",
            "Whether frames came within five minutes; silence while the exchange is closed is green. Red: "
            "see the sockets on the dashboard Upstream budget.",
            f"clamp_max(({_FRAMES} > bool 0) + {_CLOSED}, 1)",
            limits=_FLOWS,
            words={0: "silent", 1: "flows"},
        ),
        light(
            "2 Published",
            "Whether what came was stored on the bus. Red with the first green: the bus is away or refuses; "
            "see the backlog on Upstream budget, then NATS.",
            f"clamp_max(({_STORED} > bool 0) + ({_FRAMES} == bool 0), 1)",
            limits=_FLOWS,
            words={0: "not stored", 1: "flows"},
        ),
        light(
            "3 Gateway takes",
            "Whether gateways take what is stored. Red with the second green: /readyz of ws-gateway says "
            "what it lacks.",
            f"clamp_max(({_TAKEN} > bool 0) + ({_STORED} == bool 0), 1)",
            limits=_FLOWS,
            words={0: "takes nothing", 1: "flows"},
        ),
        light(
            "4 Clients get it",
            "Whether clients are given messages; without clients it is green. Red: see lag on the dashboard "
            "Gateway, or the clients wish for what does not come.",
            f"clamp_max(({_GIVEN} > bool 0) + ({_CLIENTS} == bool 0) + {_CLOSED}, 1)",
            limits=_FLOWS,
            words={0: "get nothing", 1: "flows"},
        ),
        light(
            "5 Alerts in",
            "Whether every alert-bridge reaches the bus. Red: alerts wait in the spool, or senders get 503.",
            f"min(baleen_alert_bridge_bus_connected{_NOW})",
            limits=_FLOWS,
            words={0: "cut off", 1: "taken"},
        ),
        light(
            "6 Alerts out",
            "Age of the oldest alert that has not ended. Red: the dashboard Alerts account says at which "
            "destination.",
            f"max(baleen_alert_bridge_oldest_alert_seconds{_NOW}) or vector(0)",
            unit=Unit.SECONDS,
            limits=((None, Colour.GOOD), (30, Colour.DOUBTFUL), (120, Colour.BAD)),
        ),
        light(
            "Feeds in trouble",
            "Feeds that are stale, refused, reconnecting or not entitled. `GET /v1/status` of the gateway "
            "names them, and so does the panel of feeds below.",
            "count(max by (feed) (baleen_ingest_feed_state"
            f'{{state=~"stale|refused|reconnecting|not_entitled",{CHOSEN}}}) > 0) or vector(0)',
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Gaps in an hour",
            "Holes that uw-ingest announced. Clients know of them; find out what broke at that time.",
            f"sum(increase(baleen_ingest_gaps_total{{{CHOSEN}}}[1h]))",
            limits=((None, Colour.GOOD), (1, Colour.DOUBTFUL)),
        ),
        light(
            "REST calls used",
            "Of the day's. Red: see the forecast on Upstream budget.",
            f"max(baleen_ingest_rest_day_used{_NOW}) / max(baleen_ingest_rest_day_limit{_NOW})",
            unit=Unit.SHARE,
            limits=((None, Colour.GOOD), (0.8, Colour.DOUBTFUL), (0.95, Colour.BAD)),
        ),
        light(
            "Clients",
            "Of all gateways.",
            _CLIENTS,
            limits=((None, Colour.DOUBTFUL), (1, Colour.GOOD)),
        ),
        light(
            "Alerts unaccounted",
            "Other than 0 for minutes: an alert is lost or counted twice. `baleen alerts account` names the "
            "destination.",
            f"max(abs(baleen_alert_bridge_account_unaccounted{_NOW})) or vector(0)",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Targets down",
            "Scrapes that fail, of all jobs chosen. A service that is down shows here first: its log's last "
            "line says why.",
            f"count(up{_NOW} == 0) or vector(0)",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
    ),
)

_ROAD: Final = Row(
    "The road of market data",
    (
        Panel(
            "Upstream to the bus",
            "Frames received, messages made of them, messages stored. They go together; where they part is "
            "the fault.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_ingest_frames_received_total{_RATE}))", "frames"),
                Query(f"sum(rate(baleen_ingest_accepted_total{_RATE}))", "accepted"),
                Query(f"sum(rate(baleen_ingest_published_total{_RATE}))", "stored"),
            ),
        ),
        Panel(
            "The bus to gateways",
            "Messages that each gateway process takes. All take the same.",
            Unit.PER_SECOND,
            (
                Query(
                    f"sum by (instance, worker) (rate(baleen_gateway_messages_total{_RATE}))",
                    "{{instance}} {{worker}}",
                ),
            ),
        ),
        Panel(
            "Gateways to clients",
            "Messages given to clients. At 0 with clients: they wish for nothing that comes.",
            Unit.PER_SECOND,
            (Query(f"sum(rate(baleen_gateway_deliveries_total{_RATE}))", "given"),),
        ),
        Panel(
            "Age of a feed's last message",
            "Of the replica that heard it last. Minutes for a feed that is busy in market hours: upstream "
            "is silent on that channel.",
            Unit.SECONDS,
            (Query(f"min by (feed) (baleen_ingest_last_message_age_seconds{_NOW})", "{{feed}}"),),
        ),
        Panel(
            "How feeds stand",
            "Each feed with its state. `live` and `quiet` are good.",
            Unit.COUNT,
            (Query(f"max by (feed, state) (baleen_ingest_feed_state{_NOW}) > 0", "{{feed}} {{state}}"),),
        ),
        Panel(
            "What did not get through",
            "Refused by uw-ingest, dropped for want of room, skipped for slow clients. Each has its panel "
            "on the dashboard of its service.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_ingest_refused_total{_RATE}))", "refused"),
                Query(f"sum(rate(baleen_ingest_frames_overflowed_total{_RATE}))", "overflowed"),
                Query(f"sum(rate(baleen_gateway_skipped_total{_RATE}))", "skipped for slow clients"),
            ),
        ),
    ),
)

_ALERTS: Final = Row(
    "The road of alerts",
    (
        Panel(
            "Alerts in",
            "Requests that brought an alert, and those that did not.",
            Unit.PER_SECOND,
            (
                Query(
                    'sum(rate(baleen_alert_bridge_requests_total{outcome=~"stored|duplicate|spooled",'
                    f"{CHOSEN}}}[$__rate_interval]))",
                    "taken",
                ),
                Query(
                    'sum(rate(baleen_alert_bridge_requests_total{outcome!~"stored|duplicate|spooled|read",'
                    f"{CHOSEN}}}[$__rate_interval]))",
                    "not taken",
                ),
            ),
        ),
        Panel(
            "Alerts out",
            "The account of all destinations: accepted and delivered rise together, less what is suppressed.",
            Unit.COUNT,
            (
                Query(f"sum(max by (destination) (baleen_alert_bridge_account_accepted{_NOW}))", "accepted"),
                Query(
                    f"sum(max by (destination) (baleen_alert_bridge_account_delivered{_NOW}))", "delivered"
                ),
                Query(
                    f"sum(max by (destination) (baleen_alert_bridge_account_in_flight{_NOW}))", "in flight"
                ),
            ),
            needs="the rules name a destination, and it was told of an alert",
        ),
        Panel(
            "Time to accept an alert",
            "99 % of the requests are answered within this.",
            Unit.SECONDS,
            (
                Query(
                    "histogram_quantile(0.99, sum by (le) "
                    f"(rate(baleen_alert_bridge_request_seconds_bucket{_RATE})))",
                    "99 % within",
                ),
            ),
        ),
    ),
)

OVERVIEW: Final = Board(
    uid="baleen-overview",
    title="Baleen / Overview",
    says="Whether data and alerts get from one end to the other. A red light says where to look next.",
    known_by="up",
    rows=(_GLANCE, _ROAD, _ALERTS),
)
