"""What stands in the bucket `sessions`: that a session exists, of which kind it is and whose. Pure."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Utc, known
from baleen_contracts.message import Contract
from baleen_contracts.session import SessionType


class SessionState(StrEnum):
    """How a session stands."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


class SessionEntry(Contract):
    """A session that may be watched: its engine writes it before the first event and at every change.

    It is forgotten a week after it was last written, as the session's events are, so the engine of a session
    that runs longer writes it once a day.
    """

    entity: ClassVar[str] = "session_entry"
    type: ClassVar[str] = "session.v1.entry"

    session_id: Annotated[str, Field(min_length=1, max_length=200)]
    session_type: Annotated[str, known(SessionType)]
    owner: (
        Annotated[
            str, Field(min_length=1, max_length=200, description="Subject of the tokens that may watch it")
        ]
        | None
    ) = None
    """None where the engine knows no users: then no token of anybody opens it."""
    state: Annotated[str, known(SessionState)] = SessionState.RUNNING.value
    updated_at: Utc
