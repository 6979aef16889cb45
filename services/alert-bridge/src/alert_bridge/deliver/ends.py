"""What became of an alert at a destination: how it ends, and how that is written down. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from alert_bridge.carried import Carried
from alert_bridge.rules.memory import Note

LONGEST_DETAIL: Final = 1_000
"""Characters of what a destination said that are written down."""

Key = tuple[int, int]
"""An alert on one of its ways: its number in the stream `ALERT`, and how often it was sent again by hand."""


class State(StrEnum):
    """Where an alert stands at a destination; the last three are ends."""

    SENDING = "sending"
    """A request that says it is on its way, or was when its sender died."""
    WAITING = "waiting"
    """It was tried, surely not taken, and will be tried again."""
    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    DEAD = "dead"


FINAL: Final = frozenset({State.DELIVERED, State.SUPPRESSED, State.DEAD})


class StrangeRecordError(ValueError):
    """No courier wrote this."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of one alert at one destination.

    Attributes:
        state: where it stands.
        at: since when.
        epoch: which making of the stream `ALERT` its number belongs to.
        reason: why it ended or waits, from the closed lists of `alert_bridge.reasons`.
        attempts: requests that said it.
        again: how often more than once the destination may have taken it.
        remote_id: under which the destination knows the message.
        status: the HTTP status that ended it, where there was one.
        route: by which route of the rules.
        alone: the message said nothing else, so that it can be edited.
        digest: it was told in a digest.
        detail: what else there is to say, for people.
        replays: how often it was sent again by hand.
    """

    state: State
    at: datetime
    epoch: str
    reason: str | None = None
    attempts: int = 0
    again: int = 0
    remote_id: str | None = None
    status: int | None = None
    route: str | None = None
    alone: bool = False
    digest: bool = False
    detail: str | None = None
    replays: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing more will become of it on this way."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class End:
    """That an alert has ended at a destination; the attributes are those of `Record`.

    ``notes`` is what the rules noted of it; ``broken`` what the stream has, if that is no alert.
    """

    key: Key
    state: State
    reason: str | None = None
    carried: Carried | None = None
    attempts: int = 0
    again: int = 0
    first_at: float | None = None
    remote_id: str | None = None
    status: int | None = None
    route: str | None = None
    alone: bool = False
    digest: bool = False
    detail: str = ""
    notes: tuple[Note, ...] = ()
    broken: str | None = None

    def record(self, at: datetime, epoch: str) -> Record:
        """What to write down of it."""
        return Record(
            self.state,
            at,
            epoch,
            self.reason,
            self.attempts,
            self.again,
            self.remote_id,
            self.status,
            self.route,
            self.alone,
            self.digest,
            self.detail[:LONGEST_DETAIL] or None,
            self.key[1],
        )


def written(record: Record) -> bytes:
    """A record as it stands under its key; what says nothing is left out."""
    told: dict[str, Any] = {
        "state": record.state,
        "reason": record.reason,
        "at": _time(record.at),
        "epoch": record.epoch,
        "attempts": record.attempts or None,
        "again": record.again or None,
        "remote_id": record.remote_id,
        "status": record.status,
        "route": record.route,
        "alone": record.alone or None,
        "digest": record.digest or None,
        "detail": record.detail,
        "replays": record.replays or None,
    }
    return orjson.dumps({name: value for name, value in told.items() if value is not None})


def read(body: bytes) -> Record:
    """Reads what `written` wrote.

    Raises:
        StrangeRecordError: it did not.
    """
    try:
        told = orjson.loads(body)
        return Record(
            State(told["state"]),
            datetime.fromisoformat(told["at"]),
            str(told["epoch"]),
            told.get("reason"),
            int(told.get("attempts", 0)),
            int(told.get("again", 0)),
            told.get("remote_id"),
            told.get("status"),
            told.get("route"),
            told.get("alone") is True,
            told.get("digest") is True,
            told.get("detail"),
            int(told.get("replays", 0)),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StrangeRecordError(str(error)) from error


def moved(record: Record, state: State, at: datetime) -> Record:
    """The same alert in another state."""
    return replace(record, state=state, at=at)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
