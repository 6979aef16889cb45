"""AlphaLab's dialect: `{type, data, timestamp}`, orders by `action`, errors by code. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from ws_gateway.dialects.alphalab_story import Story, frame
from ws_gateway.errors import Farewell, Refusal
from ws_gateway.event import Event

NAME: Final = "alphalab"
BACKTEST_ORDERS: Final = ("pause", "resume", "stop")
FORWARD_ORDERS: Final = ("stop",)

INVALID_MESSAGE: Final = "INVALID_MESSAGE"
INVALID_COMMAND: Final = "INVALID_COMMAND"
UNKNOWN_COMMAND: Final = "UNKNOWN_COMMAND"
COMMAND_FAILED: Final = "COMMAND_FAILED"
WEBSOCKET_ERROR: Final = "WEBSOCKET_ERROR"

_CODES: Final[Mapping[str, str]] = {
    Refusal.BINARY.value: INVALID_MESSAGE,
    Refusal.NOT_UTF8.value: INVALID_MESSAGE,
    Refusal.BAD_JSON.value: INVALID_MESSAGE,
    Refusal.TOO_LARGE.value: INVALID_MESSAGE,
    Farewell.UNAUTHENTICATED.value: "AUTHENTICATION_REQUIRED",
    Farewell.EXPIRED.value: "AUTHENTICATION_REQUIRED",
    Farewell.UNAUTHORIZED_SESSION.value: "UNAUTHORIZED_SESSION_ACCESS",
}
"""What the gateway's own words are called here; all others are WEBSOCKET_ERROR."""
_MAX_SHOWN: Final = 64


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class Order:
    """The engine is to do this.

    Attributes:
        action: one of the orders that the session's type knows.
        close_position: whether an open position is closed first; None where that is not for the order to say.
    """

    action: str
    close_position: bool | None = None


@dataclass(frozen=True)
class Wrong:
    """The client said what cannot be obeyed."""

    refusal: Refusal
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


Said = Ping | Order | Wrong


@dataclass(frozen=True)
class AlphaLab:
    """How the clients of one session are spoken to.

    Attributes:
        name: one for each session, `alphalab` and its id, since what a frame says depends on earlier events.
        orders: what a client may order, beside `ping`.
        story: the session so far; each event is encoded once, in order.
    """

    name: str
    orders: Collection[str] = ()
    story: Story = field(default_factory=Story)

    @property
    def seed(self) -> bool:
        """Clients know only the close codes of the application they were made for."""
        return True

    def encode(self, event: Event) -> bytes | None:
        """Return the frame of the session's next event.

        Raises:
            ValueError, KeyError, TypeError: it is no event of a session.
        """
        return self.story.tell(event)

    def read(self, text: str) -> Said:
        """Return what a client means by *text*."""
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            return Wrong(Refusal.BAD_JSON, INVALID_MESSAGE, "the message is no JSON")
        if not isinstance(said, dict):
            return Wrong(Refusal.BAD_JSON, INVALID_MESSAGE, "the message is no JSON object")
        action = said.get("action")
        if not isinstance(action, str) or not action:
            return Wrong(Refusal.BAD_REQUEST, INVALID_COMMAND, "the message has no action")
        if action == "ping":
            return Ping()
        if action not in self.orders:
            return self._unknown(action)
        return _stop(said) if action == "stop" else Order(action)

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:
        """Answer a ping and what is wrong; an order is answered by whoever has it carried out."""
        return self.answer(self.read(text), now)

    def answer(self, said: Said, now: datetime) -> Sequence[bytes]:
        """Return the answer to what needs nobody else's."""
        match said:
            case Ping():
                return (self.heartbeat(now),)
            case Wrong():
                return (self.failed(said.code, said.message, now, **said.details),)
            case Order():
                return ()

    def heartbeat(self, now: datetime) -> bytes:
        """Return the sign of life."""
        return frame("heartbeat", {}, now)

    def acknowledged(self, order: Order, data: Mapping[str, Any], now: datetime) -> bytes:
        """Return what tells that an order was carried out, with what the engine says of it."""
        return frame("command_ack", {**data, "action": order.action}, now)

    def truncated(self, skipped: int, now: datetime) -> bytes:
        """Return what tells that the session is longer than what is shown; older clients pass it over."""
        words = f"{skipped} events of this session are not shown again"
        return frame("replay_truncated", {"skipped": skipped, "message": words}, now)

    def failed(self, code: str, message: str, now: datetime, **details: Any) -> bytes:
        """Return an error event, its code under either name."""
        told = {"error_code": code, "code": code, "message": message, "details": details}
        return frame("error", told, now)

    def error(self, code: str, message: str, now: datetime, particular: str | None = None) -> bytes:
        """Return the error event for a word of the gateway's own, which stays in the details."""
        details = {"reason": code} if particular is None else {"reason": code, "why": particular}
        return self.failed(_CODES.get(code, WEBSOCKET_ERROR), message, now, **details)

    def _unknown(self, action: str) -> Wrong:
        known = [*self.orders, "ping"]
        words = f"action is one of {', '.join(known)}"
        details = {"action": action[:_MAX_SHOWN], "known": known}
        return Wrong(Refusal.UNKNOWN_OP, UNKNOWN_COMMAND, words, details)


def _stop(said: dict[str, Any]) -> Order | Wrong:
    close_position = said.get("close_position", True)
    if not isinstance(close_position, bool):
        return Wrong(Refusal.BAD_REQUEST, INVALID_COMMAND, "close_position is true or false")
    return Order("stop", close_position)
