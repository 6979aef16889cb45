"""What the plan allows, and what is refused because of it. Pure: the time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from uw_simulator.offences import Offences, Violation

NEW_YORK = ZoneInfo("America/New_York")
_RESET_HOUR = 20  # the day's quota starts anew at 20:00 in New York, summer and winter
_MINUTE_MS = 60_000
_HEARD_MS = 250  # a request made within this time after a refusal may have been on its way already


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
    over_code: int | None = 1000
    """What a socket too many is closed with, right after it is accepted; None cuts it without a word."""
    joins: int = 50
    leave_ignored: bool = False
    """Whether a leave is passed over: no ack, and the channel goes on."""
    websocket: bool = True
    """Whether the full token has the websocket scope; without it handshakes get 401."""
    in_flight: int = 3
    per_minute: int = 120
    per_day: int = 40_000
    others_in_flight: int = 0
    """Requests that other programs on the same key always have in flight."""
    others_per_minute: float = 0.0
    """Requests that other programs on the same key make, spread evenly."""


@dataclass(slots=True)
class SocketLedger:
    """How many sockets one token holds."""

    plan: Plan
    offences: Offences
    open: int = 0
    peak: int = 0
    peak_at: float | None = None

    def arrive(self, now: float, who: str = "") -> Admission:
        """Count one more socket and say what becomes of it. Call `leave` when it is gone, in any case.

        Args:
            now: epoch seconds.
            who: whose socket it is, for people.
        """
        self.open += 1
        if self.open > self.peak:
            self.peak, self.peak_at = self.open, now
        if self.open > self.plan.sockets:
            text = f"{self.open} sockets open, {self.plan.sockets} allowed: {who}"
            self.offences.note(Violation.SOCKETS, now, text)
            return Admission.TOO_MANY
        return Admission.MUTE if self.plan.mute_second and self.open > 1 else Admission.WELCOME

    def leave(self) -> None:
        """Count one socket less."""
        self.open -= 1


@dataclass(slots=True)
class RequestLedger:
    """How often one token asked. A request is begun, perhaps refused, and ended.

    The client's own requests and those of other programs on the key are counted apart. A refusal is an
    offence only if the client's own exceed the limit, or if it was told before that nothing is left.
    """

    plan: Plan
    offences: Offences
    flying: int = 0
    peak_flying: int = 0
    peak_minute: int = 0
    """Most own requests that were let through within any sixty seconds."""
    own_minute: int = 0
    own_day: int = 0
    others_minute: float = 0.0
    others_day: float = 0.0
    _minute_started_ms: int | None = field(default=None)
    _day: date | None = field(default=None)
    _turned_ms: int | None = field(default=None)
    _granted: deque[int] = field(default_factory=deque)
    _told: dict[Violation, int] = field(default_factory=dict)

    @property
    def minute_count(self) -> int:
        """Requests in this minute, everybody's."""
        return self.own_minute + int(self.others_minute)

    @property
    def day_count(self) -> int:
        """Requests charged today, everybody's."""
        return self.own_day + int(self.others_day)

    def begin(self, now: datetime, who: str = "") -> Violation | None:
        """Count a request and return what it exceeds, if anything. A refused request must not be ended.

        Args:
            now: the time.
            who: whose request it is and for what, for people.
        """
        self._turn(now)
        refused = self._exceeded()
        if refused is not None:
            self._refuse(*refused, now, who)
            return refused[0]
        self.flying += 1
        self.peak_flying = max(self.peak_flying, self.flying)
        self.own_minute += 1
        at = _millis(now)
        self._granted.append(at)
        while self._granted[0] <= at - _MINUTE_MS:
            self._granted.popleft()
        self.peak_minute = max(self.peak_minute, len(self._granted))
        return None

    def end(self, status: int) -> None:
        """Count a begun request as answered; only a 200 is charged to the day."""
        self.flying -= 1
        if status == 200:  # noqa: PLR2004 - upstream's own rule
            self.own_day += 1

    def exhaust(self, scope: Violation, now: datetime) -> None:
        """Let others use up what is left of the minute or the day."""
        self._turn(now)
        if scope is Violation.DAY:
            self.others_day = max(0, self.plan.per_day - self.own_day)
        else:
            self.others_minute = max(0, self.plan.per_minute - self.own_minute)

    def spend(self, requests: int, now: datetime) -> None:
        """Let another program on the same key make so many requests at once, as far as the plan allows."""
        self._turn(now)
        left = min(self.plan.per_minute - self.minute_count, self.plan.per_day - self.day_count)
        spent = max(0, min(requests, left))
        self.others_minute += spent
        self.others_day += spent

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

    def forget(self) -> None:
        """Begin anew: nothing was asked today."""
        self.peak_flying = self.flying
        self.peak_minute = self.own_minute = self.own_day = 0
        self.others_minute = self.others_day = 0.0
        self._granted.clear()
        self._told.clear()

    def _exceeded(self) -> tuple[Violation, bool] | None:
        """Return which limit is reached, and whether the client reached it alone."""
        plan = self.plan
        if self.flying + plan.others_in_flight >= plan.in_flight:
            return Violation.IN_FLIGHT, self.flying >= plan.in_flight
        if self.day_count + self.flying >= plan.per_day:
            return Violation.DAY, self.own_day + self.flying >= plan.per_day
        if self.minute_count >= plan.per_minute:
            return Violation.MINUTE, self.own_minute >= plan.per_minute
        return None

    def _refuse(self, what: Violation, own: bool, now: datetime, who: str) -> None:
        told = self._told.get(what)
        if own:
            self.offences.note(what, now.timestamp(), f"{self._reached(what)}: {who}")
        elif told is not None and _millis(now) - told > _HEARD_MS:
            self.offences.note(what, now.timestamp(), f"asked again though told that nothing is left: {who}")
        elif told is None and what is not Violation.IN_FLIGHT:
            self._told[what] = _millis(now)

    def _reached(self, what: Violation) -> str:
        plan = self.plan
        if what is Violation.IN_FLIGHT:
            return f"{self.flying} requests in flight and one more, {plan.in_flight} allowed"
        if what is Violation.DAY:
            return f"{self.own_day + self.flying} requests today and one more, {plan.per_day} allowed"
        return f"{self.own_minute} requests this minute and one more, {plan.per_minute} allowed"

    def _turn(self, now: datetime) -> None:
        at = _millis(now)
        if self._minute_started_ms is None or at - self._minute_started_ms >= _MINUTE_MS:
            self._minute_started_ms, self.own_minute, self.others_minute = at, 0, 0.0
            self._told.pop(Violation.MINUTE, None)
        today = quota_day(now)
        if today != self._day:
            self._day, self.own_day, self.others_day = today, 0, 0.0
            self._told.pop(Violation.DAY, None)
        if self._turned_ms is not None and self.plan.others_per_minute:
            made = self.plan.others_per_minute * max(0, at - self._turned_ms) / _MINUTE_MS
            self.others_minute += max(0.0, min(made, self.plan.per_minute - self.minute_count))
            self.others_day += max(0.0, min(made, self.plan.per_day - self.day_count))
        self._turned_ms = at


def quota_day(now: datetime) -> date:
    """Return the quota day that *now* belongs to: it begins at 20:00 New York time of the day before."""
    return (now.astimezone(NEW_YORK).replace(tzinfo=None) + timedelta(hours=24 - _RESET_HOUR)).date()


def _millis(now: datetime) -> int:
    return round(now.timestamp() * 1000)
