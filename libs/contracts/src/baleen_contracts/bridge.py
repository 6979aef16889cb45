"""A trading process's event bus and state store, seen from outside. Pure."""

from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import AnyJson, Json, Label
from baleen_contracts.message import PublishedMessage
from baleen_contracts.tokens import token


class BridgeEvent(PublishedMessage):
    """An event of the process's bus, such as ``trade_executed``; its data are the publisher's."""

    entity: ClassVar[str] = "bridge_event"
    type: ClassVar[str] = "bridge.v1.event"

    event_type: Label
    data: Json = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """One subject per event type, in the publisher's spelling."""
        return "bridge.v1.event." + token(self.event_type)


class BridgeState(PublishedMessage):
    """The value at a dotted path of the process's state.

    With ``deleted`` it is a tombstone: the path holds nothing now.
    """

    entity: ClassVar[str] = "bridge_state"
    type: ClassVar[str] = "bridge.v1.state"

    path: Annotated[
        str, Field(max_length=300, pattern=r"^[^.]+(\.[^.]+)*$", description="Segments joined by dots")
    ]
    value: AnyJson = None
    old_value: AnyJson = None
    metadata: Json = Field(default_factory=dict)
    deleted: bool = False

    @property
    def subject(self) -> str:
        """One subject per path; its segments are tokens of their own, so that a wildcard follows a branch."""
        return "bridge.v1.state." + ".".join(token(segment) for segment in self.path.split("."))
