"""What became of every stream so far: how far it is heard, its tail, and what of it is lost. Pure.

A position is `<stream>.<epoch>.<seq>`, the same for every client of every gateway. Who comes back with one is
owed all that was stored after it; `owed` says what of that is at hand, what must be read from the stream, and
what is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from baleen_bus import Delivered, Gap, GapReason
from ws_gateway.bus.memory import Memory
from ws_gateway.bus.tail import Tail
from ws_gateway.event import Event
from ws_gateway.topics import TopicTree, is_wild, overlap

RECREATED: Final = "stream_recreated"
EXPIRED: Final = "expired"
_HOLES_KEPT: Final = 1_000


class Lost(NamedTuple):
    """Messages that will not come: after number *first* of a stream, up to *last*."""

    stream: str
    first: int
    last: int
    reason: str


@dataclass
class StreamPast:
    """What is known of one stream.

    Attributes:
        name: the stream.
        patterns: the public patterns it stores.
        newest_only: whether it keeps only the newest message of each subject; memory has them all.
        epoch: says the word that changes when the stream is made anew.
        read: makes an event of what was read from it; None where nobody may be told.
        tail: its newest messages; empty where it keeps the newest only.
        losses: how often it was learnt that messages will not come.
    """

    name: str
    patterns: tuple[str, ...]
    newest_only: bool
    epoch: Callable[[], str]
    read: Callable[[Delivered], Event | None]
    tail: Tail
    losses: int = 0

    def __post_init__(self) -> None:
        self._holes: deque[Gap] = deque(maxlen=_HOLES_KEPT)
        self._forgotten = -1  # up to where holes may be that are not remembered

    @property
    def at(self) -> str:
        """The position of the newest message."""
        return f"{self.name}.{self.epoch()}.{self.tail.heard}"

    def keep(self, event: Event) -> None:
        """Note the next message."""
        if self.newest_only:
            self.tail.heard = max(self.tail.heard, event.seq)
        else:
            self.tail.add(event)

    def lose(self, gap: Gap, position: int) -> None:
        """Note messages that will not come; a stream that begins anew goes on from *position*."""
        self.losses += 1
        if len(self._holes) == _HOLES_KEPT:
            self._forgotten = max(self._forgotten, self._holes[0].to_seq)
        if gap.reason is GapReason.STREAM_RECREATED:
            self._holes.clear()  # the numbers of another epoch
            self._forgotten = -1
        else:
            self._holes.append(gap)
        if gap.reason in (GapReason.STREAM_RECREATED, GapReason.WENT_BACK):
            self.tail.begin(position)

    def missing_after(self, seq: int) -> Lost | None:
        """Return what is known to be lost after number *seq*, from the first to the last, or None."""
        lost = [hole for hole in self._holes if hole.to_seq > seq]
        if not lost and self._forgotten <= seq:
            return None
        first = seq if self._forgotten > seq else min(max(seq, hole.from_seq - 1) for hole in lost)
        last = max([self._forgotten, *(hole.to_seq for hole in lost)])
        return Lost(self.name, first, last, str(lost[0].reason) if lost else EXPIRED)

    def resumes_from(self, epoch: str, seq: int) -> int | None:
        """Return the number to go on from for who knows everything up to *seq* of *epoch*.

        None if the position means nothing here: of another epoch, or of the future.
        """
        if epoch != self.epoch() or seq > self.tail.heard:
            return None
        back = [hole.from_seq - 1 for hole in self._holes if _went_back_over(hole, seq)]
        return min([seq, *back])

    def lost_since(self, known: int, seq: int) -> tuple[list[Lost], int]:
        """Return what was learnt to be lost since *known* losses, for who knows all up to number *seq*.

        Returns:
            that, and the number to go on from: an earlier one where numbers were given again.
        """
        holes = list(self._holes)[-count:] if (count := self.losses - known) else []
        again = [hole.from_seq - 1 for hole in holes if _went_back_over(hole, seq)]
        told = [
            Lost(self.name, max(min(seq, hole.to_seq), hole.from_seq - 1), hole.to_seq, str(hole.reason))
            for hole in holes
            if hole.to_seq > seq or hole.from_seq - 1 in again
        ]
        return told, min([seq, *again])


def _went_back_over(hole: Gap, seq: int) -> bool:
    """Tell whether numbers up to *seq* were given again, to other messages."""
    return hole.reason is GapReason.WENT_BACK and hole.from_seq <= seq <= hole.to_seq


class Past:
    """Every stream's past, and the memory of all."""

    def __init__(self, memory: Memory, tail_bytes: int) -> None:
        """Know of no stream; each may keep so many bytes of its end."""
        self.memory = memory
        self.streams: dict[str, StreamPast] = {}
        self._tail_bytes = tail_bytes
        self._names: TopicTree[str] = TopicTree()

    def follow(
        self,
        name: str,
        patterns: tuple[str, ...],
        *,
        newest_only: bool,
        epoch: Callable[[], str],
        read: Callable[[Delivered], Event | None],
    ) -> StreamPast:
        """Begin to know a stream."""
        stream = StreamPast(name, patterns, newest_only, epoch, read, Tail(self._tail_bytes))
        self.streams[name] = stream
        for pattern in patterns:
            self._names.add(pattern, name)
        return stream

    def keep(self, event: Event) -> None:
        """Remember the next message of its stream."""
        self.streams[event.stream].keep(event)
        self.memory.keep(event)

    def holding(self, topics: Collection[str]) -> list[StreamPast]:
        """Return the streams that hold messages of *topics*, by name."""
        return [stream for stream, _ in self.shares(topics)]

    def shares(self, topics: Collection[str]) -> list[tuple[StreamPast, tuple[str, ...]]]:
        """Return the streams that hold messages of *topics*, by name, each with those topics."""
        found: dict[str, list[str]] = {}
        for topic in topics:
            for name in self._holders(topic):
                found.setdefault(name, []).append(topic)
        return [(self.streams[name], tuple(found[name])) for name in sorted(found)]

    def _holders(self, topic: str) -> Collection[str]:
        if not is_wild(topic):
            return self._names.match(topic)
        streams = self.streams.values()
        return [one.name for one in streams if any(overlap(topic, pattern) for pattern in one.patterns)]
