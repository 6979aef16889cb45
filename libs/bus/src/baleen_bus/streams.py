"""Which streams exist and how they keep, made from the catalogue. Pure.

A stream owns the ``ingress.`` twins of its public subjects, stores them under the public ones and
republishes them there: whoever subscribes sees each message once, numbered, in stream order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from baleen_bus.patterns import covers
from baleen_contracts.catalogue import CATALOGUE, Delivery, Entity, streams

INGRESS: Final = "ingress."
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 24 * HOUR
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What differs between a laptop and a cluster."""

    replicas: int = 1
    max_bytes: int = 2 * GIB
    """Per stream; a full tape is about 10 GB a day."""
    lease_ttl: float | None = None
    """Seconds that a lease lives; by default what suits the number of replicas."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long a stream keeps a message and knows its id again, both in seconds; age 0 is for ever.

    After an outage longer than the duplicate window a publisher reads what the stream has of its unacked
    messages before it sends them again; a publisher that may not read the stream, or that was itself
    restarted, stores them twice. The window costs the server 100 to 200 bytes a message, hence the shorter
    one of the busy streams.
    """

    max_age: int
    duplicate_window: int = HOUR


KEEPING: Final[Mapping[str, Keeping]] = {
    "TAPE": Keeping(max_age=DAY, duplicate_window=10 * MINUTE),
    "LATEST": Keeping(max_age=7 * DAY, duplicate_window=10 * MINUTE),
    "RECORDS": Keeping(max_age=30 * DAY, duplicate_window=DAY),
    "CUSTOM": Keeping(max_age=7 * DAY),
    "FEED": Keeping(max_age=30 * DAY),
    "ALERT": Keeping(max_age=7 * DAY),
    "SIGNAL": Keeping(max_age=7 * DAY),
    "MARKET": Keeping(max_age=7 * DAY, duplicate_window=10 * MINUTE),
    "AGENT": Keeping(max_age=7 * DAY),
    "NARRATIVE": Keeping(max_age=7 * DAY),
    "SESSION": Keeping(max_age=7 * DAY),
    "BRIDGE": Keeping(max_age=0),
    "DEAD": Keeping(max_age=30 * DAY),
}

BRIDGE_EVENT_TTL: Final = 7 * DAY
"""The bridge's stream has no age, so that state stays; its events leave one by one."""


def stream_configs(settings: StreamSettings) -> list[dict[str, Any]]:
    """The JetStream configuration of every stream of the catalogue, as the JSON API takes it."""
    return [stream_config(name, patterns, settings) for name, patterns in streams().items()]


def stream_config(name: str, patterns: Iterable[str], settings: StreamSettings) -> dict[str, Any]:
    """The configuration of one stream holding these public patterns.

    Raises:
        ValueError: the patterns belong to more than one domain; a stream republishes to one.
    """
    patterns = tuple(patterns)
    domains = {pattern.split(".", 1)[0] for pattern in patterns}
    if len(domains) != 1:
        raise ValueError(f"stream {name} must hold one domain, not {sorted(domains)}")
    public = f"{domains.pop()}.>"
    keeping = KEEPING[name]
    return {
        "name": name,
        "subjects": [INGRESS + pattern for pattern in patterns],
        # Republishing ">" to ">" would be a cycle and is refused; a public domain never covers "ingress.".
        "subject_transform": {"src": f"{INGRESS}>", "dest": ">"},
        "republish": {"src": public, "dest": public},
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": keeping.max_age * 1_000_000_000,
        "max_bytes": settings.max_bytes,
        "max_msgs_per_subject": 1 if keeps_newest_only(name) else -1,
        "duplicate_window": keeping.duplicate_window * 1_000_000_000,
        "num_replicas": settings.replicas,
        "allow_direct": True,
        "allow_msg_ttl": name == "BRIDGE",
        "allow_rollup_hdrs": name == "BRIDGE",
    }


def remembered() -> dict[str, float]:
    """How long (seconds) each stream is sure to know the id of what it stored.

    Short of the duplicate window, as a message is sent and stored, and stored and sent again, at different
    moments.
    """
    return {name: 0.8 * keeping.duplicate_window for name, keeping in KEEPING.items()}


def keeps_newest_only(stream: str) -> bool:
    """Whether every entity of the stream needs only the newest message of each subject."""
    return all(entity.delivery is Delivery.LATEST for entity in CATALOGUE if entity.stream == stream)


def replaces_older(entity: Entity) -> bool:
    """Whether the entity's stream drops the older message of a subject when it stores a newer one."""
    if entity.stream is None:
        return False
    return keeps_newest_only(entity.stream) or "Nats-Rollup" in keeping_headers(entity)


def only_newest_counts(stream: str, patterns: Iterable[str]) -> bool:
    """Whether the stream drops the older message of a subject for all that these public patterns match."""
    replaced = [entity for entity in CATALOGUE if entity.stream == stream and replaces_older(entity)]
    return all(any(covers(entity.pattern, pattern) for entity in replaced) for pattern in patterns)


def keeping_headers(entity: Entity) -> dict[str, str]:
    """The headers that tell a stream of mixed entities how to keep this one.

    In the bridge's stream an event leaves after its time, and a state value replaces the older one of its
    path.
    """
    if entity.stream != "BRIDGE":
        return {}
    if entity.delivery is Delivery.LATEST:
        return {"Nats-Rollup": "sub"}
    return {"Nats-TTL": f"{BRIDGE_EVENT_TTL}s"}
