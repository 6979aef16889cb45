"""One client's conversation on the socket: what it joined, and what each of its frames deserves. Pure.

Upstream's manners are peculiar: only text frames count, unknown names are passed over in silence, and what a
client did before it reconnected is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from uw_simulator.channels import is_known


class Verdict(StrEnum):
    """What becomes of a frame that a client sent."""

    JOINED = "joined"
    ALREADY_JOINED = "already_joined"
    LEFT = "left"
    LEAVE_IGNORED = "leave_ignored"
    OVER_LIMIT = "over_limit"
    SWALLOWED = "swallowed"
    BINARY = "binary"
    NOT_JSON = "not_json"
    NOT_A_REQUEST = "not_a_request"
    UNKNOWN_CHANNEL = "unknown_channel"


ANSWERED = frozenset({Verdict.JOINED, Verdict.ALREADY_JOINED, Verdict.LEFT})
"""Verdicts that are followed by an ok ack."""


def _never(_name: str) -> bool:
    return False


@dataclass(slots=True)
class Session:
    """The state of one socket as the protocol sees it."""

    joined: dict[str, None] = field(default_factory=dict)
    verdicts: Counter[Verdict] = field(default_factory=Counter)

    def hear(
        self, text: bytes, *, limit: int, swallow: Callable[[str], bool] = _never, leaves: bool = True
    ) -> tuple[Verdict, str]:
        """Take a text frame and return the verdict with the channel it names, or "".

        Args:
            text: the frame's content.
            limit: how many channels may be joined.
            swallow: tells whether a join of that channel is lost, as sometimes happens upstream.
            leaves: whether a leave is honoured.
        """
        verdict, name = self._judge(text, limit, swallow, leaves)
        self.verdicts[verdict] += 1
        if verdict is Verdict.JOINED:
            self.joined[name] = None
        elif verdict is Verdict.LEFT:
            self.joined.pop(name, None)
        return verdict, name

    def hear_binary(self) -> None:
        """Pass over a binary frame."""
        self.verdicts[Verdict.BINARY] += 1

    def _judge(  # noqa: PLR0911 - one line per reason
        self, text: bytes, limit: int, swallow: Callable[[str], bool], leaves: bool
    ) -> tuple[Verdict, str]:
        try:
            request = orjson.loads(text)
        except ValueError:
            return Verdict.NOT_JSON, ""
        if not isinstance(request, dict):
            return Verdict.NOT_A_REQUEST, ""
        name, wish = request.get("channel"), request.get("msg_type")
        if not isinstance(name, str) or wish not in ("join", "leave"):
            return Verdict.NOT_A_REQUEST, ""
        if not is_known(name):
            return Verdict.UNKNOWN_CHANNEL, ""
        if wish == "leave":
            return (Verdict.LEFT if leaves else Verdict.LEAVE_IGNORED), name
        if swallow(name):
            return Verdict.SWALLOWED, name
        if name in self.joined:
            return Verdict.ALREADY_JOINED, name
        return (Verdict.OVER_LIMIT if len(self.joined) >= limit else Verdict.JOINED), name
