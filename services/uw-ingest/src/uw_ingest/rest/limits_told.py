"""What upstream tells of its limits: three kinds of 429, and the headers of every answer. Pure."""

from collections.abc import Mapping
from enum import StrEnum

MINUTE = 60.0  # seconds

_UNCAPPED = 100_000  # some keys answer with a million remaining


class Limit(StrEnum):
    """The three things a 429 can mean; their cures differ."""

    CONCURRENCY = "concurrency"
    MINUTE = "minute"
    DAY = "day"


def limit_of(body: str) -> Limit:
    """Tell the three bodies of a 429 apart."""
    if "daily_request_limit_hit" in body or "daily request limit" in body:
        return Limit.DAY
    if "concurrent requests" in body:
        return Limit.CONCURRENCY
    return Limit.MINUTE


def minute_ends_in(headers: Mapping[str, str]) -> float:
    """Return the seconds until upstream's minute starts anew; whatever the header says, a minute at most."""
    reset = _number(headers, "x-uw-req-per-minute-reset")
    return MINUTE if reset is None else min(reset / 1000, MINUTE)


def minute_left(headers: Mapping[str, str]) -> int | None:
    """Return how many calls the minute has left, ``None`` if that is not told or not limited."""
    left = _number(headers, "x-uw-req-per-minute-remaining")
    return None if left is None or left >= _UNCAPPED else left


def day_limit(headers: Mapping[str, str]) -> int | None:
    """Return how many calls a day the token has."""
    return _number(headers, "x-uw-token-req-limit") or None


def day_used(headers: Mapping[str, str]) -> int | None:
    """Return how many of them are charged."""
    return _number(headers, "x-uw-daily-req-count")


def retry_after(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a refusal asks, a minute at most; 0 if it does not."""
    return min(_number(headers, "retry-after") or 0, MINUTE)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None  # noqa: PLR2004 - sane
