"""How long each hop of a message took, from its times. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST = 3_600.0
"""Seconds; an older `occurred_at` is a date (a disclosure of last month), not the start of a hop."""


@dataclass(frozen=True, slots=True)
class Hops:
    """Milliseconds per hop; None where a time is missing or does not mean the start of one.

    Attributes:
        upstream: from the event to its receipt by the first of our services.
        stored: from there until the bus had it.
        client: from there until a WebSocket client had it.
        whole: from receipt to client.
    """

    upstream: float | None
    stored: float | None
    client: float | None
    whole: float | None


def hops(data: Mapping[str, Any], *, stored: str | None, arrived: datetime) -> Hops:
    """Measure one message.

    Args:
        data: its body.
        stored: the time the bus gave it, ISO-8601, if known.
        arrived: when the client had it.
    """
    occurred, received = _moment(data.get("occurred_at")), _moment(data.get("received_at"))
    kept = _moment(stored)
    return Hops(
        _between(occurred, received),
        _between(received, kept),
        _between(kept, arrived),
        _between(received, arrived),
    )


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    head, dot, tail = text.partition(".")
    if dot:  # nanoseconds, which datetime does not read
        text = f"{head}.{tail.rstrip('Z')[:6]}Z"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    seconds = (end - start).total_seconds()
    return seconds * 1000 if -1 < seconds < LONGEST else None
