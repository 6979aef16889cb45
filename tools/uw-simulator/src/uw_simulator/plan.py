"""When the next frames are due. Pure: time comes in as seconds, numbers of frames go out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time
from zlib import crc32

from uw_simulator.limits import NEW_YORK

_OPEN, _CLOSE = 9.5, 16.0  # hours in New York
_EARLY, _LATE = time(4), time(20)  # extended hours
DAY_SECONDS = (_CLOSE - _OPEN) * 3600
_LONGEST_STALL = 1.0  # seconds of arrears that are made up for; older ones are forgotten


class Pacer:
    """Turns a rate into whole frames, without drift and without a flood after a stall."""

    def __init__(self, started: float) -> None:
        self._last = started
        self._owed = 0.0

    def due(self, now: float, rate: float) -> int:
        """Return how many frames are to be sent at *now* for *rate* frames a second since the last call."""
        self._owed += rate * min(max(now - self._last, 0.0), _LONGEST_STALL)
        self._last = now
        whole = int(self._owed)
        self._owed -= whole
        return whole


@dataclass(slots=True)
class Every:
    """Something that happens once a period, at a phase of its own; at once when first asked for."""

    period: float
    phase: float = 0.0
    _seen: int | None = None
    _last: float = -math.inf

    def due(self, now: float) -> bool:
        """Tell whether a new period has begun; at least half a period lies between two that are due."""
        turn = math.floor((now - self.phase) / self.period)
        if turn == self._seen or 0 <= now - self._last < self.period / 2:
            return False
        self._seen, self._last = turn, now
        return True


def phase_of(key: str, period: float) -> float:
    """Return a phase within *period*, always the same for *key*, so that tickers do not tick together."""
    return (crc32(key.encode()) % 9973) / 9973 * period


def day_shape(second: float) -> float:
    """Return how busy the tape is *second* seconds after the open, as a multiple of the day's mean.

    Three times the mean at the open, half of it over lunch, nearly twice the mean into the close; the mean
    over a whole day is one.
    """
    x = min(max(second / DAY_SECONDS, 0.0), 1.0)
    raw = 0.55 + 2.6 * math.exp(-x / 0.06) + 1.4 * math.exp(-(1 - x) / 0.08)
    mean = 0.55 + 2.6 * 0.06 * (1 - math.exp(-1 / 0.06)) + 1.4 * 0.08 * (1 - math.exp(-1 / 0.08))
    return raw / mean


def in_extended_hours(now: datetime) -> bool:
    """Tell whether *now* lies within 04:00-20:00 New York time on a weekday, when prices still move."""
    local = now.astimezone(NEW_YORK)
    return local.weekday() < 5 and _EARLY <= local.time() < _LATE  # noqa: PLR2004 - Saturday is 5
