"""What the simulator tells about itself: connections, frames sent, limits exceeded; never a token."""

from __future__ import annotations

import time
from typing import Any

from uw_simulator.connections import Connection
from uw_simulator.limits import Plan
from uw_simulator.offences import Violation
from uw_simulator.upstream import Upstream


def overview(upstream: Upstream) -> dict[str, Any]:
    """Return connections, accounts, counters, violations, and the processor seconds used so far."""
    return {
        "connections": [_connection(connection) for connection in upstream.connections.values()],
        "accounts": [
            {
                "account": a.label, "sockets": a.sockets.open, "peak_sockets": a.sockets.peak,
                "peak_sockets_at": a.sockets.peak_at, "in_flight": a.requests.flying,
                "peak_in_flight": a.requests.peak_flying, "peak_minute": a.requests.peak_minute,
                "minute": a.requests.minute_count, "day": a.requests.day_count,
                "own_minute": a.requests.own_minute, "own_day": a.requests.own_day,
            }
            for a in upstream.accounts()
        ],
        "sent": dict(upstream.sent),
        "counts": dict(upstream.counts),
        "violations": {violation.value: upstream.offences.counts[violation] for violation in Violation},
        "plan": {name: getattr(upstream.plan, name) for name in Plan.__slots__},
        "journal": upstream.journal.told() if upstream.journal else None,
        "paused": upstream.paused,
        "cpu_seconds": time.process_time(),
    }  # fmt: skip


def history(upstream: Upstream) -> dict[str, Any]:
    """Return every socket, open ones without `until`, and every violation with its time and in words.

    Times are epoch seconds. Both lists go back a thousand entries at most, oldest first.
    """
    return {
        "sockets": [*upstream.past, *(_connection(c) for c in upstream.connections.values())],
        "violations": [
            {"at": offence.at, "what": offence.what.value, "text": offence.text}
            for offence in upstream.offences.log
        ],
    }


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        **connection.told(), "silenced": connection.silenced, "muted": connection.muted,
        "half_open": connection.half_open, "backlog": connection.wire.backlog(),
    }  # fmt: skip
