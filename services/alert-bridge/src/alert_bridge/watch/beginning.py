"""Where to go on reading a stream, from what was written down and what the stream is now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alert_bridge.watch.position import Position
from baleen_bus import GapReason


@dataclass(frozen=True, slots=True)
class Missed:
    """Numbers that nobody will hear; 0 to 0 where they cannot be told."""

    first: int
    last: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Beginning:
    """Read on after this number. ``marks``: as in a position, in the numbers that the stream has now."""

    after: int
    marks: Mapping[str, int] = field(default_factory=dict)
    missed: Missed | None = None


def beginning(position: Position | None, *, epoch: str, last_seq: int) -> Beginning:
    """Where to begin in a stream of this epoch that ends with *last_seq*.

    The first time with what comes next; in a stream made anew with all that it has.
    """
    if position is None:
        return Beginning(last_seq)
    if position.epoch != epoch:
        marks = dict.fromkeys(position.marks, 0)
        return Beginning(0, marks, Missed(0, 0, GapReason.STREAM_RECREATED))
    if position.seq > last_seq:  # restored from a copy
        marks = {mark: min(since, last_seq) for mark, since in position.marks.items()}
        return Beginning(last_seq, marks, Missed(last_seq + 1, position.seq, GapReason.WENT_BACK))
    return Beginning(position.seq, position.marks)
