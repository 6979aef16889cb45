"""The drills: what is done to a platform, which alert must fire, and what the runbook's confirmation shows.

Each is done for real: processes are killed, the simulator takes another token, a file system is filled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.drills.silent_reader import silent_readers
from tests.drills.site import Site, as_object, until

MARGIN = 30.0
"""Seconds for what surrounds a rule here: a scrape, two judgements (a recorded series is one), a look."""
NOT_CONNECTED = "ended with 7"
"""What curl ends with when nobody listens."""


@dataclass(frozen=True)
class Sight:
    """What one command of the runbook must show while the alert fires, and must not show before.

    Attributes:
        command: as it stands in the entry.
        shows: judges the output.
        port: whose address stands in for the command's, for entries that say so.
    """

    command: str
    shows: Callable[[str], bool]
    port: int | None = None


@dataclass(frozen=True)
class Expected:
    """An alert that must fire.

    Attributes:
        alert: its name.
        labels: labels that it must have.
        holds_after: seconds from the blow until its expression can hold; its own `for` comes on top.
        sights: every command of its confirmation that needs no container engine.
    """

    alert: str
    sights: tuple[Sight, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    holds_after: float = 0.0


@dataclass(frozen=True)
class Drill:
    """One fault.

    Attributes:
        name: what is done.
        strike: does it; what must be ended with the drill goes onto the stack.
        mend: undoes it, as the runbook says.
        expected: what must fire.
        also: critical alerts that the same cause may make fire too; no other may.
        over_within: seconds after the mending until the alerts are over; None: longer than a drill waits.
        quick: whether it ends within some two minutes.
        small_disk: whether the bus needs a file system of its own.
    """

    name: str
    strike: Callable[[Site, ExitStack], None]
    mend: Callable[[Site], None]
    expected: tuple[Expected, ...]
    also: frozenset[str] = frozenset()
    over_within: float | None = 60.0
    quick: bool = False
    small_disk: bool = False


def kill(service: str, port: int, *, quick: bool = False) -> Drill:
    """A service is killed where it stands."""
    return Drill(
        name=f"kill {service}",
        strike=lambda site, _: site[service].kill(),
        mend=lambda site: site[service].start(),
        expected=(
            Expected(
                "TargetDown",
                (Sight("curl -s localhost:8001/livez", lambda said: NOT_CONNECTED in said, port),),
                {"job": service, "severity": "critical"},
            ),
        ),
        quick=quick,
    )


def _value(said: str, **labels: str) -> float | None:
    """The value of the series with these labels in an answer of Prometheus."""
    for series in json.loads(said):
        if labels.items() <= series["metric"].items():
            return float(series["value"][1])
    return None


def _is(said: str, judge: Callable[[float], bool], **labels: str) -> bool:
    value = _value(said, **labels)
    return value is not None and judge(value)


def _parts(said: str) -> dict[str, str]:
    """What is not well in an answer of /readyz."""
    body = said.rpartition("\nended with")[0]
    return {part: why for part, why in as_object(body).get("parts", {}).items() if why != "ok"}


def _json(said: str) -> dict[str, object]:
    return as_object(said.rpartition("\nended with")[0])


def _feed_is_silent(said: str) -> bool:
    feeds = _json(said).get("feeds", {})
    assert isinstance(feeds, dict)
    return "silent" in str(feeds.get("option_trade", {}).get("why"))


def _rest(said: str) -> dict[str, object]:
    rest = _json(said).get("rest", {})
    assert isinstance(rest, dict)
    return rest


def _another_token(site: Site, _: ExitStack) -> None:
    """Once upstream was well for a minute: until then the next tries are as far apart as the last ones."""
    until(site.forgets_failures, "a socket that was open for a minute", 120)
    site["uw-simulator"].kill()
    site["uw-simulator"].start(UW_SIMULATOR_TOKEN="another-token")


def _the_token_again(site: Site) -> None:
    site["uw-simulator"].kill()
    site["uw-simulator"].start()
    site["uw-ingest"].leave()
    site["uw-ingest"].start()


def _break_rules(site: Site, _: ExitStack) -> None:
    text = site.rules.read_text()
    site.rules.with_suffix(".kept").write_text(text)
    site.rules.write_text(text.replace("to: [simulated-discord]", "to: [nobody]"))


def _mend_rules(site: Site) -> None:
    site.rules.write_text(site.rules.with_suffix(".kept").read_text())


def _fill_the_disk(site: Site, _: ExitStack) -> None:
    """Write until the file system has no room."""
    with (site.store / "filler").open("ab", buffering=0) as filler:
        try:
            while filler.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def _make_room(site: Site) -> None:
    (site.store / "filler").unlink()
    site["nats-server"].leave()
    site["nats-server"].start()


HEALTH_OF_THE_BUS = "curl -s 'localhost:8222/healthz?js-enabled-only=true'"

CUT = Drill(
    name="cut upstream",
    strike=lambda site, _: site["uw-simulator"].kill(),
    mend=lambda site: site["uw-simulator"].start(),
    expected=(
        Expected(
            "UpstreamDisconnected",
            (
                Sight("promql: sum(baleen_ingest_upstream_connected)", lambda said: _value(said) == 0),
                Sight("curl -s localhost:8001/readyz", lambda said: "upstream" in _parts(said)),
            ),
            holds_after=5.0,
        ),
    ),
    also=frozenset({"FeedStale", "FeedReconnecting", "NoDataWhileMarketOpen"}),
    over_within=90.0,
)

MUTE = Drill(
    name="mute upstream",
    strike=lambda site, _: site.order("pause"),
    mend=lambda site: site.order("pause", on=False),
    expected=(
        Expected(
            "FeedStale",
            (
                Sight("curl -s localhost:8001/status", _feed_is_silent),
                Sight(
                    "promql: max by (feed) (baleen_ingest_last_message_age_seconds)",
                    lambda said: _is(said, lambda age: age > 45, feed="option_trade"),
                ),
            ),
            {"feed": "option_trade"},
            holds_after=50.0,
        ),
    ),
    also=frozenset({"NoDataWhileMarketOpen"}),
    over_within=90.0,
)

QUOTA = Drill(
    name="exhaust the quota",
    strike=lambda site, _: site.order("exhaust", scope="day"),
    mend=lambda site: site.order("reset"),
    expected=(
        Expected(
            "QuotaExhausted",
            (
                Sight("promql: baleen:rest_day_used:ratio", lambda said: _is(said, lambda used: used >= 1)),
                Sight("curl -s localhost:8001/status", lambda said: _rest(said).get("day_left") == 0),
            ),
            holds_after=15.0,
        ),
    ),
    also=frozenset({"FeedStale"}),
    over_within=None,
)

BUFFER = Drill(
    name="fill a client's buffer",
    strike=silent_readers,
    mend=lambda _: None,
    expected=(
        Expected(
            "DeliveryBudgetBurning",
            (
                Sight(
                    "promql: baleen:delivery_error:ratio_rate5m",
                    lambda said: _is(said, lambda share: share > 14.4 * 0.001),
                ),
                Sight(
                    "promql: sum by (reason) (baleen_gateway_fell_behind_total)",
                    lambda said: any(float(series["value"][1]) > 0 for series in json.loads(said)),
                ),
            ),
            holds_after=60.0,
        ),
    ),
    over_within=None,
)

STOP_NATS = Drill(
    name="stop NATS",
    strike=lambda site, _: site["nats-server"].kill(),
    mend=lambda site: site["nats-server"].start(),
    expected=(
        Expected(
            "IngestBusDisconnected",
            (
                Sight("curl -s localhost:8001/readyz", lambda said: "bus" in _parts(said)),
                Sight(HEALTH_OF_THE_BUS, lambda said: NOT_CONNECTED in said),
            ),
            holds_after=5.0,
        ),
        Expected(
            "AlertBridgeBusDisconnected",
            (
                Sight("curl -s localhost:8002/readyz", lambda said: "bus" in _parts(said)),
                Sight(HEALTH_OF_THE_BUS, lambda said: NOT_CONNECTED in said),
            ),
            holds_after=5.0,
        ),
    ),
    also=frozenset({"TargetDown"}),
    quick=True,
)

REVOKE = Drill(
    name="revoke the token",
    strike=_another_token,
    mend=_the_token_again,
    expected=(
        Expected(
            "UpstreamHandshakesRefused",
            (
                Sight(
                    "docker compose logs --since 10m uw-ingest",
                    lambda said: any(
                        "401" in line for line in said.splitlines() if "upstream is not connected" in line
                    ),
                ),
            ),
            holds_after=40.0,
        ),
        Expected(
            "RestTokenRefused",
            (
                Sight(
                    "promql: sum by (status) (baleen_ingest_rest_calls_total)",
                    lambda said: _is(said, lambda calls: calls > 3, status="401"),
                ),
                Sight("curl -s localhost:8001/status", lambda said: "401" in json.dumps(_rest(said))),
            ),
            {"status": "401"},
            holds_after=40.0,
        ),
    ),
    also=frozenset({"UpstreamDisconnected", "FeedReconnecting", "FeedStale"}),
    over_within=None,
    quick=True,
)

BREAK_RULES = Drill(
    name="break the rules file",
    strike=_break_rules,
    mend=_mend_rules,
    expected=(
        Expected(
            "RulesBroken",
            (
                Sight(
                    "alert-bridge rules check FILE",
                    lambda said: "no destination is called so" in said and "ended with 1" in said,
                ),
                Sight("curl -s localhost:8002/readyz", lambda said: "rules" in _parts(said)),
            ),
            holds_after=10.0,
        ),
    ),
    quick=True,
)

FILL_DISK = Drill(
    name="fill the disk",
    strike=_fill_the_disk,
    mend=_make_room,
    expected=(
        Expected(
            "BusStoresNothing",
            (
                Sight("curl -s localhost:8222/healthz", lambda said: "no space left on device" in said),
                Sight("docker compose logs nats", lambda said: "no space left on device" in said.lower()),
            ),
            holds_after=75.0,  # a minute in which nothing was acknowledged is over
        ),
    ),
    also=frozenset({"PlannerMissing", "IngestOverflow", "UpstreamDisconnected"}),
    over_within=120.0,
    small_disk=True,
)

ROUNDS: tuple[tuple[Drill, ...], ...] = (
    (kill("uw-ingest", 8001, quick=True), BREAK_RULES),
    (STOP_NATS,),
    (MUTE, kill("ws-gateway", 8000), kill("alert-bridge", 8002)),
    (CUT,),
    (REVOKE,),
    (QUOTA, BUFFER),
    (FILL_DISK,),
)
"""Faults of one round do not touch one another, and are done at once on one platform."""
