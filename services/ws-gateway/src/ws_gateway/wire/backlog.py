"""What waits for one client whose socket takes no more: messages, answers, and snapshots in pieces. Pure.

Everything waits in the order in which it was said. Where only the newest message of a subject counts, a newer
one drops the older one and stands at the end: what is left is the published order without what was passed
over, and no message waits behind one that came later. A message of which each counts is never passed over.

Messages and answers count, for too many of them show a client that reads too slowly. A snapshot is shown by
reference: its frames are shared by all who are shown them, and are joined only into the piece that is written
next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeGuard

from ws_gateway.wire.parcel import Books, Parcel


class Backlog:
    """What one client is owed, in order."""

    __slots__ = ("_books", "_number", "_passed", "_shows", "_waiting", "conflated", "live", "skipped")

    def __init__(self, books: Books) -> None:
        """Begin with nothing; *books* sum up all backlogs."""
        self._books = books
        self._waiting: OrderedDict[int | str, Parcel | bytes | Iterator[bytes]] = OrderedDict()
        self._passed: dict[str, tuple[int, int]] = {}  # how many of a subject, and the first one's number
        self._number = 0
        self._shows = 0
        self.live = 0
        """Bytes that wait, snapshots aside."""
        self.conflated = 0
        """Messages passed over for a newer one, since ever."""
        self.skipped = 0
        """Messages dropped because too much waited, since ever."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def showing(self) -> bool:
        """Whether part of a snapshot still waits."""
        return self._shows > 0

    def add(self, data: bytes) -> None:
        """Put an answer behind what waits; it is never dropped, not even where it is a message."""
        self._waiting[self._next()] = bytes(data)
        self.live += len(data)
        self._books.held += len(data)

    def put(self, parcels: Iterable[Parcel]) -> None:
        """Put messages behind what waits; a newer one takes the place of those it makes obsolete."""
        waiting, books = self._waiting, self._books
        for parcel in parcels:
            key: int | str
            if parcel.latest:
                key = parcel.subject
                older = waiting.pop(key, None)
                if isinstance(older, Parcel):
                    self._let_go(older)
                    count, first = self._passed.get(key, (0, older.seq))
                    self._passed[key] = count + 1, first
                    self.conflated += 1
                    books.conflated += 1
            else:
                key = self._number = self._number + 1
            waiting[key] = parcel
            size = len(parcel)
            self.live += size
            if not parcel.holders:
                books.held += size
            parcel.holders += 1

    def show(self, frames: Iterable[bytes]) -> None:
        """Put a snapshot behind what waits; *frames* must not change."""
        self._waiting[self._next()] = iter(frames)
        self._shows += 1

    def take(
        self,
        size: int,
        conflated: Callable[[str, int], bytes],
        pack: Callable[[Parcel], bytes] | None = None,
    ) -> bytes:
        """Take what comes next: *size* bytes and what completes a frame, or all there is.

        Args:
            size: bytes wanted.
            conflated: makes the frames said before the newest message of a subject, from the subject and how
                many messages of it were passed over.
            pack: makes the smaller frame of a message.
        """
        parts: list[bytes] = []
        waiting = self._waiting
        while size > 0 and waiting:
            key, first = waiting.popitem(last=False)
            if isinstance(first, Parcel):
                self._let_go(first)
                passed, _ = self._passed.pop(first.subject, (0, 0)) if first.latest else (0, 0)
                part = first if pack is None else pack(first)
                if passed:
                    part = conflated(first.subject, passed) + part
            elif isinstance(first, bytes):
                self._let_go(first)
                part = first
            else:
                shown = next(first, None)
                if shown is None:
                    self._shows -= 1
                    continue
                part = pack(shown) if pack is not None and isinstance(shown, Parcel) else shown
                waiting[key] = first
                waiting.move_to_end(key, last=False)
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def oldest(self) -> float | None:
        """Return when the oldest message that waits was made; None if none waits."""
        return next((item.born for item in self._waiting.values() if _is_message(item)), None)

    def oldest_of_every(self) -> float | None:
        """Return the same of the messages of which each counts."""
        return next(
            (item.born for item in self._waiting.values() if _is_message(item) and not item.latest), None
        )

    def skip(self, conflated: Callable[[str, int], bytes]) -> dict[str, int]:
        """Drop the messages that wait, and leave answers, announcements and snapshots.

        Args:
            conflated: as for `take`; what was passed over is still said, unless all of it came after the
                numbers that are returned.

        Returns:
            of each stream of which something was dropped, the number after which nothing was given.
        """
        since: dict[str, int] = {}
        told = b""
        for key, item in tuple(self._waiting.items()):
            if _is_message(item):
                since.setdefault(item.stream, item.seq - 1)
                if item.latest:
                    count, first = self._passed.pop(item.subject, (0, 0))
                    told += conflated(item.subject, count) if 0 < first <= since[item.stream] else b""
                self._let_go(self._waiting.pop(key))
                self.skipped += 1
                self._books.skipped += 1
        if told:
            self.add(told)
        return since

    def clear(self) -> None:
        """Forget everything."""
        for item in self._waiting.values():
            self._let_go(item)
        self._waiting.clear()
        self._passed.clear()
        self._shows = 0

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _let_go(self, item: Parcel | bytes | Iterator[bytes]) -> None:
        """Count *item* no longer."""
        if isinstance(item, Parcel):
            size = len(item)
            self.live -= size
            item.holders -= 1
            if not item.holders:
                self._books.held -= size
        elif isinstance(item, bytes):
            self.live -= len(item)
            self._books.held -= len(item)


def _is_message(item: Parcel | bytes | Iterator[bytes]) -> TypeGuard[Parcel]:
    return isinstance(item, Parcel) and item.stream != ""
