"""What the gateway remembers, so that a client that arrives is shown the present at once. Pure.

For every entity the newest messages, in order; for entities of delivery `latest` also the last per subject.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import merge

from baleen_contracts.catalogue import CATALOGUE, Delivery
from ws_gateway.event import Event
from ws_gateway.topics import matches, overlap

NEWEST_KEPT = 200
"""Messages remembered per entity of delivery `every`."""
MAX_SUBJECTS = 100_000
"""Subjects whose last message is remembered, per entity; the oldest subject gives way."""


class Memory:
    """The newest messages per entity and the last per subject."""

    def __init__(self, newest_kept: int = NEWEST_KEPT, max_subjects: int = MAX_SUBJECTS) -> None:
        self._max_subjects = max_subjects
        self._newest: dict[str, deque[Event]] = {
            entity.name: deque(maxlen=newest_kept) for entity in CATALOGUE
        }
        self._last: dict[str, dict[str, Event]] = {
            entity.name: {} for entity in CATALOGUE if entity.delivery is Delivery.LATEST
        }
        self._patterns = {entity.name: entity.pattern for entity in CATALOGUE}

    def keep(self, event: Event) -> None:
        """Remember *event*, which is the newest of its stream."""
        self._newest[event.entity].append(event)
        last = self._last.get(event.entity)
        if last is not None:
            if event.subject not in last and len(last) >= self._max_subjects:
                del last[next(iter(last))]
            last[event.subject] = event

    def knows(self, event: Event) -> bool:
        """Return whether *event*, or a later one of its entity, is already remembered."""
        newest = self._newest[event.entity]
        return bool(newest) and newest[-1].stream == event.stream and newest[-1].seq >= event.seq

    def newest(self, topics: Iterable[str], count: int) -> list[Event]:
        """Return the newest *count* messages that any of *topics* means, oldest first."""
        wanted = tuple(topics)
        found: list[Event] = []
        for entity in self._entities(wanted):
            of_entity = [event for event in self._newest[entity] if _wanted(wanted, event)]
            found = list(merge(found, of_entity[-count:], key=_order))
        return found[-count:] if count else []

    def last(self, topics: Iterable[str]) -> list[Event]:
        """Return the last message of every subject that any of *topics* means, oldest first."""
        wanted = tuple(topics)
        found = [
            event
            for entity in self._entities(wanted)
            for event in self._last.get(entity, {}).values()
            if _wanted(wanted, event)
        ]
        return sorted(found, key=_order)

    def present(self, topics: Iterable[str], count: int) -> list[Event]:
        """Return the last per subject where that is what counts, the newest *count* elsewhere."""
        wanted = tuple(topics)
        latest = self.last(wanted)
        every = [event for event in self.newest(wanted, NEWEST_KEPT) if event.entity not in self._last]
        return list(merge(latest, every[-count:] if count else [], key=_order))

    def _entities(self, topics: tuple[str, ...]) -> list[str]:
        return [
            name
            for name, pattern in self._patterns.items()
            if any(overlap(topic, pattern) for topic in topics)
        ]


def _wanted(topics: tuple[str, ...], event: Event) -> bool:
    return any(matches(topic, event.subject) for topic in topics)


def _order(event: Event) -> tuple[str, str, int]:
    """Time first, where there is one: several streams share no other order."""
    return (event.occurred_at, event.stream, event.seq)
