"""What one holder of the REST quota leaves to the next, as JSON on the bus. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Record:
    """The day's count and what is under way.

    Args:
        day_used: calls charged, or perhaps charged, since the day began.
        day_limit: the day's limit as upstream told it.
        day_ends: when the day these belong to ends, by the wall clock.
        flying: calls that may still be under way.
    """

    day_used: int
    day_limit: int | None
    day_ends: datetime | None
    flying: int

    def to_json(self, owner: str) -> bytes:
        """Return what is stored; ``owner`` is for people who look."""
        return orjson.dumps(
            {
                "owner": owner,
                "day_used": self.day_used,
                "day_limit": self.day_limit,
                "day_ends": self.day_ends,
                "flying": self.flying,
            },
            option=orjson.OPT_UTC_Z,
        )


def read_record(stored: bytes) -> Record:
    """Return the record of a predecessor.

    Raises:
        ValueError: this was written by somebody else, or for something else.
    """
    value = orjson.loads(stored) if len(stored) <= 4_096 else None  # noqa: PLR2004 - a record is 150 bytes
    if not isinstance(value, dict):
        raise ValueError("no JSON object of a record's size")  # noqa: TRY004 - one error for all of it
    limit = value.get("day_limit")
    return Record(
        day_used=_count(value, "day_used"),
        day_limit=None if limit is None else _count(value, "day_limit"),
        day_ends=_moment(value.get("day_ends")),
        flying=_count(value, "flying"),
    )


def _count(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    if type(number) is not int or not 0 <= number <= _MOST:
        raise ValueError(f"{name} is no count")
    return number


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("day_ends is no time")  # noqa: TRY004 - likewise
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("day_ends has no time zone")
    return at
