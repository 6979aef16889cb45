"""Which messages wait, which are on their way, and what to send next. Pure: the time is handed in.

Messages leave in the order in which they came. Whatever makes one unsure (a lost link, a late ack, a server
in trouble) sends everything unacked again from the oldest on, so that the order of first storage is kept
and the stream's dedupe swallows what it knew.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from baleen_bus.acks import Stored
from baleen_bus.errors import OutboxFull, PublishRefused

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


@dataclass(slots=True, eq=False)
class Entry:
    """One message that is not yet known to be stored."""

    number: int
    subject: str
    command: bytes
    on_stored: Callable[[Stored], None] | None = None
    on_dropped: Callable[[PublishRefused], None] | None = None
    sent_at: float = 0.0
    attempts: int = 0
    settled: bool = False


class Outbox:
    """Bounded in messages and bytes; at most ``in_flight`` messages are unacked at a time.

    ``ack_within`` is how long (seconds) an ack may take before everything unacked is sent again.
    """

    def __init__(self, *, max_messages: int, max_bytes: int, in_flight: int, ack_within: float) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._in_flight = in_flight
        self._ack_within = ack_within
        self.waiting: deque[Entry] = deque()
        """What is to be sent, or sent again, next; settled ones among them are skipped."""
        self._flying: dict[int, Entry] = {}
        self._again: dict[
            int, Entry
        ] = {}  # sent before, now waiting in front of ``waiting`` to be sent again
        self.messages = 0
        """Messages held: waiting, or sent and unacked."""
        self._pause = FIRST_PAUSE
        self._paused_until = 0.0
        self._linked = False
        self.size = 0
        """Bytes held."""
        self.resent = 0

    @property
    def flying(self) -> int:
        """Messages sent and not yet acked."""
        return len(self._flying)

    def offer(self, entry: Entry) -> None:
        """Takes a message.

        Raises:
            OutboxFull: there is no room; nothing changed.
        """
        size = len(entry.command)
        if self.messages >= self._max_messages or self.size + size > self._max_bytes:
            raise OutboxFull(f"{self.messages} messages, {self.size} bytes are waiting for the bus")
        self.waiting.append(entry)
        self.messages += 1
        self.size += size

    def take(self, now: float, limit: int) -> list[bytes]:
        """The next commands to send, at most ``limit``; they count as sent at ``now``."""
        if not self._linked or now < self._paused_until:
            return []
        waiting, flying, again = self.waiting, self._flying, self._again
        commands: list[bytes] = []
        room = min(limit, self._in_flight - len(flying))
        while waiting and len(commands) < room:
            entry = waiting.popleft()
            if entry.settled:
                continue
            if entry.attempts:
                again.pop(entry.number, None)
                self.resent += 1
            entry.attempts += 1
            entry.sent_at = now
            flying[entry.number] = entry
            commands.append(entry.command)
        return commands

    def settle(self, number: int) -> Entry | None:
        """An answer settled this message. None if it was settled before, or never was."""
        entry = self._flying.pop(number, None)
        if entry is None:
            entry = self._again.pop(number, None)
            if entry is None:
                return None
            entry.settled = True
        self.messages -= 1
        self.size -= len(entry.command)
        self._pause = FIRST_PAUSE
        return entry

    def retry(self, number: int, now: float) -> None:
        """The stream could not take this message now: pause, then send everything unacked again."""
        if number not in self._flying:
            return
        self._go_back()
        self._paused_until = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def check(self, now: float) -> bool:
        """Sends everything unacked again if the oldest ack is overdue; says whether it did."""
        for entry in self._flying.values():
            if now - entry.sent_at < self._ack_within:
                return False
            self._go_back()
            return True
        return False

    def link_up(self) -> None:
        """The connection stands: everything unacked is sent again, oldest first."""
        self._go_back()
        self._linked = True
        self._paused_until = 0.0

    def link_down(self) -> None:
        """The connection is lost: nothing is handed out until it is back."""
        self._linked = False

    def matching(self, accept: Callable[[Entry], bool]) -> list[int]:
        """The numbers of unacked, sent messages that ``accept`` picks."""
        return [number for group in (self._flying, self._again) for number, e in group.items() if accept(e)]

    def give_up(self) -> list[Entry]:
        """Empties the outbox and returns what was left, oldest first."""
        self._go_back()
        left = [entry for entry in self.waiting if not entry.settled]
        self.waiting.clear()
        self._again.clear()
        self.messages = self.size = 0
        return left

    def _go_back(self) -> None:
        self.waiting.extendleft(reversed(self._flying.values()))
        self._again.update(self._flying)
        self._flying.clear()
