"""A session's past joined with what is live, without a hole and without a duplicate. Pure.

What was heard of late is in the tail of the stream, which misses nothing after its floor; what was read of
the stream goes on into it. Whatever is newer than the newest that was heard comes live, also if it was read.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from baleen_bus import Delivered
from ws_gateway.bus.tail import Tail
from ws_gateway.dialects.alphalab_story import BEGINS
from ws_gateway.event import Event
from ws_gateway.sessions.past import MOST_BYTES, MOST_EVENTS, Read, kind_of


@dataclass(frozen=True)
class Past:
    """A session's events since it began, oldest first.

    Attributes:
        events: of this reader alone; none has a frame yet.
        skipped: how many of the session's events are left out.
        heard: the number of the stream's newest message of any session; what is newer comes live.
    """

    events: list[Event]
    skipped: int
    heard: int


def remembered(tail: Tail, topic: str) -> Past | None:
    """Return the session's past if the tail has all of it, and it is no longer than a replay; else None."""
    events = tail.after(0, (topic,))
    if not any(map(_begins, events)):
        return None
    events = _since_it_began(events)
    if len(events) > MOST_EVENTS or sum(len(event.body) for event in events) > MOST_BYTES:
        return None
    return Past(copies(events), 0, tail.heard)


def joined(read: Read, tail: Tail, topic: str, *, since: int) -> Past | None:
    """Return the session's past from what was read of the stream and what was heard since.

    None where the two may not meet: reading began when number *since* was the newest that was heard, and the
    tail does not know any more all that came after it, or has begun anew. The tail also has what a replica of
    the stream did not have yet; what the reading of a long session left out stays out.
    """
    if not tail.covers(since):
        return None
    told = {item.seq: _event(item) for item in read.items if item.seq <= tail.heard}
    newest_read = max(told, default=0)
    heard = tail.after(newest_read if read.skipped else 0, (topic,))
    told |= {event.seq: event for event in copies(event for event in heard if event.seq not in told)}
    return Past(_since_it_began([told[seq] for seq in sorted(told)]), read.skipped, tail.heard)


def copies(events: Iterable[Event]) -> list[Event]:
    """Return the same events without their frames, which belong to those who heard them live."""
    return [replace(event, frames={}) for event in events]


def _since_it_began(events: list[Event]) -> list[Event]:
    begun = max((place for place, event in enumerate(events) if _begins(event)), default=0)
    return events[begun:]


def _begins(event: Event) -> bool:
    return kind_of(event.subject) == BEGINS


def _event(item: Delivered) -> Event:
    return Event(item.subject, "session_event", item.stream, item.seq, "", None, item.body)


class Ledger:
    """How many bytes of replays wait to be read by clients."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.held = 0

    def shown(self, frames: Sequence[bytes]) -> Shown | None:
        """Return *frames*, counted until nobody needs them; None where that would be too much at a time."""
        size = sum(map(len, frames))
        if self.held + size > self._most_bytes and self.held:
            return None
        shown = Shown(frames)
        self.held += size
        weakref.finalize(shown, self._release, size).atexit = False
        return shown

    def _release(self, size: int) -> None:
        self.held -= size


class Shown(Sequence[bytes]):
    """Frames that somebody is being shown."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        yield from self._frames  # a generator: as long as it is read, this object is held and counted

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        return self._frames[place]
