"""The REST budget: when the next call may go out, and what a successor must know of the calls before.

Pure: both times are arguments. ``at`` is monotonic seconds and holds the minute, so that no jump of the wall
clock grants a call; ``now`` is the wall clock and holds the day, which ends at 20:00 in New York.

The minute is a token bucket (GCRA) whose rate and burst together never grant more than the limit less a
reserve in any sixty seconds. A granted call may reach upstream late, but no more than three are on their way
at a time, so the reserve covers what arrives bunched.

The day is counted when a call is granted, before it is sent, and given back only when upstream's answer shows
that it was not charged. Upstream's headers correct the count, since other programs may use the same token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from uw_ingest.rest import limits_told as told
from uw_ingest.rest.limits_told import MINUTE, Limit
from uw_ingest.rest.quota_record import Record

NEW_YORK = ZoneInfo("America/New_York")
CALL_ENDS_WITHIN = 30.0
"""Seconds after which a granted call is over, whatever became of it: sent late, answered late, or not."""

_DAY_ENDS = time(20, 0)
_WINDOW = MINUTE + 0.001  # a millisecond over, since clocks and sums round
_TURN_SLACK = 5.0  # seconds after 20:00, since upstream's clock is another
_TURN_DOUBTED = 7_200.0  # seconds; upstream says "8PM EST", which in summer may be an hour later
_TURN_AGAIN = 900.0
_OK, _TOO_MANY = 200, 429


def day_reset(now: datetime) -> datetime:
    """Return when the day's count starts anew: the next 20:00 in New York."""
    local = now.astimezone(NEW_YORK)
    reset = datetime.combine(local.date(), _DAY_ENDS, NEW_YORK)
    if local >= reset:
        reset = datetime.combine(local.date() + timedelta(days=1), _DAY_ENDS, NEW_YORK)
    return reset.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Call:
    """A granted call. ``turn`` is the day it was counted in, ``resolved`` how many were over by then."""

    number: int
    must_end: float
    turn: int
    resolved: int


@dataclass(slots=True)
class Budget:
    """What is left to spend, and when.

    Args:
        per_minute: what the plan allows in sixty seconds.
        minute_reserve: of these, never granted.
        in_flight: calls that may be under way at once.
        assumed_day_limit: taken for the day's limit until a header tells it.
        day_reserve: share of the day that only urgent calls may spend.
    """

    per_minute: int = 120
    minute_reserve: int = 5
    in_flight: int = 3
    assumed_day_limit: int = 15_000
    day_reserve: float = 0.02
    day_limit: int | None = None
    day_used: int = 0
    last_limit: Limit | None = None
    _calls: dict[int, Call] = field(default_factory=dict)  # not known to be over
    granted: int = 0  # calls since this budget began
    _charged: int = 0  # granted and not known to be free of charge
    _resolved: int = 0  # charged calls that are over
    _corrected: int = 0  # the newest call when a header last corrected the day
    _confirmed: bool = False  # upstream has not said 429 to a call of this day
    _at: float = 0.0
    _next: float = float("-inf")  # GCRA's theoretical arrival time
    _blocked_until: float = float("-inf")
    _ends: datetime | None = None
    _due: float = float("-inf")
    _turn: int = 0
    _turned_at: float = float("-inf")

    @classmethod
    def restored(cls, record: Record | None, now: datetime, at: float, **settings: Any) -> Self:
        """Return the budget of a successor, which no clock can make spend twice.

        Its bucket is empty: whatever the predecessors granted, together they never hold more tokens than one
        bucket that was filled all the time, so no sixty seconds see more than one bucket grants. This needs
        only that nobody grants after the successor began. Calls that the record names as under way count
        until *this* process has seen :data:`CALL_ENDS_WITHIN` pass. The day's count goes on, unless the day
        it belongs to is over by the wall clock; if that is wrong, upstream's first answer corrects it, and
        until then
        one call is under way at most.
        """
        budget = cls(**settings)
        budget._at = at
        budget._next = at + budget._burst * budget._interval
        if record is None:
            return budget
        budget.day_limit = record.day_limit
        for _ in range(min(record.flying, budget.in_flight)):
            budget._add(at)
        if record.day_ends is not None and record.day_ends > now:
            budget.day_used, budget._confirmed = max(record.day_used, budget.day_used), True
        else:
            budget._turned_at = at
        return budget

    def record(self) -> Record:
        """Return what a successor must know."""
        return Record(self.day_used, self.day_limit, self._ends, len(self._calls))

    @property
    def flying(self) -> int:
        """Calls not known to be over."""
        return len(self._calls)

    @property
    def day_ends(self) -> datetime | None:
        """When the day's count starts anew, by the wall clock; unknown before the first question."""
        return self._ends

    def day_left(self, *, urgent: bool = False) -> int:
        """Return how many calls the day still has for this urgency."""
        limit = self.day_limit or self.assumed_day_limit
        return max(limit - (0 if urgent else int(limit * self.day_reserve)) - self.day_used, 0)

    def minute_left(self, at: float) -> int:
        """Return how many calls may go out in the next sixty seconds."""
        at = max(at, self._at)
        tokens = min(max((at - self._next) / self._interval + self._burst, 0.0), self._burst)
        open_for = min(max(at + MINUTE - self._blocked_until, 0.0), MINUTE)
        return int(tokens + open_for / self._interval) if open_for else 0

    def wait(self, now: datetime, at: float | None = None, *, urgent: bool = False) -> float:
        """Return the seconds until a call may go out; 0 means now. Does not take it.

        Left out, ``at`` is the latest moment this budget knows.
        """
        at = self._look(now, self._at if at is None else at)
        if self.day_left(urgent=urgent) <= 0:
            return max(self._due - at, 0.05)
        wait = max(self._blocked_until - at, self._next - self._burst_span - at, 0.0)
        room = self.in_flight if self._confirmed else 1
        return wait if len(self._calls) < room else max(wait, 0.05)

    def take(self, now: datetime, at: float) -> Call:
        """Spend one call. Only after :meth:`wait` said 0."""
        at = self._look(now, at)
        self._next = max(self._next, at) + self._interval
        return self._add(at)

    def not_sent(self, call: Call) -> None:
        """Give a call back that surely never left."""
        if self._calls.pop(call.number, None) is not None:
            self._give_back(call)

    def landed(
        self, call: Call, now: datetime, at: float, *, status: int, headers: Mapping[str, str]
    ) -> None:
        """A call was answered in full. One without an answer is just left to end by itself."""
        at = self._look(now, at)
        if self._calls.pop(call.number, None) is None:
            return  # answered twice, or after it must have ended
        self._confirmed |= status != _TOO_MANY and call.turn == self._turn
        if status == _OK:
            self._resolved += 1
        else:
            self._give_back(call)
        self._correct_day(call, now, at, headers, charged=status == _OK)
        self._correct_minute(at, headers)

    def limited(
        self, call: Call, now: datetime, at: float, *, kind: Limit, headers: Mapping[str, str], spread: float
    ) -> float:
        """Upstream said 429 to a call that landed: return how many seconds it asks for."""
        at = self._look(now, at)
        self.last_limit = kind
        if kind is Limit.DAY:
            if call.turn != self._turn:
                return 1.0  # it was the last day that was used up
            self.day_used = max(self.day_used, self.day_limit or self.assumed_day_limit)
            if self.day_limit is None:
                self.day_limit = self.day_used
            self._doubt_the_turn(now, at)
            return self._due - at
        wait = told.minute_ends_in(headers) if kind is Limit.MINUTE else 0.375 + 0.125 * spread
        wait = max(wait, told.retry_after(headers))
        self._blocked_until = max(self._blocked_until, at + wait)
        return self._blocked_until - at

    @property
    def spendable(self) -> int:
        """Calls granted in sixty seconds at most."""
        return max(self.per_minute - self.minute_reserve, self.per_minute // 2, 1)

    @property
    def _burst(self) -> int:
        return max(self.spendable // 6, 1)

    @property
    def _interval(self) -> float:
        """Seconds per call, slower than the limit by what the burst may add to one minute."""
        return _WINDOW / max(self.spendable - self._burst, 1)

    @property
    def _burst_span(self) -> float:
        return (self._burst - 1) * self._interval

    def _add(self, at: float) -> Call:
        self.granted += 1
        call = Call(self.granted, at + CALL_ENDS_WITHIN, self._turn, self._resolved)
        self._calls[call.number] = call
        self._charged += 1
        self.day_used += 1
        return call

    def _give_back(self, call: Call) -> None:
        self._charged -= 1
        if call.turn == self._turn:
            self.day_used = max(self.day_used - 1, 0)

    def _look(self, now: datetime, at: float) -> float:
        """Let time pass: end what must have ended, and the day when both clocks say so."""
        at = self._at = max(self._at, at)
        for call in [call for call in self._calls.values() if call.must_end <= at]:
            del self._calls[call.number]
            self._resolved += 1  # perhaps it was charged
        self._ends = self._ends or day_reset(now)
        # A wall clock that jumps ahead does not bring the end nearer; one that jumps back puts it off.
        self._due = max(self._due, at + (self._ends - now).total_seconds() + _TURN_SLACK)
        if at >= self._due:
            self._ends, self._turn = day_reset(now), self._turn + 1
            self._due = at + (self._ends - now).total_seconds() + _TURN_SLACK
            if at - self._turned_at > _TURN_DOUBTED:
                self._turned_at = at
            self.day_used, self._confirmed = len(self._calls), False
        return at

    def _doubt_the_turn(self, now: datetime, at: float) -> None:
        """Take the day for not yet begun upstream, if nothing was granted since it began here."""
        if not self._confirmed and at - self._turned_at < _TURN_DOUBTED:
            self._ends, self._due = now + timedelta(seconds=_TURN_AGAIN), at + _TURN_AGAIN + _TURN_SLACK

    def _correct_day(
        self, call: Call, now: datetime, at: float, headers: Mapping[str, str], *, charged: bool
    ) -> None:
        """Believe the header, plus what it cannot know yet: calls not over when this one was granted."""
        self.day_limit = told.day_limit(headers) or self.day_limit
        upstreams = told.day_used(headers)
        if upstreams is None or call.turn != self._turn:
            return
        used = upstreams + self._charged - call.resolved - charged
        if call.number > self._corrected:
            self.day_used = used
        else:  # an answer that crossed another one knows less of what others spend
            self.day_used = max(self.day_used, used)
        self._corrected = self.granted
        if self.day_used >= (self.day_limit or self.assumed_day_limit):
            self._doubt_the_turn(now, at)

    def _correct_minute(self, at: float, headers: Mapping[str, str]) -> None:
        left = told.minute_left(headers)
        if left is None:
            return
        left -= len(self._calls)  # perhaps not counted yet
        if left <= 0:
            self._blocked_until = max(self._blocked_until, at + told.minute_ends_in(headers))
        else:  # someone else spends too: move our own clock to what is really left
            self._next = max(self._next, at + self._burst_span - (left - 1) * self._interval)
