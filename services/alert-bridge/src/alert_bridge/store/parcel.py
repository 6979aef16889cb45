"""An alert packed for the bus: the same bytes under the same id, whether at once or from the disk. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from baleen_contracts.alert import Alert


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a publisher and the spool need of an alert."""

    entity: ClassVar[str] = Alert.entity
    type: ClassVar[str] = Alert.type

    message_id: str
    subject: str
    occurred_at: datetime
    body: bytes
    traceparent: str | None = None

    @classmethod
    def of(cls, alert: Alert, traceparent: str | None = None) -> Parcel:
        """*alert*, encoded once, and the trace that goes on with it.

        Raises:
            ValueError: it holds what no JSON, subject or id can carry.
        """
        return cls(alert.message_id, alert.subject, alert.occurred_at, alert.to_json(), traceparent)

    @property
    def received_at(self) -> datetime:
        """Nobody asks a parcel; the body has it."""
        return self.occurred_at

    def to_json(self) -> bytes:
        """The body as it travels."""
        return self.body
