"""What the plan allows, and a memory of every time it was exceeded. Pure: the time is an argument.

Tests read the violations to assert that a client never opened a socket too many, never joined too much and
never asked too often.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_RESET_HOUR = 20  # the day's quota starts anew at 20:00 in New York, summer and winter
_MINUTE_MS = 60_000


class Violation(StrEnum):
    """What a client must never do."""

    SOCKETS = "sockets_over_limit"
    JOINS = "joins_over_limit"
    IN_FLIGHT = "requests_in_flight"
    MINUTE = "requests_per_minute"
    DAY = "requests_over_day"


class Admission(StrEnum):
    """What becomes of a new socket."""

    WELCOME = "welcome"
    MUTE = "mute"
    TOO_MANY = "too_many"


@dataclass(slots=True)
class Plan:
    """The figures of a subscription. Changeable while running, so that tests can shrink them."""

    sockets: int = 3
    mute_second: bool = False
    joins: int = 50
    in_flight: int = 3
    per_minute: int = 120
    per_day: int = 40_000


@dataclass(slots=True)
class SocketLedger:
    """How many sockets one token holds."""

    plan: Plan
    violations: Counter[Violation]
    open: int = 0
    peak: int = 0

    def arrive(self) -> Admission:
        """Count one more socket and say what becomes of it. Call `leave` when it is gone, in any case."""
        self.open += 1
        self.peak = max(self.peak, self.open)
        if self.open > self.plan.sockets:
            self.violations[Violation.SOCKETS] += 1
            return Admission.TOO_MANY
        return Admission.MUTE if self.plan.mute_second and self.open > 1 else Admission.WELCOME

    def leave(self) -> None:
        """Count one socket less."""
        self.open -= 1


@dataclass(slots=True)
class RequestLedger:
    """How often one token asked. A request is begun, perhaps refused, and ended."""

    plan: Plan
    violations: Counter[Violation]
    flying: int = 0
    peak_flying: int = 0
    minute_count: int = 0
    day_count: int = 0
    _minute_started_ms: int | None = field(default=None)
    _day: date | None = field(default=None)

    def begin(self, now: datetime) -> Violation | None:
        """Count a request and return what it exceeds, if anything. A refused request must not be ended."""
        self._turn(now)
        refused = self._exceeded()
        if refused is not None:
            self.violations[refused] += 1
            return refused
        self.flying += 1
        self.peak_flying = max(self.peak_flying, self.flying)
        self.minute_count += 1
        return None

    def end(self, status: int) -> None:
        """Count a begun request as answered; only a 200 is charged to the day."""
        self.flying -= 1
        if status == 200:  # noqa: PLR2004 - upstream's own rule
            self.day_count += 1

    def exhaust(self, scope: Violation, now: datetime) -> None:
        """Use up what is left of the minute or the day."""
        self._turn(now)
        if scope is Violation.DAY:
            self.day_count = self.plan.per_day
        else:
            self.minute_count = self.plan.per_minute

    def headers(self, now: datetime) -> dict[str, str]:
        """Return upstream's accounting headers."""
        self._turn(now)
        left_ms = _MINUTE_MS
        if self._minute_started_ms is not None:
            left_ms = self._minute_started_ms + _MINUTE_MS - _millis(now)
        return {
            "x-uw-token-req-limit": str(self.plan.per_day),
            "x-uw-daily-req-count": str(self.day_count),
            "x-uw-minute-req-counter": str(self.minute_count),
            "x-uw-req-per-minute-remaining": str(max(0, self.plan.per_minute - self.minute_count)),
            "x-uw-req-per-minute-reset": str(left_ms),
        }

    def _exceeded(self) -> Violation | None:
        if self.flying >= self.plan.in_flight:
            return Violation.IN_FLIGHT
        if self.day_count + self.flying >= self.plan.per_day:
            return Violation.DAY
        return Violation.MINUTE if self.minute_count >= self.plan.per_minute else None

    def _turn(self, now: datetime) -> None:
        at = _millis(now)
        if self._minute_started_ms is None or at - self._minute_started_ms >= _MINUTE_MS:
            self._minute_started_ms, self.minute_count = at, 0
        today = quota_day(now)
        if today != self._day:
            self._day, self.day_count = today, 0


def quota_day(now: datetime) -> date:
    """Return the quota day that *now* belongs to: it begins at 20:00 New York time of the day before."""
    return (now.astimezone(NEW_YORK).replace(tzinfo=None) + timedelta(hours=24 - _RESET_HOUR)).date()


def _millis(now: datetime) -> int:
    return round(now.timestamp() * 1000)
