"""Alerts: the account of every destination, the doors in, the deliveries, the spool, the watches. Pure."""

from __future__ import annotations

from typing import Final

from observability.dashboards.board import CHOSEN, Board, Colour, Panel, Query, Row, Unit, light

_RATE: Final = f"{{{CHOSEN}}}[$__rate_interval]"
_NOW: Final = f"{{{CHOSEN}}}"
_SPOOLED: Final = "a spool is configured (ALERT_BRIDGE_SPOOL)"
_WATCHED: Final = "the rules have a watch"
_SERVED: Final = "the rules name a destination, and it was told of an alert"


def _account(state: str, by: str = "destination") -> str:
    """The account is told whole by every replica: the newest word is the greatest."""
    return f"max by ({by}) (baleen_alert_bridge_account_{state}{_NOW})"


_ACCOUNT: Final = Row(
    "The account: accepted = delivered + suppressed + dead + in flight",
    (
        light(
            "Unaccounted",
            "What is missing from the sum, of all destinations. Off for a moment while alerts move; other "
            "than 0 for minutes is a fault of Baleen: `baleen alerts account` names the destination.",
            f"max(abs({_account('unaccounted')})) or vector(0)",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "In flight",
            "Alerts that have not ended at some destination: waiting, held, or for an operator to act.",
            f"sum({_account('in_flight')}) or vector(0)",
            limits=((None, Colour.GOOD), (100, Colour.DOUBTFUL), (1000, Colour.BAD)),
        ),
        light(
            "Oldest open",
            "Age of the oldest alert that has not ended. Held ones (digest, quiet hours) count too: see the "
            "destination beside this one.",
            f"max(baleen_alert_bridge_oldest_alert_seconds{_NOW}) or vector(0)",
            unit=Unit.SECONDS,
            limits=((None, Colour.GOOD), (30, Colour.DOUBTFUL), (120, Colour.BAD)),
        ),
        light(
            "Dead in a day",
            "Alerts given up. Each can be read and sent again: `baleen alerts dead`, `baleen alerts "
            "redeliver`.",
            f"(sum({_account('dead', 'destination, reason')}) or vector(0)) - (sum("
            f"max by (destination, reason) (baleen_alert_bridge_account_dead{_NOW} offset 1d)) or vector(0))",
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Destinations stopped",
            "Nothing is sent there until somebody acts: `baleen alerts destinations` says why, `baleen "
            "alerts resume` lets it try again.",
            "sum(max by (destination) ("
            f'baleen_alert_bridge_destination_standing{{reason="stopped",{CHOSEN}}})) or vector(0)',
            limits=((None, Colour.GOOD), (1, Colour.BAD)),
        ),
        light(
            "Rules in force",
            "No: the file is wrong and older rules are in force. The log of alert-bridge and /readyz name "
            "the line.",
            f"min(baleen_alert_bridge_rules_valid{_NOW})",
            unit=Unit.YES_NO,
            limits=((None, Colour.BAD), (1, Colour.GOOD)),
            words={0: "older ones", 1: "those of the file"},
        ),
        Panel(
            "Accepted by destination",
            "Alerts stored since the destination was first served.",
            Unit.COUNT,
            (Query(_account("accepted"), "{{destination}}"),),
            width=6,
            needs=_SERVED,
        ),
        Panel(
            "Delivered by destination",
            "Those that the destination said it has. Flat while accepted grows: see how it stands.",
            Unit.COUNT,
            (Query(_account("delivered"), "{{destination}}"),),
            width=6,
            needs=_SERVED,
        ),
        Panel(
            "In flight by destination",
            "Those that have not ended. Growing: the destination is away, limits us, or is stopped.",
            Unit.COUNT,
            (Query(_account("in_flight"), "{{destination}}"),),
            width=6,
            needs=_SERVED,
        ),
        Panel(
            "Unaccounted by destination",
            "0 whenever nothing moves. Otherwise keep the answer of `GET /account` and open an issue with "
            "it.",
            Unit.COUNT,
            (Query(f"abs({_account('unaccounted')})", "{{destination}}"),),
            width=6,
            needs=_SERVED,
        ),
        Panel(
            "Suppressed by reason",
            "Alerts that were not to be told, by the rules' reason. Too many `not_routed`: a route does not "
            "match what it should.",
            Unit.COUNT,
            (Query(_account("suppressed", "destination, reason"), "{{destination}} {{reason}}"),),
            needs=_SERVED,
            width=12,
        ),
        Panel(
            "Dead by reason",
            "`rejected`: the destination will not have it. `too_old`: it came too late to be of use. "
            "`expired`: the stream no longer has it.",
            Unit.COUNT,
            (Query(_account("dead", "destination, reason"), "{{destination}} {{reason}}"),),
            needs=_SERVED,
            width=12,
        ),
    ),
)

_IN: Final = Row(
    "In: from a request to the bus",
    (
        Panel(
            "Requests by outcome",
            "`stored` and `duplicate` are good, `spooled` waits on disk for the bus. `unknown_webhook`: a "
            "URL that is no source's; `unavailable`: the bus is away and there is no spool.",
            Unit.PER_SECOND,
            (
                Query(
                    f"sum by (outcome) (rate(baleen_alert_bridge_requests_total{_RATE})) > 0 or "
                    f"label_replace(sum(rate(baleen_alert_bridge_requests_total{_RATE})), "
                    '"outcome", "all", "", "")',
                    "{{outcome}}",
                ),
            ),
        ),
        Panel(
            "Requests by dialect",
            "Who speaks to the bridge. A dialect that falls to 0: its sender is gone or has another URL.",
            Unit.PER_SECOND,
            (Query(f"sum by (dialect) (rate(baleen_alert_bridge_requests_total{_RATE}))", "{{dialect}}"),),
        ),
        Panel(
            "Time to accept",
            "From a whole request to its answer, the bus's included. Above a second: the bus is slow, see "
            "NATS.",
            Unit.SECONDS,
            (
                Query(
                    f"histogram_quantile(0.5, sum by (le) "
                    f"(rate(baleen_alert_bridge_request_seconds_bucket{_RATE})))",
                    "half within",
                ),
                Query(
                    f"histogram_quantile(0.99, sum by (le) "
                    f"(rate(baleen_alert_bridge_request_seconds_bucket{_RATE})))",
                    "99 % within",
                ),
            ),
        ),
        Panel(
            "On their way to the bus",
            "Alerts whose sender still waits for an answer.",
            Unit.COUNT,
            (Query(f"sum by (instance) (baleen_alert_bridge_waiting_alerts{_NOW})", "{{instance}}"),),
            width=12,
        ),
        Panel(
            "Bus connected",
            "1 while the replica reaches the bus. 0: alerts go to the spool if there is one, else senders "
            "get 503.",
            Unit.COUNT,
            (Query(f"min by (instance) (baleen_alert_bridge_bus_connected{_NOW})", "{{instance}}"),),
            width=12,
        ),
    ),
)

_OUT: Final = Row(
    "Out: to the destinations",
    (
        Panel(
            "How destinations stand",
            "One line for how each fares. `open`: it failed many times in a row and is tried now and then; "
            "`stopped`: somebody has to act.",
            Unit.COUNT,
            (
                Query(
                    f"max by (destination, reason) (baleen_alert_bridge_destination_standing{_NOW}) > 0",
                    "{{destination}} {{reason}}",
                ),
            ),
            needs=_SERVED,
        ),
        Panel(
            "Waiting by destination",
            "Open: taken and not ended. Behind: stored and not taken yet; it grows while nobody serves the "
            "destination.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (destination) (baleen_alert_bridge_open_alerts{_NOW})", "{{destination}} open"
                ),
                Query(
                    f"max by (destination) (baleen_alert_bridge_behind_alerts{_NOW})",
                    "{{destination}} behind",
                ),
            ),
            needs=_SERVED,
        ),
        Panel(
            "Oldest open by destination",
            "Its age. Compare with the digests and quiet hours of the rules before blaming the destination.",
            Unit.SECONDS,
            (
                Query(
                    f"max by (destination) (baleen_alert_bridge_oldest_alert_seconds{_NOW})",
                    "{{destination}}",
                ),
            ),
            needs=_SERVED,
        ),
        Panel(
            "Requests to destinations by outcome",
            "How requests end. What is neither delivered nor told to wait is the destination's fault or its "
            "URL's.",
            Unit.PER_SECOND,
            (
                Query(
                    f"sum by (destination, outcome) (rate(baleen_alert_bridge_send_seconds_count{_RATE}))",
                    "{{destination}} {{outcome}}",
                ),
            ),
            needs=_SERVED,
        ),
        Panel(
            "Time of a request",
            "99 % of the requests to a destination end within this.",
            Unit.SECONDS,
            (
                Query(
                    f"histogram_quantile(0.99, sum by (destination, le) "
                    f"(rate(baleen_alert_bridge_send_seconds_bucket{_RATE})))",
                    "{{destination}}",
                ),
            ),
            needs=_SERVED,
        ),
        Panel(
            "Said again, told early",
            "Requests that may have repeated what was said, after a crash or a timeout; alerts told before "
            "their time, since too many were held.",
            Unit.COUNT,
            (
                Query(_account("possible_duplicates"), "{{destination}} possible repeats"),
                Query(
                    f"sum by (destination) (baleen_alert_bridge_told_early_alerts{_NOW})",
                    "{{destination}} early",
                ),
            ),
            needs=_SERVED,
        ),
    ),
)

_SPOOL: Final = Row(
    "Spool: what is kept on disk while the bus is away",
    (
        Panel(
            "Alerts on disk",
            "Alerts that wait for the bus, and those that it will not have. It should fall once the bus is "
            "back.",
            Unit.COUNT,
            (
                Query(f"sum by (instance) (baleen_alert_bridge_spool_alerts{_NOW})", "{{instance}} kept"),
                Query(
                    f"sum by (instance) (baleen_alert_bridge_spool_refused_alerts{_NOW})",
                    "{{instance}} refused",
                ),
            ),
            needs=_SPOOLED,
            width=6,
        ),
        Panel(
            "Spool filled",
            "Of its bound. At 100 % senders get 503: get the bus back, or raise "
            "ALERT_BRIDGE_SPOOL_MAX_BYTES.",
            Unit.SHARE,
            (
                Query(
                    f"max by (instance) (baleen_alert_bridge_spool_bytes{_NOW} "
                    f"/ baleen_alert_bridge_spool_max_bytes{_NOW})",
                    "{{instance}}",
                ),
            ),
            needs=_SPOOLED,
            width=6,
        ),
        Panel(
            "Oldest on disk",
            "Age of the oldest alert kept.",
            Unit.SECONDS,
            (Query(f"max by (instance) (baleen_alert_bridge_spool_oldest_seconds{_NOW})", "{{instance}}"),),
            needs=_SPOOLED,
            width=6,
        ),
        Panel(
            "Carried on, and failing",
            "Alerts that went from the disk to the bus, and 1 while the disk takes nothing: look at its "
            "room.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_alert_bridge_spool_carried_total{_RATE}))", "carried"),
                Query(f"max(baleen_alert_bridge_spool_failing{_NOW})", "failing"),
            ),
            needs=_SPOOLED,
            width=6,
        ),
    ),
)

_WATCHES: Final = Row(
    "Watches: alerts that Baleen makes of messages",
    (
        light(
            "Replicas that watch",
            "Exactly one where the rules have watches, else none. More than one for longer than a lease: "
            "alerts are made twice, and known by their ids.",
            f"sum(baleen_alert_bridge_watching{_NOW})",
            limits=((None, Colour.GOOD), (2, Colour.BAD)),
        ),
        light(
            "Unheard in an hour",
            "Ranges of messages that the watches did not hear. What they would have said of these is not "
            "said.",
            f"sum(increase(baleen_alert_bridge_watch_gaps_total{{{CHOSEN}}}[1h]))",
            limits=((None, Colour.GOOD), (1, Colour.DOUBTFUL)),
        ),
        Panel(
            "Looked at, and on their way",
            "Messages that watches looked at. 0 with watches in the rules: nobody watches, or the feed is "
            "silent.",
            Unit.PER_SECOND,
            (
                Query(f"sum(rate(baleen_alert_bridge_watch_messages_total{_RATE}))", "looked at"),
                Query(f"sum(baleen_alert_bridge_watch_open_messages{_NOW})", "on their way"),
            ),
        ),
        Panel(
            "Matches by watch and outcome",
            "What became of the matches. Mostly suppressed: the watch is too wide.",
            Unit.PER_SECOND,
            (
                Query(
                    f"sum by (rule, outcome) (rate(baleen_alert_bridge_watch_matches_total{_RATE}))",
                    "{{rule}} {{outcome}}",
                ),
                Query(
                    f"sum by (rule) (rate(baleen_alert_bridge_watch_failures_total{_RATE}))",
                    "{{rule}} failed",
                ),
            ),
            needs=_WATCHED,
        ),
    ),
)

ALERTS: Final = Board(
    uid="baleen-alerts",
    title="Baleen / Alerts account",
    says="What became of every alert at every destination (docs/alerts-account.md).",
    known_by="baleen_alert_bridge_bus_connected",
    rows=(_ACCOUNT, _IN, _OUT, _SPOOL, _WATCHES),
)
