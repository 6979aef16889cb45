"""What a client is owed that subscribes: the present, or what came after the positions it has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ws_gateway.bus.memory import Memory
from ws_gateway.bus.past import EXPIRED, RECREATED, Lost, Past, StreamPast
from ws_gateway.event import Event
from ws_gateway.hub.wishes import Filter, Wish
from ws_gateway.native.requests import Position
from ws_gateway.topics import TopicTree

Condition = Callable[[Event], bool]
"""Tells whether a message is wanted that some topic means."""
Floors = Mapping[tuple[str, str], int]
"""Of a topic and a stream, the number up to which that topic has been told already."""


@dataclass
class Owed:
    """What a client is owed of one stream.

    Attributes:
        stream: which.
        topics: what it wants of it.
        after: the number after which everything is owed; None where the present is shown instead.
        lost: what of that will not come.
        epoch: of that number.
        known: how many losses of the stream are told by `lost`, or need not be.
    """

    stream: StreamPast
    topics: tuple[str, ...]
    after: int | None
    lost: Lost | None
    epoch: str
    known: int

    @property
    def at(self) -> str:
        """Where the client stands: there, or, once it has been shown the present, at the stream's end."""
        if self.after is None:
            return self.stream.at
        return f"{self.stream.name}.{self.epoch}.{self.after}"

    def at_hand(self, memory: Memory) -> list[Event] | None:
        """Return what is owed, oldest first; None if the stream must be read."""
        if self.after is None:
            return []
        if not self.is_at_hand:
            return None
        if self.stream.newest_only:
            return memory.newer(self.topics, self.stream.name, self.after)
        return [one for one in self.stream.tail.after(self.after, self.topics) if not memory.is_passed(one)]

    @property
    def is_at_hand(self) -> bool:
        """Tell whether no stream must be read."""
        return self.after is None or self.stream.newest_only or self.stream.tail.covers(self.after)

    def expire(self, kept_from: int) -> None:
        """Note that the stream keeps nothing before number *kept_from*."""
        if self.after is None or kept_from - 1 <= self.after:
            return
        first, last = self.after, kept_from - 1
        if self.lost is not None:
            first, last = min(first, self.lost.first), max(last, self.lost.last)
        self.lost = Lost(self.stream.name, first, last, EXPIRED)
        self.after = kept_from - 1

    def learn(self) -> list[Lost]:
        """Return what was lost since this was last asked, and go on from there.

        Of a stream that was made anew everything follows, as it does for the live.
        """
        stream, known = self.stream, self.known
        if self.after is None or stream.losses == known:
            return []
        self.known = stream.losses
        if stream.epoch() == self.epoch:
            lost, self.after = stream.lost_since(known, self.after)
            return lost
        lost = [Lost(stream.name, self.after, 0, RECREATED)]
        self.epoch, self.after = stream.epoch(), 0
        more = stream.missing_after(0)
        return lost if more is None else [*lost, more]


def owed(past: Past, topics: Collection[str], since: Iterable[Position]) -> list[Owed]:
    """Return what is owed of every stream that holds *topics* to who comes back with *since*."""
    known = {position.stream: position for position in since}
    return [_owed_of(stream, of_stream, known.get(stream.name)) for stream, of_stream in past.shares(topics)]


def owed_after(past: Past, topics: Collection[str], since: Mapping[str, int]) -> list[Owed]:
    """Return what is owed to who was given all up to *since*, and of other streams all there is."""
    return [
        Owed(
            stream,
            of_stream,
            since.get(stream.name, stream.tail.heard),
            None,
            stream.epoch(),
            stream.losses,
        )
        for stream, of_stream in past.shares(topics)
    ]


def _owed_of(stream: StreamPast, topics: tuple[str, ...], position: Position | None) -> Owed:
    epoch, known = stream.epoch(), stream.losses
    if position is None:
        return Owed(stream, topics, None, None, epoch, known)
    after = stream.resumes_from(position.epoch, position.seq)
    if after is None:
        lost = Lost(stream.name, position.seq, stream.tail.heard, RECREATED)
        return Owed(stream, topics, None, lost, epoch, known)
    return Owed(stream, topics, after, stream.missing_after(position.seq), epoch, known)


def recovered(parts: Collection[Owed], since: Collection[Position]) -> bool | None:
    """Tell whether all after the positions follows; None where no position was given."""
    if not since:
        return None
    return all(part.lost is None and part.after is not None for part in parts)


def condition_of(wishes: Iterable[Wish], floors: Floors | None = None) -> Condition:
    """Return the test whether a message, which some wish's topic means, meets a condition of such a wish.

    Args:
        wishes: what is wanted.
        floors: up to where some topics have been told already.
    """
    wishes = tuple(wishes)
    if not floors and not any(wish.filter for wish in wishes):
        return _always
    tree: TopicTree[Wish] = TopicTree()
    for wish in wishes:
        tree.add(wish.topic, wish)
    # What decides is found once a subject: a thousand topics cost no more than one.
    deciding: dict[tuple[str, str], list[tuple[int, Filter | None]]] = {}

    def wanted(event: Event) -> bool:
        key = (event.subject, event.stream)
        found = deciding.get(key)
        if found is None:
            found = deciding[key] = _deciding(tree.match(event.subject), event.stream, floors or {})
        return any(event.seq > floor and _meets(event, condition) for floor, condition in found)

    return wanted


def _deciding(wishes: Iterable[Wish], stream: str, floors: Floors) -> list[tuple[int, Filter | None]]:
    """Return conditions, each with the number after which it holds; none is looked at in vain."""
    found = {(floors.get((wish.topic, stream), -1), wish.filter) for wish in wishes}
    return sorted(found, key=lambda one: one[1] is not None)


def _meets(event: Event, condition: Filter | None) -> bool:
    if condition is None:
        return True
    try:
        data = event.data
    except ValueError:
        return False
    return isinstance(data, dict) and condition.matches(data)


def _always(_event: Event) -> bool:
    return True
