"""How many alerts of one destination ended how, exactly, through a known number of the stream. Pure.

Every alert that was taken is open or counted, never both: what `through` and `open` say beside the counts is
all that a successor needs to count on without missing or repeating one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alert_bridge.deliver.ends import State
from alert_bridge.reasons import Dead


@dataclass(slots=True)
class Counts:
    """The account of one destination in one making of the stream.

    Attributes:
        epoch: which making of the stream.
        since: the last number before those it is told of.
        through: all numbers after ``since`` up to this one are open or counted.
    """

    epoch: str
    since: int
    through: int
    delivered: int = 0
    possible_duplicates: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    open: dict[int, None] = field(default_factory=dict)
    """What was taken and has not ended, oldest first."""
    replayed: Counter[str] = field(default_factory=Counter)
    """How those ended that were sent again by hand; their first end stays counted as it was."""

    @property
    def ended(self) -> int:
        """All that have ended."""
        return self.delivered + self.suppressed.total() + self.dead.total()

    def took(self, seq: int) -> None:
        """The next alert is taken: open from now on.

        Raises:
            ValueError: it was taken before, or one before it was not.
        """
        if seq != self.through + 1:
            raise ValueError(f"{seq} does not follow {self.through}")
        self.through = seq
        self.open[seq] = None

    def end(self, seq: int, state: State, reason: str | None, again: int = 0) -> None:
        """One that was open has ended.

        Raises:
            KeyError: it was not open.
        """
        del self.open[seq]
        self.possible_duplicates += again
        if state is State.DELIVERED:
            self.delivered += 1
        elif state is State.SUPPRESSED:
            self.suppressed[str(reason)] += 1
        else:
            self.dead[str(reason)] += 1

    def expire(self, last: int) -> int:
        """All numbers after ``through`` up to *last* are gone from the stream; returns how many."""
        count = max(0, last - self.through)
        if count:
            self.dead[Dead.EXPIRED] += count
            self.through = last
        return count

    def told(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "epoch": self.epoch,
            "since": self.since,
            "through": self.through,
            "delivered": self.delivered,
            "possible_duplicates": self.possible_duplicates,
            "suppressed": _plain(self.suppressed),
            "dead": _plain(self.dead),
            "replayed": _plain(self.replayed),
            "open": list(self.open),
        }


def counts_of(told: Mapping[str, Any]) -> Counts:
    """Reads what `Counts.told` told.

    Raises:
        KeyError, TypeError, ValueError: it did not.
    """
    return Counts(
        str(told["epoch"]),
        int(told["since"]),
        int(told["through"]),
        int(told["delivered"]),
        int(told["possible_duplicates"]),
        _counter(told["suppressed"]),
        _counter(told["dead"]),
        dict.fromkeys(_numbers(told["open"])),
        _counter(told["replayed"]),
    )


def _plain(counter: Counter[str]) -> dict[str, int]:
    """Reasons and states are words of their own kind, which JSON does not take for names."""
    return {str(name): count for name, count in counter.items()}


def _numbers(found: Iterable[Any]) -> list[int]:
    return sorted(int(number) for number in found)


def _counter(found: Mapping[str, Any]) -> Counter[str]:
    return Counter({str(name): int(count) for name, count in found.items()})
