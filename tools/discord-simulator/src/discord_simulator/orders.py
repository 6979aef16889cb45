"""What control may be told, as it arrives. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from discord_simulator.faults import Fault, Kind

_Name = Annotated[str, Field(pattern=r"^[\w-]{1,80}$")]


class Order(BaseModel):
    """An order; an unknown word in it is an error."""

    model_config = ConfigDict(extra="forbid")


class Arm(Order):
    """Let something go wrong: as `Fault`, but checked."""

    kind: Kind
    count: Annotated[int, Field(ge=1)] | None = 1
    every: Annotated[int, Field(ge=1)] = 1
    webhook: _Name | None = None
    status: Annotated[int, Field(ge=400, le=599)] = 502
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None

    def fault(self) -> Fault:
        """The fault that it asks for."""
        return Fault(**self.model_dump())


class Allow(Order):
    """Change limits, from now on; what is not named stays."""

    webhook_limit: Annotated[int, Field(ge=1)] | None = None
    webhook_window: Annotated[float, Field(gt=0)] | None = None
    channel_limit: Annotated[int, Field(ge=1)] | None = None
    channel_window: Annotated[float, Field(gt=0)] | None = None
    global_limit: Annotated[int, Field(ge=1)] | None = None
    global_window: Annotated[float, Field(gt=0)] | None = None


class Make(Order):
    """Make a webhook, or move it to another channel."""

    name: _Name
    channel: _Name
