"""How many connections one address and one subject may have. Pure.

Who is counted here is counted for this process; `Limits.elsewhere` says what the others have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum


class Kind(StrEnum):
    """By what connections are counted."""

    ADDRESS = "address"
    SUBJECT = "subject"


class Limits:
    """The connections of every address and subject, and how many may be."""

    def __init__(self, *, per_address: int, per_subject: int) -> None:
        """Make empty counts; a limit of 0 is none."""
        self._most = {Kind.ADDRESS: per_address, Kind.SUBJECT: per_subject}
        self._held: dict[Kind, Counter[str]] = {kind: Counter() for kind in Kind}
        self.elsewhere: Callable[[Kind, str], int] = _none_elsewhere
        """How many connections other processes have of an address or a subject."""

    def take(self, kind: Kind, key: str) -> bool:
        """Count one more connection and return True, or return False where that would be too many."""
        most, held = self._most[kind], self._held[kind]
        if most and held[key] + self.elsewhere(kind, key) >= most:
            return False
        held[key] += 1
        return True

    def give_back(self, kind: Kind, key: str) -> None:
        """Count one connection less; nothing is kept of who has none."""
        held = self._held[kind]
        if held[key] <= 1:
            del held[key]
        else:
            held[key] -= 1

    def counts(self) -> Mapping[Kind, Mapping[str, int]]:
        """Return the connections of this process, by address and by subject; a copy."""
        return {kind: dict(held) for kind, held in self._held.items()}


def _none_elsewhere(_kind: Kind, _key: str) -> int:
    return 0
