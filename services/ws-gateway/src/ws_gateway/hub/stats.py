"""What the hub has done, for the statistics that clients and operators ask for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ws_gateway.wire.wire import Wire


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


@dataclass(frozen=True)
class WireFigures:
    """How one client stands.

    Attributes:
        id: the word that names it.
        label: under which name it is counted.
        connected_at: since when it is here.
        messages: messages it was given.
        waiting_bytes: bytes that wait for it in this process.
        lag_ms: how long the oldest message that waits for it has waited, or how long its socket has taken
            nothing more if that is longer, in milliseconds; 0 for a client that keeps up.
        conflated: messages passed over for a newer one of their subject.
        skipped: messages dropped when it fell behind.
        behind: whether it is catching up from a stream.
        times_behind: how often it fell behind.
        last_gap_at: when it last fell behind.
        last_gap: of each stream of which something was dropped then, the number after which it was.
    """

    id: str
    label: str
    connected_at: datetime
    messages: int
    waiting_bytes: int
    lag_ms: float
    conflated: int
    skipped: int
    behind: bool
    times_behind: int
    last_gap_at: datetime | None
    last_gap: Mapping[str, int] | None


def figures_of(wire: Wire, label: str, messages: int, now: float) -> WireFigures:
    """Return how *wire* stands at *now*, in seconds of the hub's clock."""
    backlog = wire.backlog
    fell = wire.fell_since is not None
    return WireFigures(
        id=wire.id,
        label=label,
        connected_at=datetime.fromtimestamp(wire.connected_at, UTC),
        messages=messages,
        waiting_bytes=backlog.live + wire.transport.get_write_buffer_size(),
        lag_ms=1000.0 * _lag_of(wire, now),
        conflated=backlog.conflated,
        skipped=backlog.skipped,
        behind=wire.behind,
        times_behind=wire.times_behind,
        last_gap_at=datetime.fromtimestamp(wire.fell_at, UTC) if fell else None,
        last_gap=wire.fell_since,
    )


def _lag_of(wire: Wire, now: float) -> float:
    if not wire.lagging:
        return 0.0
    oldest = wire.backlog.oldest()
    return max(0.0, now - min(wire.full_from, now if oldest is None else oldest))
