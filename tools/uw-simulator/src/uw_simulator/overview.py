"""What the simulator tells about itself: connections, frames sent, limits exceeded; never a token."""

from __future__ import annotations

import time
from typing import Any

from uw_simulator.limits import Plan, Violation
from uw_simulator.upstream import Upstream


def overview(upstream: Upstream) -> dict[str, Any]:
    """Return connections, accounts, counters, violations, and the processor seconds used so far."""
    return {
        "connections": [
            {
                "connection": c.number, "account": c.account.label, "joined": list(c.session.joined),
                "silenced": c.silenced, "muted": c.muted, "half_open": c.half_open, "sent": c.sent,
                "dropped": c.dropped, "backlog": c.wire.backlog(), "verdicts": dict(c.session.verdicts),
            }
            for c in upstream.connections.values()
        ],
        "accounts": [
            {
                "account": a.label, "sockets": a.sockets.open, "peak_sockets": a.sockets.peak,
                "in_flight": a.requests.flying, "peak_in_flight": a.requests.peak_flying,
                "minute": a.requests.minute_count, "day": a.requests.day_count,
            }
            for a in upstream.accounts()
        ],
        "sent": dict(upstream.sent),
        "counts": dict(upstream.counts),
        "violations": {violation.value: upstream.violations[violation] for violation in Violation},
        "plan": {name: getattr(upstream.plan, name) for name in Plan.__slots__},
        "paused": upstream.paused,
        "cpu_seconds": time.process_time(),
    }  # fmt: skip
