"""How the dialects of older applications write a time: ISO-8601, microseconds, UTC with `Z`. Pure.

Their own servers wrote naive local times, which a browser in another zone showed shifted; with the `Z` the
same code shows the right time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def stamp(time: datetime) -> str:
    """Return *time*, which has a zone, as text."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def occurred(body: Any) -> str:
    """Return when the contract message *body* happened, as text.

    Raises:
        KeyError, TypeError, ValueError: the body holds no such time.
    """
    return stamp(datetime.fromisoformat(body["occurred_at"]))
