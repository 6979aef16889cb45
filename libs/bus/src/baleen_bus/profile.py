"""How every service connects, and what it counts of its connection. Pure."""

from dataclasses import dataclass, field
from typing import Any

MIN_API_LEVEL = 1
JETSTREAM_WITHIN = 30.0
"""Seconds a connected server may take until JetStream answers."""

PROFILE: dict[str, Any] = {
    "max_reconnect_attempts": -1,  # by default the client closes for good after 60
    "reconnect_time_wait": 0.5,
    "connect_timeout": 2,
    "ping_interval": 5,  # with one outstanding ping a half-open link shows after 10 s, by default after 6 min
    "max_outstanding_pings": 1,
    "drain_timeout": 5,
    "pending_size": 1 << 20,  # 0 would remove the client's only back-pressure
    "flush_timeout": 5,  # by default a forced flush waits for ever once its connection is gone
}


SAID_AGAIN_AFTER = 30.0
"""Seconds after which a log says again that the server is away, for whoever looks at its last line."""


@dataclass(slots=True)
class Away:
    """What was last said of a server that cannot be reached: attempts are many, and lines should be few."""

    why: str = ""
    at: float = float("-inf")

    def is_news(self, why: str, now: float) -> bool:
        """Whether this is to be said: it is another reason, or was said long ago (``now`` in seconds)."""
        if why == self.why and now - self.at < SAID_AGAIN_AFTER:
            return False
        self.why, self.at = why, now
        return True


@dataclass(slots=True)
class BusStats:
    """Counters since the connection was made; services export them."""

    reconnects: int = 0
    disconnects: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    denials: int = 0
    handler_errors: int = 0
