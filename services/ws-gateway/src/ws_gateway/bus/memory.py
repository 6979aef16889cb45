"""What the gateway remembers, so that a client that arrives is shown the present at once. Pure.

For every entity the newest messages, in order; for entities of delivery `latest` also the last per subject.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from heapq import merge
from itertools import chain, islice
from operator import attrgetter
from typing import Final

from baleen_contracts.catalogue import CATALOGUE, Delivery
from ws_gateway.bus.subjects import Subjects
from ws_gateway.event import Event
from ws_gateway.topics import ONE, REST, TopicTree, is_wild, matches, meet

NEWEST_KEPT = 200
"""Messages remembered per entity of delivery `every`."""
MAX_SUBJECTS = 100_000
"""Subjects whose last message is remembered, per entity; the oldest subject gives way."""

_SEQ: Final = attrgetter("seq")


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
        self._subjects = {
            entity.name: Subjects()
            for entity in CATALOGUE
            if entity.name in self._last and not entity.pattern.endswith(REST)
        }
        self._patterns = {entity.name: entity.pattern for entity in CATALOGUE}

    def keep(self, event: Event) -> None:
        """Remember *event*, which is the newest of its stream."""
        self._newest[event.entity].append(event)
        last = self._last.get(event.entity)
        if last is not None:
            if event.subject not in last:
                if len(last) >= self._max_subjects:
                    self._drop(event.entity, next(iter(last)))
                self._know(event)
            last[event.subject] = event

    def is_passed(self, event: Event) -> bool:
        """Tell whether only the last message of its subject counts, and a newer one is known."""
        last = self._last.get(event.entity)
        if last is None:
            return False
        newest = last.get(event.subject)
        return newest is not None and newest.stream == event.stream and newest.seq > event.seq

    def unsure(self, topics: Iterable[str], count: int) -> list[str]:
        """Return of which topics, or parts of them, a stream may hold more than `present` shows.

        Of a single subject that is more than one message, of a pattern fewer than *count* of an entity of
        which older ones have been forgotten.
        """
        found: list[str] = []
        full = [
            (entity, self._patterns[entity])
            for entity, newest in self._newest.items()
            if entity not in self._last and len(newest) == newest.maxlen
        ]
        for topic in topics:
            for entity, pattern in full:
                part = meet(topic, pattern)
                if part is not None and not self._holds(entity, part, count):
                    found.append(part)
        return found

    def _holds(self, entity: str, topic: str, count: int) -> bool:
        """Tell whether *count* of the entity's newest messages are such that *topic* means them."""
        if not is_wild(topic):
            count = 1
        held = (event for event in reversed(self._newest[entity]) if matches(topic, event.subject))
        return sum(1 for _ in islice(held, count)) == count

    def knows(self, event: Event) -> bool:
        """Return whether *event*, or a later one of its entity, is already remembered."""
        newest = self._newest[event.entity]
        return bool(newest) and newest[-1].stream == event.stream and newest[-1].seq >= event.seq

    def restore(self, event: Event) -> None:
        """Remember *event* as the last of its subject if none is; it is older than all that comes."""
        last = self._last[event.entity]
        if event.subject not in last:
            self._know(event)
            last[event.subject] = event

    def forget(self, stream: str, after: int) -> None:
        """Forget what *stream* told after number *after*: it holds something else there now, or nothing."""

        def stands(event: Event) -> bool:
            return event.stream != stream or event.seq <= after

        for entity, newest in self._newest.items():
            self._newest[entity] = deque(filter(stands, newest), maxlen=newest.maxlen)
        for entity, last in self._last.items():
            for subject in [subject for subject, event in last.items() if not stands(event)]:
                self._drop(entity, subject)

    def _know(self, event: Event) -> None:
        subjects = self._subjects.get(event.entity)
        if subjects is not None:
            subjects.add(event.subject)

    def _drop(self, entity: str, subject: str) -> None:
        del self._last[entity][subject]
        if entity in self._subjects:
            self._subjects[entity].remove(subject)

    def newest(self, topics: Iterable[str], count: int) -> list[Event]:
        """Return the newest *count* messages that any of *topics* means, oldest first."""
        wishes = _Wishes(topics)
        return self._newest_of(wishes, self._newest, count)

    def last(self, topics: Iterable[str]) -> list[Event]:
        """Return the last message of every subject that any of *topics* means, oldest first."""
        return self._last_of(_Wishes(topics))

    def newer(self, topics: Iterable[str], stream: str, seq: int) -> list[Event]:
        """Return the last message of every subject that any of *topics* means, of *stream* after *seq*."""
        found = self._last_meant_by(_Wishes(topics))
        return sorted((one for one in found if one.seq > seq and one.stream == stream), key=_SEQ)

    def present(self, topics: Iterable[str], count: int, older: Iterable[Event] = ()) -> list[Event]:
        """Return the last per subject where that is what counts, elsewhere the newest *count* and *older*.

        Of a topic that is one subject the newest message is always among them.

        Args:
            topics: what is wanted.
            count: how many messages are shown where all count.
            older: what was read from the streams, to be shown beside what is remembered.
        """
        wishes = _Wishes(topics)
        elsewhere = [entity for entity in self._newest if entity not in self._last]
        newest = self._newest_of(wishes, elsewhere, count)
        shown = {(event.stream, event.seq) for event in newest}
        rarer = {
            (event.stream, event.seq): event for event in chain(older, self._newest_single(wishes, elsewhere))
        }
        more = sorted((event for place, event in rarer.items() if place not in shown), key=_order)
        return list(merge(self._last_of(wishes), newest, more, key=_order))

    def _newest_single(self, wishes: _Wishes, entities: Iterable[str]) -> Iterable[Event]:
        """Return the newest message of every single subject that is wanted and remembered."""
        if not wishes.exact:
            return ()
        return {
            event.subject: event
            for entity in entities
            for event in self._newest[entity]
            if event.subject in wishes.exact
        }.values()

    def _newest_of(self, wishes: _Wishes, entities: Iterable[str], count: int) -> list[Event]:
        found: list[Event] = []
        for entity in entities:
            wanted = wishes.within(self._patterns[entity]) or wishes.exact.__contains__
            of_entity = [event for event in self._newest[entity] if wanted(event.subject)]
            found = list(merge(found, of_entity[-count:], key=_order))
        return found[-count:] if count else []

    def _last_of(self, wishes: _Wishes) -> list[Event]:
        return sorted(self._last_meant_by(wishes), key=_order)

    def _last_meant_by(self, wishes: _Wishes) -> list[Event]:
        found: list[Event] = []
        for entity, last in self._last.items():
            shares = wishes.shared_with(self._patterns[entity])
            if not shares:
                found += [last[subject] for subject in wishes.exact if subject in last]
            elif self._patterns[entity] in shares:
                found += last.values()
            elif entity in self._subjects:
                meant = set(self._subjects[entity].meant(shares))
                meant.update(subject for subject in wishes.exact if subject in last)
                found += [last[subject] for subject in meant]
            else:
                wanted = wishes.within(self._patterns[entity]) or wishes.exact.__contains__
                found += [event for subject, event in last.items() if wanted(subject)]
        return found


class _Wishes:
    """Topics made ready, so that the cost of asking about a subject does not grow with their number."""

    def __init__(self, topics: Iterable[str]) -> None:
        wanted = frozenset(topics)
        self.exact = frozenset(topic for topic in wanted if not is_wild(topic))
        self._wild = wanted - self.exact

    def shared_with(self, pattern: str) -> set[str]:
        """Return what the wild ones mean of *pattern*."""
        return {share for topic in self._wild if (share := meet(topic, pattern)) is not None}

    def within(self, pattern: str) -> Callable[[str], bool] | None:
        """Return the test whether a subject of *pattern* is wanted; None where only `exact` can want one."""
        shared = self.shared_with(pattern)
        if not shared:
            return None
        if pattern in shared:
            return _always
        if len(shared) == 1 and not self.exact and (start := _open_start(*shared)) is not None:
            return partial(_begins, start)
        # What they share begins as the pattern does, so that few ways through the tree lead anywhere.
        tree: TopicTree[None] = TopicTree()
        for topic in (*shared, *self.exact):
            tree.add(topic, None)
        return tree.means


def _always(_subject: str) -> bool:
    return True


def _begins(start: str, subject: str) -> bool:
    return subject.startswith(start)


def _open_start(topic: str) -> str | None:
    """Return how all that *topic* means begins, if within one entity nothing else does; else None.

    A ticker's strikes are found so among a hundred thousand subjects without a way through the tree for each.
    """
    tokens = topic.split(".")
    words = [token for token in tokens if token not in (ONE, REST)]
    is_open = len(words) < len(tokens) and tokens[: len(words)] == words
    return ".".join([*words, ""]) if is_open else None


def _order(event: Event) -> tuple[str, str, int]:
    """Time first, where there is one: several streams share no other order."""
    return (event.occurred_at, event.stream, event.seq)
