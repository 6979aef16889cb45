"""Where listeners are told from: in which dialect, and whether the streams of their topics are known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from baleen_bus import Gap
from ws_gateway.bus.heard import heard_streams, streams_of
from ws_gateway.events.dialect import Events, gap_event
from ws_gateway.topics import cover

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

MAX_SETS: Final = 8
"""Sets of streams with ids of their own, since each makes an event of every message; whoever wants yet
another set has ids that name all streams: longer, and as good."""
_KNOWN_WITHIN: Final = 10.0
_LOOK_EVERY: Final = 0.05


class Station:
    """The dialects in which listeners are told, by the streams that an id names."""

    def __init__(self, gateway: Gateway) -> None:
        """Tell what *gateway* hears, its gaps included."""
        self._gateway = gateway
        self._all = tuple(sorted(heard_streams()))
        self._dialects: dict[tuple[str, ...], Events] = {self._all: self._made(self._all)}
        gateway.on_gap.append(self._on_gap)

    def dialect(self, topics: Collection[str]) -> Events:
        """Return the dialect whose ids name at least the streams that hold *topics*."""
        streams = tuple(sorted(streams_of(topics)))
        known = self._dialects.get(streams)
        if known is None:
            if len(self._dialects) > MAX_SETS:
                return self._dialects[self._all]
            known = self._dialects[streams] = self._made(streams)
        return known

    async def knows(self, topics: Collection[str]) -> bool:
        """Wait until the past of all that holds *topics* is at hand; return False if that takes too long.

        A gateway that has just begun would take every position for one of a stream that is no more.
        """
        missing = streams_of(topics)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _KNOWN_WITHIN
        while not missing <= self._gateway.settled:
            if loop.time() > deadline or self._gateway.leaving:
                return False
            await asyncio.sleep(_LOOK_EVERY)
        return True

    def _made(self, streams: tuple[str, ...]) -> Events:
        gateway = self._gateway

        def now() -> Iterator[str]:
            """Return where these streams stand; one whose past is not at hand yet has no position."""
            return (gateway.past.streams[name].at for name in streams if name in gateway.settled)

        return Events(f"events {','.join(streams)}", now)

    def _on_gap(self, gap: Gap) -> None:
        """Tell all whom it concerns, each once, what will not come."""
        stream = self._gateway.past.streams[gap.stream]
        start, end = (f"{gap.stream}.{stream.epoch()}.{number}" for number in (gap.from_seq, gap.to_seq))

        def told(topics: list[str]) -> bytes:
            return gap_event(cover(topics), start, end, str(gap.reason))

        for dialect in self._dialects.values():
            self._gateway.hub.announce(dialect, stream.patterns, told)
