"""What a lease's key holds: written, and read whoever wrote it. Pure.

A holder knows its own value by the nonce, which no other holder shares, and each of its writes by the
number. A mark of a release says so in its own value: a mark without that is a stranger's, and proves nothing
about the holder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from baleen_bus.kv_entry import Entry

UNKNOWN_OWNER: Final = "unknown"


class Before(StrEnum):
    """What stood under the key before the lease was taken."""

    VACANT = "vacant"
    """Nothing, for as long as it was looked at."""
    RELEASED = "released"
    """The mark of a holder that let go in order."""
    EXPIRED = "expired"
    """A value whose holder was never seen to release it: it may have died, or be cut off."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing stands there: never written, or expired."""


@dataclass(frozen=True, slots=True)
class Released:
    """A holder's mark that it let go."""

    revision: int


@dataclass(frozen=True, slots=True)
class Theirs:
    """Somebody else's value, or a stranger's mark; neither may be replaced."""

    revision: int


@dataclass(frozen=True, slots=True)
class Ours:
    """Our own value, by the write of this number."""

    revision: int
    number: int


Sight = Nothing | Released | Theirs | Ours


class StrangeValueError(ValueError):
    """No holder wrote this."""


@dataclass(frozen=True, slots=True)
class Head:
    """What every value of a holder says first. ``since``: when it was taken, ISO-8601 UTC."""

    owner: str
    nonce: str
    number: int
    since: str
    before: Before
    epoch: int
    """The revision with which the lease was taken; 0 in the value that took it, whose own it is."""


def written(head: Head, told: Mapping[str, Any]) -> bytes:
    """A holder's value: what the holder tells, under the words that are the lease's own."""
    return orjson.dumps(
        {
            **told,
            "owner": head.owner,
            "nonce": head.nonce,
            "number": head.number,
            "since": head.since,
            "before": head.before,
            "epoch": head.epoch,
        },
        default=_listed,
    )


def release_mark(owner: str) -> bytes:
    """What stays with the mark of a release."""
    return orjson.dumps({"owner": owner, "released": True})


def sight_of(entry: Entry | None, nonce: str) -> Sight:
    """What an entry is to the holder with this nonce."""
    if entry is None:
        return Nothing()
    try:
        value = _object(entry.value)
    except StrangeValueError:
        return Theirs(entry.revision)
    if entry.deleted:
        return Released(entry.revision) if value.get("released") is True else Theirs(entry.revision)
    number = value.get("number")
    if value.get("nonce") == nonce and type(number) is int:
        return Ours(entry.revision, number)
    return Theirs(entry.revision)


def value_of(entry: Entry) -> dict[str, Any]:
    """What a live entry's holder tells.

    Raises:
        StrangeValueError: it is no value of a holder.
    """
    value = _object(entry.value)
    if not isinstance(value.get("owner"), str) or not isinstance(value.get("since"), str):
        raise StrangeValueError("it names no owner and no time")
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StrangeValueError("it is no JSON") from error
    if not isinstance(value, dict):
        raise StrangeValueError("it is no JSON object")
    return value


def _listed(told: object) -> list[Any]:
    if isinstance(told, (set, frozenset)):
        return sorted(told)
    raise TypeError(f"{type(told).__name__} cannot be told")
