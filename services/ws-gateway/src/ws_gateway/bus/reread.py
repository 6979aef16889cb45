"""Reads from a stream what memory does not hold any more, for who comes back late or wants what is rare."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from baleen_bus import ApiRefused, Bus, Delivered, fetch_chunk, fetch_last, fetch_newest
from baleen_bus.reading import stream_state
from ws_gateway.bus.past import EXPIRED, Lost, Past, StreamPast
from ws_gateway.event import Event
from ws_gateway.topics import TopicTree, cover, is_wild, meet

CHUNK: Final = 1_000
"""Messages that are read at a time; a client is shown them before the next are read."""
_AT_ONCE: Final = 4
_SUBJECTS_AT_ONCE: Final = 500
_NO_STREAM: Final = 404


class Chunk(NamedTuple):
    """The next piece of a stream: its messages, up to which number it reaches, and what is missing in it."""

    events: list[Event]
    until: int
    lost: Lost | None


class Rereader:
    """Reads for a few clients at a time; the others wait, so that a crowd does not flood the bus."""

    def __init__(self, bus: Bus, past: Past) -> None:
        """Read from *bus* the streams that *past* knows."""
        self._bus = bus
        self._past = past
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self.chunks = 0

    async def newest(self, topics: Iterable[str], count: int) -> list[Event]:
        """Return the last message of every single subject, and the newest *count* of every pattern.

        Raises:
            BusError: the bus does not answer now.
        """
        wanted = list(dict.fromkeys(topics))
        found: list[Event] = []
        for stream in self._past.holding(wanted):
            parts = _parts_of(stream, wanted)
            subjects = [part for part in parts if not is_wild(part)]
            async with self._gate:
                for start in range(0, len(subjects), _SUBJECTS_AT_ONCE):
                    some = subjects[start : start + _SUBJECTS_AT_ONCE]
                    found += self._events(stream, await fetch_last(self._bus, stream.name, some))
                for pattern in parts:
                    if is_wild(pattern):
                        newest = await fetch_newest(self._bus, stream.name, pattern, count)
                        found += self._events(stream, newest)
            self.chunks += 1
        return list({(event.stream, event.seq): event for event in found}.values())

    async def kept_from(self, stream: StreamPast) -> int:
        """Return the number of the oldest message that *stream* keeps.

        Raises:
            BusError: the bus does not answer now.
        """
        async with self._gate:
            return (await stream_state(self._bus, stream.name)).first_seq

    async def chunk(self, stream: StreamPast, topics: Collection[str], after: int) -> Chunk:
        """Return what follows *after* of *topics*, not beyond what the gateway has heard itself.

        Raises:
            BusError: the bus does not answer now.
        """
        heard = stream.tail.heard
        async with self._gate:
            kept_from = (await stream_state(self._bus, stream.name)).first_seq
            start = max(after, kept_from - 1)
            lost = Lost(stream.name, after, start, EXPIRED) if start > after else None
            try:
                found, more = await fetch_chunk(
                    self._bus, stream.name, _apart(_parts_of(stream, topics)), start, CHUNK
                )
            except ApiRefused as error:
                if error.code != _NO_STREAM:
                    raise
                found, more = [], False
        self.chunks += 1
        until = (found[-1].seq if found else start) if more else heard
        until = max(start, min(until, heard))
        mean = _tree_of(topics).means
        events = self._events(stream, (one for one in found if one.seq <= until and mean(one.subject)))
        return Chunk(events, until, lost)

    @staticmethod
    def _events(stream: StreamPast, found: Iterable[Delivered]) -> list[Event]:
        read = (stream.read(one) for one in found)
        return [event for event in read if event is not None]


def _parts_of(stream: StreamPast, topics: Iterable[str]) -> list[str]:
    """Return what *topics* mean of this stream, as subjects and patterns of its own."""
    parts = (meet(topic, pattern) for topic in topics for pattern in stream.patterns)
    return list(dict.fromkeys(part for part in parts if part is not None))


def _apart(parts: list[str]) -> list[str]:
    """Return patterns that mean at least the same and of which no subject is meant by two."""
    wild = [part for part in parts if is_wild(part)]
    if any(meet(one, other) is not None for place, one in enumerate(wild) for other in wild[:place]):
        return [cover(parts)]
    mean = _tree_of(wild).means
    return [*wild, *(part for part in parts if not is_wild(part) and not mean(part))]


def _tree_of(topics: Iterable[str]) -> TopicTree[None]:
    tree: TopicTree[None] = TopicTree()
    for topic in topics:
        tree.add(topic, None)
    return tree
