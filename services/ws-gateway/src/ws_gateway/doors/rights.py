"""Who a client is, and what it may hear and say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ws_gateway.topics import meet


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says of its bearer.

    Attributes:
        subject: whose token it is; None for anybody, where no tokens are asked for.
        subscribe: the patterns of what may be heard.
        publish: the patterns of the subjects under which commands may be given.
        admin: whether the clients of the gateway may be looked at.
        expires_at: when the token ends, in Unix seconds; None for never.
    """

    subject: str | None
    subscribe: tuple[str, ...]
    publish: tuple[str, ...]
    admin: bool
    expires_at: float | None

    def may_subscribe(self, topic: str) -> bool:
        """Tell whether all that *topic* means may be heard."""
        return _covered(topic, self.subscribe)

    def may_publish(self, subject: str) -> bool:
        """Tell whether a command may be given under *subject*."""
        return _covered(subject, self.publish)


def _covered(topic: str, patterns: tuple[str, ...]) -> bool:
    return any(meet(topic, pattern) == topic for pattern in patterns)


ANYBODY: Final = Identity(subject=None, subscribe=(">",), publish=(">",), admin=True, expires_at=None)
"""Everybody, where no tokens are asked for."""

NOBODY: Final = Identity(subject=None, subscribe=(), publish=(), admin=False, expires_at=None)
"""Who has not said yet who it is: may hear and say nothing."""
