"""Which messages wait, which are on their way, and what to send next. Pure: the time is handed in.

Messages leave in the order in which they came. A stream that cannot take its messages holds up no other:
theirs stand aside (see ``lane``), and only within a stream order is kept at any price.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from baleen_bus.errors import OutboxFull
from baleen_bus.lane import Entry, Lane


class Outbox:
    """Bounded in messages and bytes; at most ``in_flight`` messages of a stream are unacked at a time.

    ``ack_within`` is how long (seconds) an ack may take before everything unacked is sent again,
    ``remembers`` how long a stream is sure to know again what it stored (for ever, if not in it).
    """

    def __init__(
        self,
        *,
        max_messages: int,
        max_bytes: int,
        in_flight: int,
        ack_within: float,
        remembers: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._remembers = remembers
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._in_flight = in_flight
        self._ack_within = ack_within
        self._held: dict[int, Entry] = {}  # everything unsettled, by number, in the order of offers
        self._lanes: dict[str, Lane] = {}
        self._linked = False
        self.size = 0
        """Bytes held."""

    @property
    def messages(self) -> int:
        """Messages held: waiting, or sent and unacked."""
        return len(self._held)

    @property
    def flying(self) -> int:
        """Messages sent and not yet acked."""
        return sum(len(lane.flying) for lane in self._lanes.values())

    @property
    def resent(self) -> int:
        """How often a message was sent again."""
        return sum(lane.resent for lane in self._lanes.values())

    def offer(self, entry: Entry) -> None:
        """Takes a message.

        Raises:
            OutboxFull: there is no room; nothing changed.
        """
        size = self.size + len(entry.command)
        if len(self._held) >= self._max_messages or size > self._max_bytes:
            raise OutboxFull(f"{self.messages} messages, {self.size} bytes are waiting for the bus")
        lane = self._lanes.get(entry.stream)
        if lane is None:
            lane = self._lanes[entry.stream] = Lane(
                self._in_flight, self._remembers.get(entry.stream, math.inf)
            )
        lane.waiting.append(entry)
        self._held[entry.number] = entry
        self.size = size

    def take(self, now: float, limit: int) -> list[bytes]:
        """The next commands to send, at most ``limit``; they count as sent at ``now``."""
        commands: list[bytes] = []
        if not self._linked:
            return commands
        ready = list(self._lanes.values())
        while (ready := [lane for lane in ready if lane.ready(now)]) and len(commands) < limit:
            ready.sort(key=_head)
            before = _head(ready[1]) if len(ready) > 1 else math.inf
            ready[0].take(now, limit, before, commands)
        return commands

    def waits(self) -> bool:
        """Whether a stream could be sent something."""
        return any(lane.waiting for lane in self._lanes.values())

    def settle(self, number: int) -> list[Entry]:
        """A stream has this message. What that settles, it last; nothing if it was settled before."""
        entry = self._held.get(number)
        if entry is None or not entry.attempts:
            return []
        settled = self._lanes[entry.stream].stored(entry)
        for each in settled:
            del self._held[each.number]
            self.size -= len(each.command)
        return settled

    def drop(self, number: int) -> Entry | None:
        """A stream will never have this message. None if it was settled before."""
        entry = self._held.get(number)
        if entry is None or not entry.attempts:
            return None
        self._lanes[entry.stream].dropped(entry)
        del self._held[number]
        self.size -= len(entry.command)
        return entry

    def retry(self, number: int, now: float) -> None:
        """The stream could not take this message now: its messages stand aside for a while."""
        entry = self._held.get(number)
        if entry is not None:
            self._lanes[entry.stream].refused(number, now)

    def check(self, now: float) -> bool:
        """Sends a stream everything unacked again if its oldest ack is overdue; says whether one was."""
        overdue = [lane.overdue(now, self._ack_within) for lane in self._lanes.values()]
        return any(overdue)

    def doubtful(self, now: float) -> dict[str, list[Entry]]:
        """By stream, what was sent so long ago that the stream may have it and not know it any more.

        It stays until ``assured``; ``settle`` what the stream has before.
        """
        return {name: entries for name, lane in self._lanes.items() if (entries := lane.doubtful(now))}

    def assured(self, stream: str, now: float) -> None:
        """What is still unsettled of this stream's messages is not in it."""
        self._lanes[stream].assured(now)

    def postpone(self, stream: str, now: float) -> None:
        """The stream cannot be asked now: ``doubtful`` names it again a moment later."""
        self._lanes[stream].postpone(now)

    def oldest_age(self, now: float) -> float:
        """How long (seconds) the oldest message has been held; 0 if there is none."""
        return max(0.0, now - next(iter(self._held.values())).offered_at) if self._held else 0.0

    def link_up(self) -> None:
        """The connection stands: everything unacked is sent again, oldest first."""
        for lane in self._lanes.values():
            lane.link_up()
        self._linked = True

    def link_down(self) -> None:
        """The connection is lost: nothing is handed out until it is back."""
        self._linked = False

    def matching(self, accept: Callable[[Entry], bool]) -> list[int]:
        """The numbers of unacked, sent messages that ``accept`` picks."""
        return [number for number, entry in self._held.items() if entry.attempts and accept(entry)]

    def give_up(self) -> list[Entry]:
        """Empties the outbox and returns what was left, oldest first."""
        left = list(self._held.values())
        self._held.clear()
        for lane in self._lanes.values():
            lane.clear()
        self.size = 0
        return left


def _head(lane: Lane) -> int:
    return lane.waiting[0].number
