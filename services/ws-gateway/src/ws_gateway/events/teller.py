"""Tells one listener of the past: each event says how far that listener has come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ws_gateway.event import Event
from ws_gateway.events.dialect import Events, data_of, gap_event, id_line, item, progress
from ws_gateway.native.owed import Condition, Owed
from ws_gateway.native.teller import Teller

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway
    from ws_gateway.wire.wire import Wire


class EventTeller(Teller):
    """Tells in events whose ids are the listener's own.

    One stream is told after the other: an event's id holds where the listener stands in each of them, and not
    where the gateway does. Of a stream whose present is shown it holds nothing, until all of it is told.
    """

    def __init__(self, gateway: Gateway, dialect: Events, wire: Wire, parts: Iterable[Owed]) -> None:
        """Tell *wire*, which stands where *parts* say, in *dialect*."""
        super().__init__(gateway, wire)
        self._dialect = dialect
        self._positions = {part.stream.name: part.at for part in parts if part.after is not None}

    def message(self, event: Event) -> bytes | None:
        """Return the event of a message, which takes the listener there."""
        block = self._block(event)
        if block is None:
            return None
        self._positions[event.stream] = event.at
        return id_line(self._positions.values()) + data_of(block)

    def item(self, event: Event) -> bytes | None:
        """Return the event of a message of a snapshot."""
        block = self._block(event)
        return None if block is None else item(block)

    def loss(self, topic: str, start: str | None, end: str, reason: str) -> bytes:
        """Return the event that announces a gap."""
        return gap_event(topic, start, end, reason)

    async def piece(self, part: Owed, passes: Condition) -> int:
        """Show a piece of a stream; where a filter holds all of it back, the listener gets ahead as well."""
        before = part.after
        told = await super().piece(part, passes)
        if not told and part.after != before:
            self._positions[part.stream.name] = part.at
            self.show([progress(self._positions.values(), datetime.now(UTC))])
        return told

    def _block(self, event: Event) -> bytes | None:
        """Return the event as the live hear it; where it is made only now, its id is said to nobody."""
        return self._gateway.hub.frame(self._dialect, event)
