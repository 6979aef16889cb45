"""Knows an alert again that was sent away and comes back, though nobody gave it an id. Pure.

Who was told to come back may have been heard all the same: the bus stored the alert, and only its answer was
late. So the repeat gets the id of the first attempt, and the stream keeps one of the two.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from baleen_contracts.alert import Alert

WITHIN = 900.0
"""Seconds in which an equal alert of the same source counts as the one that was sent away."""
MOST = 10_000


class SentAway:
    """The alerts that were not confirmed, by what they say; the oldest gives way."""

    def __init__(self) -> None:
        self._ids: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def id_of(self, alert: Alert, now: float) -> str | None:
        """The id of its first attempt; None if this is its first."""
        if not self._ids:  # as always but after an outage
            return None
        said, at = self._ids.get(_digest(alert), (None, 0.0))
        return said if said is not None and now - at < WITHIN else None

    def note(self, alert: Alert, now: float) -> None:
        """*alert* was sent away, maybe to come back."""
        key = _digest(alert)
        self._ids[key] = (alert.id or "", now)
        self._ids.move_to_end(key)
        if len(self._ids) > MOST:
            self._ids.popitem(last=False)

    def forget(self, alert: Alert) -> None:
        """*alert* is stored: an equal one from now on is another."""
        if self._ids:
            self._ids.pop(_digest(alert), None)


def _digest(alert: Alert) -> bytes:
    said = alert.model_dump_json(exclude={"id", "occurred_at", "received_at"}, exclude_none=True)
    return blake2b(said.encode(), digest_size=16).digest()
