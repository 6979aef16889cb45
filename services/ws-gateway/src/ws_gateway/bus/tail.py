"""The end of a stream, kept in memory: who comes back after a while is told from here what was missed. Pure.

A tail knows everything that was stored after its floor. It is bounded by bytes; as the oldest messages give
way the floor rises, and whoever comes back from below it is told from the stream instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from heapq import merge
from itertools import takewhile
from operator import attrgetter
from typing import Final

from ws_gateway.event import Event
from ws_gateway.topics import TopicTree, is_wild

_OVERHEAD: Final = 1_800
"""Bytes that an event takes beside its body and its frames."""
_COPIES: Final = 4
"""The body, the frames for the live and for snapshots, and the first of these made smaller."""
_SEQ: Final = attrgetter("seq")


class Tail:
    """The newest messages of one stream.

    Attributes:
        floor: the number after which nothing is missing here; None before the stream is heard.
        heard: the number of the newest message, or where hearing began.
    """

    __slots__ = ("_by_subject", "_bytes", "_events", "_most_bytes", "floor", "heard")

    def __init__(self, most_bytes: int) -> None:
        """Keep so many bytes."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._events: deque[Event] = deque()
        self._by_subject: dict[str, deque[Event]] = {}
        self.floor: int | None = None
        self.heard = 0

    def __len__(self) -> int:
        return len(self._events)

    def begin(self, seq: int) -> None:
        """Forget everything; what is stored after *seq* will be added, without a hole."""
        self._events.clear()
        self._by_subject.clear()
        self._bytes = 0
        self.floor = self.heard = seq

    def add(self, event: Event) -> None:
        """Keep the next message; one that is no newer than the newest is here already."""
        if event.seq <= self.heard:
            return
        self.heard = event.seq
        if self._events:
            self._events[-1].slim()  # everybody who was here has been given it
        self._events.append(event)
        of_subject = self._by_subject.get(event.subject)
        if of_subject is None:
            self._by_subject[event.subject] = deque((event,))
        else:
            of_subject.append(event)
        self._bytes += _size(event)
        while self._bytes > self._most_bytes:
            self._drop_oldest()

    def lift(self, floor: int, heard: int) -> None:
        """Note that nothing up to *floor* is sure to be here, and that everything up to *heard* is known."""
        if self.floor is not None:
            self.floor = max(self.floor, floor)
        self.heard = max(self.heard, heard)

    def covers(self, seq: int) -> bool:
        """Tell whether everything after *seq* is here."""
        return self.floor is not None and self.floor <= seq <= self.heard

    def after(self, seq: int, topics: Collection[str]) -> list[Event]:
        """Return the messages after *seq* that any of *topics* means, oldest first."""
        wild = [topic for topic in topics if is_wild(topic)]
        if not wild:
            parts = [_newer(self._by_subject[topic], seq) for topic in topics if topic in self._by_subject]
            return parts[0] if len(parts) == 1 else list(merge(*parts, key=_SEQ))
        tree: TopicTree[None] = TopicTree()
        for topic in topics:
            tree.add(topic, None)
        means: dict[str, bool] = {}
        found: list[Event] = []
        for event in _newer(self._events, seq):
            wanted = means.get(event.subject)
            if wanted is None:
                wanted = means[event.subject] = tree.means(event.subject)
            if wanted:
                found.append(event)
        return found

    def _drop_oldest(self) -> None:
        oldest = self._events.popleft()
        self.floor = oldest.seq
        self._bytes -= _size(oldest)
        of_subject = self._by_subject[oldest.subject]
        of_subject.popleft()
        if not of_subject:
            del self._by_subject[oldest.subject]


def _size(event: Event) -> int:
    return _COPIES * len(event.body) + _OVERHEAD


def _newer(events: deque[Event], seq: int) -> list[Event]:
    """Return the events after *seq*, found from the end, where they are."""
    found = list(takewhile(lambda event: event.seq > seq, reversed(events)))
    found.reverse()
    return found
