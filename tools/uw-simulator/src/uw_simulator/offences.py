"""A memory of every time a limit was exceeded, with the moment and in words. Pure: the time is an argument.

Tests read it to assert that a client never opened a socket too many, never joined too much and never asked
too often; drills, to say when it did.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum

_REMEMBERED = 1_000


class Violation(StrEnum):
    """What a client must never do."""

    SOCKETS = "sockets_over_limit"
    JOINS = "joins_over_limit"
    IN_FLIGHT = "requests_in_flight"
    MINUTE = "requests_per_minute"
    DAY = "requests_over_day"


@dataclass(frozen=True, slots=True)
class Offence:
    """One time a limit was exceeded."""

    at: float
    """Epoch seconds."""
    what: Violation
    text: str


class Offences:
    """Every time a limit was exceeded: all of them counted, the latest remembered with time and words."""

    def __init__(self) -> None:
        self.counts: Counter[Violation] = Counter()
        self.log: deque[Offence] = deque(maxlen=_REMEMBERED)

    def note(self, what: Violation, at: float, text: str) -> None:
        """Remember one."""
        self.counts[what] += 1
        self.log.append(Offence(at, what, text))

    def clear(self) -> None:
        """Forget all."""
        self.counts.clear()
        self.log.clear()
