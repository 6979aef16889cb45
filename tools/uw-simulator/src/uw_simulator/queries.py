"""How upstream reads query parameters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

Query = Mapping[str, str]

_MILLIS_FROM = 10**11  # an epoch number this large is in milliseconds


class BadQuery(Exception):  # noqa: N818 - the condition is the name
    """A query parameter that cannot be read: 422 with this text."""


def limit(query: Query, default: int, most: int) -> int:
    """Return how many rows are wanted, cut to what one answer may hold."""
    return min(whole(query, "limit", default), most)


def whole(query: Query, name: str, default: int) -> int:
    """Return a whole number that is not negative."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise BadQuery(f"{name}={text} (valid example: {name}={default})")
    return int(text)


def day(query: Query) -> date | None:
    """Return the parameter `date`."""
    text = query.get("date")
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadQuery(f"date={text} (valid example: date=2024-01-18)") from None


def moment(query: Query, name: str, *, iso_counts: bool = True) -> datetime | None:
    """Return a cursor: epoch seconds or milliseconds, or ISO where that counts."""
    text = query.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return instant(text) if iso_counts else None
    try:
        return datetime.fromtimestamp(number / 1000 if number >= _MILLIS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadQuery(f"{name}={text} (valid example: {name}=1705588200)") from None


def instant(text: str) -> datetime:
    """Return a moment written in ISO-8601; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadQuery(f"{text} (valid example: 2024-01-18T14:30:00Z)") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def several(query: Query, name: str) -> list[str]:
    """Return all values of a repeated parameter."""
    many = getattr(query, "getlist", None)
    return list(many(name)) if many else []
