"""One run of a scripted session: what comes next, and what becomes of an order to it. Pure."""

from __future__ import annotations

from pydantic import JsonValue

from baleen_contracts.command import CommandReply, CommandRequest
from baleen_contracts.session import (
    Candle,
    PositionClosed,
    SessionCompleted,
    SessionData,
    SessionPaused,
    SessionResumed,
    SessionType,
)
from baleen_contracts.session_entry import SessionState
from uw_simulator.demo_sessions import Step, Steps, Stopped


class Run:
    """A session that is being played.

    Attributes:
        state: how it stands; it ends as completed.
    """

    def __init__(self, session_id: str, kind: SessionType, steps: Steps) -> None:
        self._session_id, self._kind, self._steps = session_id, kind, steps
        self._candle: int | None = None
        self._next: Step | None = next(steps)
        self.state = SessionState.RUNNING
        self._stops = False

    @property
    def pause(self) -> float:
        """How long to wait, in seconds, before the next event."""
        return self._next[0] if self._next is not None else 0.0

    def step(self) -> SessionData | None:
        """Return the next event, None after the last; a session that is paused is not asked."""
        if self._next is None:
            self.state = SessionState.COMPLETED
            return None
        _, data = self._next
        self._next = next(self._steps, None)
        if isinstance(data, Candle):
            self._candle = data.candle_index if data.candle_index is not None else data.candle_number
        if isinstance(data, SessionCompleted):
            self.state = SessionState.COMPLETED
        return data

    def obey(self, request: CommandRequest) -> tuple[CommandReply, SessionData | None]:
        """Do as told; return the answer, and the event that says so."""
        if self._next is None or self._stops or isinstance(self._next[1], SessionCompleted):
            return _refused("not_running", "the session is over; the demo soon plays it again"), None
        if request.action == "stop":
            return self._stop(close_position=request.close_position is not False), None
        if request.action not in ("pause", "resume") or self._kind is not SessionType.BACKTEST:
            return _refused("not_supported", f"this session does not know how to {request.action}"), None
        pauses = request.action == "pause"
        if pauses is (self.state is SessionState.PAUSED):
            return _refused("nothing_to_do", f"the session is {self.state}"), None
        self.state = SessionState.PAUSED if pauses else SessionState.RUNNING
        event = SessionPaused if pauses else SessionResumed
        return CommandReply(ok=True), event(session_id=self._session_id, current_candle=self._candle)

    def _stop(self, *, close_position: bool) -> CommandReply:
        self.state, self._stops = SessionState.RUNNING, True
        self._next = self._steps.throw(Stopped(close_position=close_position))
        data: dict[str, JsonValue] = {"result_id": f"{self._session_id}-result"}
        if self._kind is SessionType.FORWARD:
            data["position_closed"] = isinstance(self._next[1], PositionClosed)
        return CommandReply(ok=True, data=data)


def _refused(code: str, message: str) -> CommandReply:
    return CommandReply(ok=False, code=code, message=message)
