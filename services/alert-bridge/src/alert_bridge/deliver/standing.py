"""What is kept of a destination: its account, who serves it, and whether it is stopped. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from pydantic import SecretStr

from alert_bridge.deliver.breaker import Standing
from alert_bridge.deliver.counts import Counts, counts_of
from alert_bridge.destinations.spec import Spec


@dataclass(frozen=True, slots=True)
class Halt:
    """That a destination takes nothing.

    Attributes:
        at: since when, ISO-8601 UTC.
        why: what it answered.
        spec: a digest of what the rules said of it then; when they say something else, it is tried again.
        asked: the revision of the newest wish to try it again that was known then; a newer one counts.
    """

    at: str
    why: str
    spec: str
    asked: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one destination.

    Attributes:
        name: the destination.
        counts: its account.
        at: when this was written, ISO-8601 UTC.
        standing: how it fared.
        why: what it waits for.
        served_by: which replica wrote this; empty if none serves it.
        halt: set while it takes nothing.
    """

    name: str
    counts: Counts
    at: str
    standing: Standing = Standing.RUNNING
    why: str = ""
    served_by: str = ""
    halt: Halt | None = None


def kept_as(kept: Kept) -> bytes:
    """As it stands under the destination's key."""
    told: dict[str, Any] = {
        "name": kept.name,
        "at": kept.at,
        "standing": kept.standing,
        "why": kept.why,
        "served_by": kept.served_by,
        **kept.counts.told(),
    }
    if (halt := kept.halt) is not None:
        told["halt"] = {"at": halt.at, "why": halt.why, "spec": halt.spec, "asked": halt.asked}
    return orjson.dumps(told)


def kept_in(body: bytes) -> Kept | None:
    """Reads what `kept_as` wrote; None if this is something else."""
    try:
        told = orjson.loads(body)
        halt = told.get("halt")
        return Kept(
            str(told["name"]),
            counts_of(told),
            str(told["at"]),
            Standing(told["standing"]),
            str(told["why"]),
            str(told["served_by"]),
            None
            if halt is None
            else Halt(str(halt["at"]), str(halt["why"]), str(halt["spec"]), int(halt["asked"])),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def digest_of(spec: Spec) -> str:
    """Tells one spec from another without showing either."""
    told = [
        (name, value.get_secret_value() if isinstance(value, SecretStr) else repr(value))
        for name, value in spec
    ]
    return blake2b(repr(told).encode(), digest_size=12).hexdigest()
