"""Events of backtest and forward-test sessions, in the order an engine tells them. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from baleen_contracts.fields import Json, known
from baleen_contracts.message import PublishedMessage
from baleen_contracts.session_data import (
    SESSION_DATA,
    AiDecision,
    AiThinking,
    AutoStopTriggered,
    Candle,
    CountdownUpdate,
    IndicatorReadiness,
    PositionClosed,
    PositionOpened,
    PositionUpdated,
    PriceUpdate,
    SessionCompleted,
    SessionData,
    SessionError,
    SessionInitialized,
    SessionPaused,
    SessionResumed,
    StatsUpdate,
)
from baleen_contracts.tokens import token

__all__ = [
    "SESSION_DATA",
    "AiDecision",
    "AiThinking",
    "AutoStopTriggered",
    "Candle",
    "CountdownUpdate",
    "IndicatorReadiness",
    "PositionClosed",
    "PositionOpened",
    "PositionUpdated",
    "PriceUpdate",
    "SessionCompleted",
    "SessionData",
    "SessionError",
    "SessionEvent",
    "SessionInitialized",
    "SessionPaused",
    "SessionResumed",
    "SessionType",
    "StatsUpdate",
]


class SessionType(StrEnum):
    """The two kinds of session."""

    BACKTEST = "backtest"
    FORWARD = "forward"


class SessionEvent(PublishedMessage):
    """An event of a session. ``data`` of a known event is checked against its model and kept as it came."""

    entity: ClassVar[str] = "session_event"
    type: ClassVar[str] = "session.v1.event"

    session_id: Annotated[str, Field(min_length=1, max_length=200)]
    session_type: Annotated[str, known(SessionType)] | None = None
    event: Annotated[str, known(SESSION_DATA)]
    data: Json = Field(default_factory=dict)

    @model_validator(mode="after")
    def _data_fits_event(self) -> Self:
        data = SESSION_DATA.get(self.event)
        if data is not None:
            data.model_validate(self.data)
        return self

    @classmethod
    def of(
        cls, session_id: str, data: SessionData, *, occurred_at: datetime, event_id: str | None = None
    ) -> Self:
        """Makes the event that carries these data."""
        body = data.model_dump(mode="json", exclude_unset=True)
        return cls(session_id=session_id, event=data.event, data=body, occurred_at=occurred_at, id=event_id)

    @property
    def subject(self) -> str:
        """One subject per session and kind of event."""
        return f"session.v1.{token(self.session_id)}.{token(self.event)}"
