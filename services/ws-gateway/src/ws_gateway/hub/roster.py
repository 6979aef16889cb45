"""Who is here, and what each was given."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from ws_gateway.hub.session import Session
from ws_gateway.hub.stats import ConnectionStats, HubStats, WireFigures, figures_of
from ws_gateway.hub.sweep import Sweep
from ws_gateway.wire.wire import Wire


class Roster:
    """The clients that were admitted and are not gone.

    Attributes:
        wires: their connections.
        by_label: how many there are, by what they are counted under.
        connects: how many were admitted since ever.
        disconnects: how many of them are gone.
        now: seconds that never run backwards.
    """

    sweep: Sweep

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._born = clock()
        self.wires: set[Wire] = set()
        self.by_label: Counter[str] = Counter()
        self.connects = self.disconnects = 0

    def __len__(self) -> int:
        return len(self.wires)

    def enter(self, wire: Wire) -> None:
        """Note a client that was admitted."""
        session: Session = wire.session
        wire.connected_at = time.time()
        wire.number = self.connects
        self.wires.add(wire)
        self.connects += 1
        self.by_label[session.label] += 1

    def leave(self, wire: Wire) -> None:
        """Note that a client is gone."""
        if wire not in self.wires:
            return
        self.wires.discard(wire)
        self.disconnects += 1
        session: Session = wire.session
        self.by_label[session.label] -= 1
        if not self.by_label[session.label]:
            del self.by_label[session.label]

    def message_count(self, wire: Wire) -> int:
        """Return how many bus messages a client has been given, or is about to be."""
        given = wire.said + (wire.pen.total - wire.counted_from if wire.pen is not None else 0)
        return given - wire.backlog.conflated - wire.backlog.skipped

    def buffered(self) -> int:
        """Return the bytes that wait for clients which read too slowly."""
        return sum(
            wire.backlog.live + wire.transport.get_write_buffer_size() for wire in self.wires if wire.lagging
        )

    def find(self, name: str) -> Wire | None:
        """Return the client whose id is *name*."""
        return next((wire for wire in self.wires if wire.id == name), None)

    def describe(self, wire: Wire) -> WireFigures:
        """Return how a client stands."""
        session: Session = wire.session
        return figures_of(wire, session.label, self.message_count(wire), self.now())

    def stats(self) -> HubStats:
        """Return counts by label and the connections, for the statistics routes."""
        return HubStats(
            by_label=dict(self.by_label),
            connects=self.connects,
            disconnects=self.disconnects,
            messages=self.sweep.delivered,
            uptime=self.now() - self._born,
            connections=tuple(
                ConnectionStats(
                    wire.session.label,
                    datetime.fromtimestamp(wire.connected_at, UTC),
                    self.message_count(wire),
                )
                for wire in self.wires
            ),
        )
