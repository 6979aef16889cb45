"""One stream's messages on their way: what goes next, what is unacked, what is out of date. Pure.

Messages leave in the order in which they came. Whatever makes one unsure (a lost link, a late ack, a stream
in trouble) sends everything unacked again from the oldest on, so that the order of first storage is kept and
the stream's dedupe swallows what it knew.

Where a newer message replaces the older one of its subject, that would not do: a restarted server knows only
the ids of what it still keeps, would take the older one for new, throw the newer one out for it and then
call the newer one known. So of what was sent before, only the newest of each subject is sent again, and its
storage settles the older ones.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from baleen_bus.acks import Stored
from baleen_bus.errors import PublishRefused

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


@dataclass(slots=True, eq=False)
class Entry:
    """One message that is not yet known to be stored.

    ``replaces``: its stream keeps only the newest message of its subject. Times are seconds of the clock
    that the caller hands in.
    """

    number: int
    subject: str
    command: bytes
    stream: str = ""
    replaces: bool = False
    offered_at: float = 0.0
    on_stored: Callable[[Stored], None] | None = None
    on_dropped: Callable[[PublishRefused], None] | None = None
    first_sent_at: float = 0.0
    sent_at: float = 0.0
    attempts: int = 0
    settled: bool = False
    older: "Entry | None" = None
    """What this one replaces: the message of its subject sent before it, if that was unsettled."""


class Lane:
    """The messages of one stream; at most ``window`` are unacked, and only one while it is in trouble.

    For ``remembers`` seconds the stream is sure to know the id of what it stored. What was sent before that
    is not sent again until somebody has looked whether the stream has it.
    """

    def __init__(self, window: int, remembers: float = math.inf) -> None:
        self._window = window
        self._remembers = remembers
        self._doubtful = False
        self.waiting: deque[Entry] = deque()
        """What is to be sent, or sent again, next; some among them need it no more."""
        self.flying: dict[int, Entry] = {}
        """Sent and not yet acked, in the order of sending."""
        self.resent = 0
        self._newest: dict[str, Entry] = {}  # by subject, of what replaces: the last one sent, if unsettled
        self._pause = FIRST_PAUSE
        self._paused_until = 0.0
        self._troubled = False

    def ready(self, now: float) -> bool:
        """Whether something waits and may leave."""
        return bool(self.waiting) and now >= self._paused_until and self._room > 0 and not self._doubtful

    @property
    def _room(self) -> int:
        return (1 if self._troubled else self._window) - len(self.flying)

    def take(self, now: float, limit: int, before: float, commands: list[bytes]) -> None:
        """Adds to ``commands`` until they are ``limit``, of messages numbered below ``before`` only."""
        waiting, flying = self.waiting, self.flying
        limit = min(limit, len(commands) + self._room)
        while waiting and len(commands) < limit and waiting[0].number < before:
            entry = waiting.popleft()
            if entry.attempts:
                if entry.settled or entry.number in flying or self._outdated(entry):
                    continue
                if now - entry.first_sent_at > self._remembers:
                    self._doubtful = True
                    waiting.appendleft(entry)
                    return
                self.resent += 1
            else:
                entry.first_sent_at = now
                if entry.replaces:
                    entry.older = self._newest.get(entry.subject)
                    self._newest[entry.subject] = entry
            entry.attempts += 1
            entry.sent_at = now
            flying[entry.number] = entry
            commands.append(entry.command)

    def stored(self, entry: Entry) -> list[Entry]:
        """The stream has this message: it, after the older ones of its subject that this settles too."""
        self._pause = FIRST_PAUSE
        self._troubled = False
        settled = [entry]
        if not entry.replaces:
            entry.settled = True
            self.flying.pop(entry.number, None)
            return settled
        self._forget(entry)
        while (older := settled[-1].older) is not None and not older.settled:
            settled[-1].older = None
            self._forget(older)
            settled.append(older)
        settled[-1].older = None
        settled.reverse()
        return settled

    def dropped(self, entry: Entry) -> None:
        """The stream will never have this message: what it was to replace is the newest again."""
        self._pause = FIRST_PAUSE
        self._troubled = False
        self._forget(entry)
        older = entry.older
        entry.older = None
        if older is not None and not older.settled:
            self._newest.setdefault(entry.subject, older)
            self.waiting.appendleft(older)

    def refused(self, number: int, now: float) -> None:
        """The stream could not take this message now: pause, then try everything unacked again."""
        if number not in self.flying:
            return
        self.go_back()
        self._troubled = True
        self._paused_until = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def overdue(self, now: float, within: float) -> bool:
        """Whether the oldest ack takes longer than that; if so, everything unacked is sent again."""
        for entry in self.flying.values():
            if now - entry.sent_at < within:
                return False
            self.go_back()
            self._troubled = True
            return True
        return False

    def link_up(self) -> None:
        """A new connection: everything unacked is sent again, and the stream's troubles may be over."""
        self.go_back()
        self._troubled = False
        self._paused_until = 0.0

    def go_back(self) -> None:
        """Everything unacked is to be sent again, oldest first."""
        self.waiting.extendleft(reversed(self.flying.values()))
        self.flying.clear()

    def doubtful(self, now: float) -> list[Entry]:
        """What the stream may have and not know any more; nothing while that need not be found out."""
        if not self._doubtful or now < self._paused_until:
            return []
        return [entry for entry in self.waiting if entry.attempts and not entry.settled]

    def assured(self, now: float) -> None:
        """What is still unsettled is not in the stream."""
        self._doubtful = False
        for entry in self.waiting:
            if entry.attempts:
                entry.first_sent_at = now

    def postpone(self, now: float) -> None:
        """The stream cannot be asked now."""
        self._paused_until = now + LONGEST_PAUSE

    def clear(self) -> None:
        """Forgets every message."""
        self.waiting.clear()
        self.flying.clear()
        self._newest.clear()

    def _outdated(self, entry: Entry) -> bool:
        return entry.replaces and self._newest.get(entry.subject) is not entry

    def _forget(self, entry: Entry) -> None:
        entry.settled = True
        self.flying.pop(entry.number, None)
        if entry.replaces and self._newest.get(entry.subject) is entry:
            del self._newest[entry.subject]
