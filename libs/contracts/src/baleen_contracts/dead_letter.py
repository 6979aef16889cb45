"""An alert that a destination would not take, and one that is sent again. Pure."""

from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import MAX_COUNT, Count, Id, Json, Label, Utc
from baleen_contracts.message import Message, natural_key
from baleen_contracts.tokens import name_token


class DeadLetter(Message):
    """An alert given up for one destination, whole, so that it can be sent again by hand."""

    entity: ClassVar[str] = "dead_letter"
    type: ClassVar[str] = "dead.v1.alert"

    destination: Label
    alert_id: Id
    reason: Label
    detail: Annotated[str, Field(max_length=2_000)] | None = None
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    attempts: Count
    replays: Annotated[
        int, Field(ge=0, le=1_000_000, description="How often it was sent again by hand before")
    ] = 0
    first_attempt_at: Utc | None = None
    seq: (
        Annotated[
            int, Field(ge=1, le=MAX_COUNT, description="Its number in the stream ALERT, where that is known")
        ]
        | None
    ) = None
    alert: Json

    @property
    def subject(self) -> str:
        """One subject per destination."""
        return "dead.v1.alert." + name_token(self.destination)

    @property
    def identity(self) -> str:
        """Destination, alert and replay: an alert dies once per attempt to deliver it.

        Two sources may give their alerts the same id; the number in the stream tells them apart.
        """
        return natural_key(self.destination.lower(), self.alert_id, self.seq, self.replays)


class Redelivery(DeadLetter):
    """A dead letter that somebody sends again: the letter as it was, with one replay more."""

    entity: ClassVar[str] = "redelivery"
    type: ClassVar[str] = "dead.v1.redeliver"

    @property
    def subject(self) -> str:
        """One subject per destination."""
        return "dead.v1.redeliver." + name_token(self.destination)
