"""The local REST budget: when the next call may go out.

Pure: wall time is an argument. One minute is held by GCRA, written as an emission interval and a burst that
together never allow more than the limit in any sixty seconds; the day by a counter; upstream's own headers
correct both, since other programs may use the same token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_DAY_ENDS = time(20, 0)
_MINUTE = 60.0
_WINDOW = _MINUTE + 0.001  # a millisecond over, since clocks and sums round
_UNCAPPED = 100_000  # some keys answer with a million remaining


class Limit(StrEnum):
    """The three things a 429 can mean; their cures differ."""

    CONCURRENCY = "concurrency"
    MINUTE = "minute"
    DAY = "day"


def limit_of(body: str) -> Limit:
    """Tell the three bodies of a 429 apart."""
    if "daily_request_limit_hit" in body or "daily request limit" in body:
        return Limit.DAY
    if "concurrent requests" in body:
        return Limit.CONCURRENCY
    return Limit.MINUTE


def day_reset(now: datetime) -> datetime:
    """Return when the day's count starts anew: the next 20:00 in New York."""
    local = now.astimezone(NEW_YORK)
    reset = datetime.combine(local.date(), _DAY_ENDS, NEW_YORK)
    if local >= reset:
        reset = datetime.combine(local.date() + timedelta(days=1), _DAY_ENDS, NEW_YORK)
    return reset.astimezone(UTC)


@dataclass(slots=True)
class Budget:
    """What is left to spend, and when."""

    per_minute: int = 120
    in_flight: int = 3
    flying: int = 0
    day_limit: int | None = None  # unknown until upstream says it
    day_used: int = 0
    _next: float = 0.0  # GCRA's theoretical arrival time
    _blocked_until: float = 0.0
    _day_ends: float = 0.0
    last_limit: Limit | None = None

    def wait(self, now: datetime) -> float:
        """Return the seconds until a call may go out; 0 means now. Does not take it."""
        at = now.timestamp()
        self._turn_day(now)
        if self.day_limit is not None and self.day_used >= self.day_limit:
            return self._day_ends - at
        if self.flying >= self.in_flight:
            return 0.05
        return max(self._blocked_until - at, self._next - self._burst_span - at, 0.0)

    def take(self, now: datetime) -> None:
        """Spend one call. Only after :meth:`wait` said 0."""
        self._next = max(self._next, now.timestamp()) + self._interval
        self.flying += 1

    def landed(self, now: datetime, *, counted: bool, headers: Mapping[str, str]) -> None:
        """A call came back: count it if upstream does, and believe upstream's headers over our own count."""
        self.flying -= 1
        self._turn_day(now)
        self.day_used += 1 if counted else 0
        limit, used = _number(headers, "x-uw-token-req-limit"), _number(headers, "x-uw-daily-req-count")
        if limit:
            self.day_limit = limit
        if used is not None:
            self.day_used = used
        left = _number(headers, "x-uw-req-per-minute-remaining")
        if left is not None and left < _UNCAPPED:
            at = now.timestamp()
            if left == 0:
                self._blocked_until = at + _minute_left(headers)
            else:  # someone else spends too: move our own clock to what is really left
                self._next = max(self._next, at + self._burst_span - (left - 1) * self._interval)

    def limited(self, now: datetime, kind: Limit, *, headers: Mapping[str, str], spread: float) -> float:
        """Upstream said 429: remember it and return how many seconds it asks for."""
        self.last_limit = kind
        at = now.timestamp()
        if kind is Limit.DAY:
            until = day_reset(now).timestamp()
        elif kind is Limit.MINUTE:
            until = at + _minute_left(headers)
        else:
            until = at + 0.375 + 0.125 * spread
        asked = _number(headers, "retry-after")
        if asked is not None and kind is not Limit.DAY:
            until = max(until, at + min(asked, _MINUTE))
        self._blocked_until = max(self._blocked_until, until)
        return self._blocked_until - at

    @property
    def _burst(self) -> int:
        return max(self.per_minute // 6, 1)

    @property
    def _interval(self) -> float:
        """Seconds per call, slower than the limit by what the burst may add to one minute."""
        return _WINDOW / max(self.per_minute - self._burst, 1)

    @property
    def _burst_span(self) -> float:
        return (self._burst - 1) * self._interval

    def _turn_day(self, now: datetime) -> None:
        if now.timestamp() >= self._day_ends:
            self._day_ends = day_reset(now).timestamp()
            self.day_used = 0


def _minute_left(headers: Mapping[str, str]) -> float:
    """Return the seconds until upstream's minute starts anew; whatever the header says, a minute at most."""
    reset = _number(headers, "x-uw-req-per-minute-reset")
    return _MINUTE if reset is None else min(reset / 1000, _MINUTE)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None  # noqa: PLR2004 - sane
