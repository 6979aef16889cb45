"""What the hub has done, for the statistics that clients and operators ask for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ConnectionStats:
    """One connection, for statistics."""

    label: str
    connected_at: datetime
    message_count: int


@dataclass(frozen=True)
class HubStats:
    """What the hub has done since it exists."""

    by_label: dict[str, int]
    connects: int
    disconnects: int
    messages: int
    uptime: float
    connections: tuple[ConnectionStats, ...] = field(repr=False)
