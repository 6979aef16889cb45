"""An alert as it is carried from the stream to a destination. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from baleen_contracts.alert import Alert


@dataclass(frozen=True, slots=True)
class Carried:
    """One stored alert.

    Attributes:
        seq: its number in the stream ``ALERT``, under which its fate is kept.
        alert: what was accepted.
        stored_at: when the stream took it.
        replays: how often it was sent again by hand after it had died; 0 on its first way.
        traceparent: the trace that goes on with it.
    """

    seq: int
    alert: Alert
    stored_at: datetime
    replays: int = 0
    traceparent: str | None = None
