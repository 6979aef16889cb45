"""When the exchange is open.

The exchange's own calendar comes from a library that takes a second to import, hence on demand and off the
event loop (:func:`exchange_sessions`); what is asked every second is pure arithmetic over its sessions.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_BEFORE = timedelta(hours=5, minutes=30)  # trading before the open begins at 04:00
_AFTER = timedelta(hours=4)


class Phase(StrEnum):
    """What the exchange is doing."""

    REGULAR = "regular"
    EXTENDED = "extended"
    CLOSED = "closed"
    UNKNOWN = "unknown"  # the calendar is not loaded or does not reach so far


Session = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class MarketHours:
    """The sessions of some days, in order; ``always_open`` is for simulated markets."""

    sessions: Sequence[Session] = ()
    always_open: bool = False

    def phase(self, now: datetime) -> Phase:
        """Return the phase at a moment."""
        if self.always_open:
            return Phase.REGULAR
        if not self.sessions or now > self.sessions[-1][1] + _AFTER:
            return Phase.UNKNOWN
        found = bisect_right(self.sessions, now + _BEFORE, key=lambda session: session[0]) - 1
        if found < 0:
            return Phase.UNKNOWN if now < self.sessions[0][0] - timedelta(days=7) else Phase.CLOSED
        opens, closes = self.sessions[found]
        if opens <= now < closes:
            return Phase.REGULAR
        return Phase.EXTENDED if opens - _BEFORE <= now < closes + _AFTER else Phase.CLOSED


def exchange_sessions(around: datetime, *, days: int = 365) -> list[Session]:
    """Return New York's sessions from a week before a moment until so many days after. Takes a second."""
    import exchange_calendars  # noqa: PLC0415 - pandas with it; only real hours need it, and off the loop

    first, last = (around - timedelta(days=7)).date(), (around + timedelta(days=days)).date()
    calendar = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    return [
        (opens.to_pydatetime(), closes.to_pydatetime())
        for opens, closes in zip(calendar.opens, calendar.closes, strict=True)
    ]
