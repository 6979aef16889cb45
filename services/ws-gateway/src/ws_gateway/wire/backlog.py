"""What waits for one client whose socket takes no more: live frames, and snapshots in pieces. Pure.

Live frames count, for too many of them show a client that reads too slowly. A snapshot is shown by reference:
its frames are shared by all who are shown them, and are joined only into the piece that is written next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator


class Backlog:
    """What one client is owed, in order."""

    __slots__ = ("_shows", "_waiting", "live")

    def __init__(self) -> None:
        self._waiting: deque[bytes | Iterator[bytes]] = deque()
        self._shows = 0
        self.live = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def showing(self) -> bool:
        """Whether part of a snapshot still waits."""
        return self._shows > 0

    def add(self, data: bytes) -> None:
        """Put live frames behind what waits."""
        self._waiting.append(data)
        self.live += len(data)

    def show(self, frames: Iterable[bytes]) -> None:
        """Put a snapshot behind what waits; *frames* must not change."""
        self._waiting.append(iter(frames))
        self._shows += 1

    def take(self, size: int) -> bytes:
        """Take what comes next: *size* bytes and what completes a frame, or all there is."""
        parts: list[bytes] = []
        while size > 0 and self._waiting:
            first = self._waiting[0]
            if isinstance(first, bytes):
                self._waiting.popleft()
                self.live -= len(first)
                part: bytes | None = first
            else:
                part = next(first, None)
            if part is None:
                self._waiting.popleft()
                self._shows -= 1
                continue
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._shows = self.live = 0
