"""Which key-value buckets exist, what their keys mean and how long they keep. Pure.

A bucket is a stream of its own, as NATS key-value stores are. Two things differ from what a NATS client
would make: every stored change is republished under ``kv.<bucket>.<key>`` with its revision, since what is
merely sent to ``$KV.<bucket>.<key>`` may yet be refused; and a bucket that strangers write takes no rollup,
with which one writer could wipe the others' keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from baleen_bus.streams import DAY, KEEPING, MINUTE, StreamSettings

LEASES: Final = "leases"
DEMAND: Final = "demand"
BUDGET: Final = "budget"
GATEWAYS: Final = "gateways"
SESSIONS: Final = "sessions"
DELIVERY: Final = "delivery"

LEASE_TTL_ALONE: Final = 6.0
"""Seconds a lease lives on one server, which is back within a second or two."""
LEASE_TTL_CLUSTER: Final = 15.0
"""Seconds in a cluster, which may take eight to choose a new leader."""
DEMAND_TTL: Final = 10.0 * MINUTE
GATEWAYS_TTL: Final = 5.0
"""Seconds for which a gateway's counts are believed after it died."""
SESSIONS_TTL: Final = float(KEEPING["SESSION"].max_age)
"""As long as the session's events are kept."""
DELIVERY_TTL: Final = float(KEEPING["ALERT"].max_age)
"""As long as the alerts are kept whose ends it tells."""

_NANOSECONDS: Final = 1_000_000_000
_DUPLICATE_WINDOW: Final = 2 * MINUTE
_MAX_BYTES: Final = 16 << 20
_DELIVERY_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class KeyForm:
    """One kind of key: how it is written, what stands there, who writes and who reads it."""

    form: str
    holds: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One bucket. ``ttl``: seconds a value lives after it was written; 0 is for ever, None is settable."""

    name: str
    ttl: float | None
    max_value: int
    """Bytes of one value, headers included."""
    keys: tuple[KeyForm, ...]
    strangers_write: bool = False
    max_bytes: int = _MAX_BYTES
    drops_oldest: bool = False
    """What gives way when it is full: what was written longest ago, instead of what is to be written."""

    @property
    def stream(self) -> str:
        """The stream that keeps it."""
        return f"KV_{self.name}"


_INGEST: Final = ("uw-ingest",)
_GATEWAY: Final = ("ws-gateway",)
_ENGINES: Final = ("engine", "uw-simulator")
_BRIDGE: Final = ("alert-bridge",)

BUCKETS: Final[Mapping[str, BucketSpec]] = {
    spec.name: spec
    for spec in (
        BucketSpec(
            name=LEASES,
            ttl=None,
            max_value=64 << 10,
            keys=(
                KeyForm("socket.<n>", "who holds upstream socket n, and how it fares", _INGEST, _INGEST),
                KeyForm("planner", "who computes the plan", _INGEST, _INGEST),
                KeyForm("rest", "who makes all REST requests", _INGEST, _INGEST),
                KeyForm("deliver.<destination>", "who sends alerts to a destination", _BRIDGE, _BRIDGE),
                KeyForm("watch", "who turns messages of the bus into alerts", _BRIDGE, _BRIDGE),
            ),
        ),
        BucketSpec(
            name=DEMAND,
            ttl=DEMAND_TTL,
            max_value=4 << 10,
            keys=(
                KeyForm(
                    "gateway.<wisher>.<topic>", "a topic a gateway's clients want", ("ws-gateway",), _INGEST
                ),
                KeyForm("team.<wisher>.<topic>", "a topic another team wants", ("team",), _INGEST),
            ),
            strangers_write=True,
        ),
        BucketSpec(
            name=BUDGET,
            ttl=0.0,
            max_value=960 << 10,  # a plan of 900 KiB and its headers, and less than one message may have
            keys=(
                KeyForm("plan", "which channels each socket joins, and why", _INGEST, _INGEST),
                KeyForm("rest", "what is spent of the requests of the minute and the day", _INGEST, _INGEST),
            ),
        ),
        BucketSpec(
            name=GATEWAYS,
            ttl=GATEWAYS_TTL,
            max_value=128 << 10,
            keys=(
                KeyForm("<worker>", "what a worker of a gateway counts of its clients", _GATEWAY, _GATEWAY),
            ),
        ),
        BucketSpec(
            name=SESSIONS,
            ttl=SESSIONS_TTL,
            max_value=4 << 10,
            keys=(
                KeyForm(
                    "<session id>",
                    "that a backtest or forward test exists, its type, its owner and how it stands; its "
                    "engine writes it before the first event, at every change, and once a day",
                    _ENGINES,
                    _GATEWAY,
                ),
            ),
        ),
        BucketSpec(
            name=DELIVERY,
            ttl=DELIVERY_TTL,
            max_value=64 << 10,
            keys=(
                KeyForm(
                    "<seq>.<destination>",
                    "what became of an alert at a destination, by its number in `ALERT`",
                    _BRIDGE,
                    _BRIDGE,
                ),
                KeyForm(
                    "<seq>.<destination>.<replay>", "the same of one that was sent again", _BRIDGE, _BRIDGE
                ),
                KeyForm(
                    "account.<destination>",
                    "how many alerts ended how, through which number, and which before it have not; "
                    "written again each minute or two",
                    _BRIDGE,
                    _BRIDGE,
                ),
                KeyForm(
                    "resume.<destination>", "that a stopped destination may be tried again", _BRIDGE, _BRIDGE
                ),
                KeyForm("watch.<stream>", "how far the watch rules have read a stream", _BRIDGE, _BRIDGE),
            ),
            max_bytes=_DELIVERY_BYTES,
            drops_oldest=True,
        ),
    )
}


def stream_of(bucket: str) -> str:
    """The stream that keeps a bucket."""
    return f"KV_{bucket}"


def subject_of(bucket: str, key: str) -> str:
    """Where a key's values are sent to."""
    return f"$KV.{bucket}.{key}"


def changes_of(bucket: str, key: str = ">") -> str:
    """Where a key's stored values are told of, with their revision."""
    return f"kv.{bucket}.{key}"


def lease_ttl(settings: StreamSettings) -> float:
    """How many seconds a lease lives: as set, else by whether one server or a cluster keeps it."""
    if settings.lease_ttl is not None:
        return settings.lease_ttl
    return LEASE_TTL_ALONE if settings.replicas == 1 else LEASE_TTL_CLUSTER


def bucket_configs(settings: StreamSettings) -> list[dict[str, Any]]:
    """The JetStream configuration of every bucket, as the JSON API takes it."""
    return [bucket_config(spec, settings) for spec in BUCKETS.values()]


def bucket_config(spec: BucketSpec, settings: StreamSettings) -> dict[str, Any]:
    """The configuration of one bucket's stream."""
    ttl = lease_ttl(settings) if spec.ttl is None else spec.ttl
    return {
        "name": spec.stream,
        "subjects": [subject_of(spec.name, ">")],
        "republish": {"src": subject_of(spec.name, ">"), "dest": changes_of(spec.name)},
        "storage": "file",
        "retention": "limits",
        "discard": "old" if spec.drops_oldest else "new",
        "max_age": round(ttl * _NANOSECONDS),
        "max_bytes": spec.max_bytes,
        "max_msg_size": spec.max_value,
        "max_msgs_per_subject": 1,
        "duplicate_window": round(min(ttl or _DUPLICATE_WINDOW, _DUPLICATE_WINDOW) * _NANOSECONDS),
        "num_replicas": settings.replicas,
        "allow_direct": True,
        "allow_rollup_hdrs": not spec.strangers_write,
        "deny_delete": True,
    }


def buckets_table() -> str:
    """The table of the documentation, in Markdown."""
    rows = [
        f"| {spec.name} | `{key.form}` | {_lives(spec)} "
        f"| {', '.join(key.writers)} | {', '.join(key.readers)} | {key.holds} |"
        for spec in BUCKETS.values()
        for key in spec.keys
    ]
    return "\n".join([_DOCUMENT_HEAD, *rows, ""])


def _lives(spec: BucketSpec) -> str:
    if spec.ttl is None:
        return f"{LEASE_TTL_ALONE:g} s, in a cluster {LEASE_TTL_CLUSTER:g} s"
    if not spec.ttl:
        return "for ever"
    if spec.ttl >= DAY:
        return f"{spec.ttl / DAY:g} days"
    return f"{spec.ttl / MINUTE:g} min" if spec.ttl >= MINUTE else f"{spec.ttl:g} s"


_DOCUMENT_HEAD: Final = """\
<!-- Written by `baleen-bus buckets`; edit libs/bus/src/baleen_bus/buckets.py instead. -->

# Buckets

State that is shared rather than told lives in NATS key-value buckets, one newest value a key. A value is
JSON; a key is made of tokens, each written like a token of a subject with `=` in place of `%` (`BRK.B` is
`BRK=2EB`). `baleen-bus bootstrap` creates and updates the buckets; each is the stream `KV_<bucket>`.

A writer sends to `$KV.<bucket>.<key>`. What was stored is told under `kv.<bucket>.<key>` with its revision;
that a value has expired is told nowhere, so whoever must know reads again.

A lease's lifetime is read from the bucket by whoever holds or wants one. It may be set (`--lease-ttl`,
`BALEEN_LEASE_TTL`), but changed only while no holder runs: holders go by the lifetime they read at their
start.

A bucket holds 16 MiB and takes nothing more when it is full; `delivery` holds 256 MiB, and then lets go of
what was written longest ago. All users share the bound of `demand`, so a team that wishes for tens of
thousands of topics keeps gateways from writing new wishes until its own expire, ten minutes later at most.
How many wishes are heard is bounded apart: gateways' first, then the newest others'.

| bucket | key | lives after its last write | written by | read by | what |
|---|---|---|---|---|---|"""
