"""What a client is owed that subscribes: the present, or what came after the positions it has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ws_gateway.bus.memory import Memory
from ws_gateway.bus.past import RECREATED, Lost, Past, StreamPast
from ws_gateway.event import Event
from ws_gateway.hub.wishes import Wish
from ws_gateway.native.requests import Position
from ws_gateway.topics import matches, overlap


@dataclass
class Owed:
    """What a client is owed of one stream.

    Attributes:
        stream: which.
        topics: what it wants of it.
        after: the number after which everything is owed; None where the present is shown instead.
        lost: what of that will not come.
    """

    stream: StreamPast
    topics: tuple[str, ...]
    after: int | None
    lost: Lost | None

    @property
    def at(self) -> str:
        """Where the client stands: there, or, once it has been shown the present, at the stream's end."""
        if self.after is None:
            return self.stream.at
        return f"{self.stream.name}.{self.stream.epoch()}.{self.after}"

    def at_hand(self, memory: Memory) -> list[Event] | None:
        """Return what is owed, oldest first; None if the stream must be read."""
        if self.after is None:
            return []
        if self.stream.newest_only:
            newer = [event for event in memory.last(self.topics) if event.seq > (self.after or 0)]
            return sorted((one for one in newer if one.stream == self.stream.name), key=lambda one: one.seq)
        if not self.stream.tail.covers(self.after):
            return None
        return [one for one in self.stream.tail.after(self.after, self.topics) if not memory.is_passed(one)]


def owed(past: Past, topics: Collection[str], since: Iterable[Position]) -> list[Owed]:
    """Return what is owed of every stream that holds *topics* to who comes back with *since*."""
    known = {position.stream: position for position in since}
    found = []
    for stream in past.holding(topics):
        of_stream = tuple(
            topic for topic in topics if any(overlap(topic, pattern) for pattern in stream.patterns)
        )
        found.append(_owed_of(stream, of_stream, known.get(stream.name)))
    return found


def _owed_of(stream: StreamPast, topics: tuple[str, ...], position: Position | None) -> Owed:
    if position is None:
        return Owed(stream, topics, None, None)
    after = stream.resumes_from(position.epoch, position.seq)
    if after is None:
        lost = Lost(stream.name, position.seq, stream.tail.heard, RECREATED)
        return Owed(stream, topics, None, lost)
    return Owed(stream, topics, after, stream.missing_after(position.seq))


def recovered(parts: Collection[Owed], since: Collection[Position]) -> bool | None:
    """Tell whether all after the positions follows; None where no position was given."""
    if not since:
        return None
    return all(part.lost is None and part.after is not None for part in parts)


def condition_of(wishes: Iterable[Wish]) -> Callable[[Event], bool]:
    """Return the test whether a message, which some wish's topic means, meets a condition of such a wish."""
    conditions = [(wish.topic, wish.filter) for wish in wishes if wish.filter is not None]
    if not conditions:
        return _always
    free = [wish.topic for wish in wishes if wish.filter is None]

    def wanted(event: Event) -> bool:
        if any(matches(topic, event.subject) for topic in free):
            return True
        try:
            data = event.data
        except ValueError:
            return False
        return isinstance(data, dict) and any(
            condition.matches(data) for topic, condition in conditions if matches(topic, event.subject)
        )

    return wanted


def _always(_event: Event) -> bool:
    return True
