"""How a client of an older application is received: greeting, topics, and what it is shown first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ws_gateway.bus.past import Past
from ws_gateway.bus.tail import Tail
from ws_gateway.dialects import Dialect
from ws_gateway.event import Event
from ws_gateway.topics import is_wild

_REACHES: Final = (1_000, 10_000, 100_000, None)
"""How far back a tail is looked through until enough is found, in messages of its stream; None for all."""


@dataclass(frozen=True)
class Last:
    """Begin with the last message of every subject that the topics match, the newest *most* of them."""

    most: int | None = None


@dataclass(frozen=True)
class Newest:
    """Begin with the newest *count* messages that the topics match and that are at hand, oldest first."""

    count: int


@dataclass(frozen=True)
class Nothing:
    """Begin with what comes next."""


@dataclass(frozen=True)
class Opening:
    """How a client's conversation begins.

    Attributes:
        dialect: how it is spoken to.
        topics: public subjects or NATS patterns over them.
        label: under which name the connection is counted in statistics and metrics, such as `flow-alerts`.
        greeting: JSON texts sent first.
        snapshot: what of the past is sent after the greeting.
    """

    dialect: Dialect
    topics: tuple[str, ...]
    label: str
    greeting: Sequence[bytes] = field(default_factory=tuple)
    snapshot: Last | Newest | Nothing = Nothing()

    def first_of(self, past: Past) -> list[Event]:
        """Return the messages of *past* that the client is shown first; all that comes later joins on."""
        match self.snapshot:
            case Last(most):
                found = past.memory.last(self.topics)
                return found if most is None else found[-most:]
            case Newest(count):
                return _newest(past, self.topics, count)
            case Nothing():
                return []


def _newest(past: Past, topics: tuple[str, ...], count: int) -> list[Event]:
    """Return the newest of memory, and of a single subject those that the tail of its stream has besides.

    Memory holds so many messages of a kind, whatever they are about: a quiet ticker's are soon gone.
    """
    found = past.memory.newest(topics, count)
    if len(found) == count or len(topics) != 1 or is_wild(topics[0]):
        return found
    by_place = {event.seq: event for event in found}
    for stream in past.holding(topics):
        by_place |= {event.seq: event for event in _end_of(stream.tail, topics, count)}
    return [by_place[seq] for seq in sorted(by_place)][-count:]


def _end_of(tail: Tail, topics: tuple[str, ...], count: int) -> list[Event]:
    """Return the newest *count* messages of *tail*; what is told often is found near the end."""
    if tail.floor is None:
        return []
    found: list[Event] = []
    for reach in _REACHES:
        since = tail.floor if reach is None else max(tail.floor, tail.heard - reach)
        found = tail.after(since, topics)
        if len(found) >= count or since == tail.floor:
            break
    return found[-count:]
