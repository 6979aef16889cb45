"""What became of an alert at every destination, by what is written and how far each has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import Record, State
from alert_bridge.reasons import Suppressed

NOT_TRIED: Final = "not_tried"
"""An alert is in flight and nothing was sent of it: it waits for its turn."""


class Fate(StrEnum):
    """Where an alert stands at a destination: the four states of the account, and two outside of it."""

    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    DEAD = "dead"
    IN_FLIGHT = "in_flight"
    NOT_SERVED = "not_served"
    """It was stored before the destination was first served, and is none of its alerts."""
    FORGOTTEN = "forgotten"
    """It has ended, and what was written of it is kept no longer."""


_FATES: Final = {
    State.DELIVERED: Fate.DELIVERED,
    State.SUPPRESSED: Fate.SUPPRESSED,
    State.DEAD: Fate.DEAD,
    State.SENDING: Fate.IN_FLIGHT,
    State.WAITING: Fate.IN_FLIGHT,
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """An alert's life at one destination.

    Attributes:
        destination: where.
        fate: how it stands.
        reason: why it ended so, or waits.
        record: what is written of it, where anything is.
    """

    destination: str
    fate: Fate
    reason: str | None = None
    record: Record | None = None


def life_of(
    seq: int,
    records: Mapping[str, Record],
    accounts: Mapping[str, Counts],
    *,
    acked: Mapping[str, int],
    stored_at: datetime,
    kept_since: datetime | None,
) -> list[Chapter]:
    """The life of an alert at every destination, by name.

    Args:
        seq: its number.
        records: what is written of it, by destination; read after the other two.
        accounts: how far each destination has come, as it was written some time ago.
        acked: up to which number each destination that is served is done; of another one only what is
            written is told.
        stored_at: when the stream took it.
        kept_since: since when everything written is surely still there; None where nothing was let go.
    """
    forgotten = kept_since is not None and stored_at < kept_since
    return [
        _chapter(seq, name, records.get(name), accounts.get(name), acked.get(name, 0), forgotten=forgotten)
        for name in sorted({*records, *acked})
    ]


def _chapter(
    seq: int, name: str, record: Record | None, counts: Counts | None, acked: int, *, forgotten: bool
) -> Chapter:
    if record is not None:
        reason = record.reason or (State.SENDING if record.state is State.SENDING else None)
        return Chapter(name, _FATES[record.state], reason, record)
    if counts is None or seq <= counts.since:
        return Chapter(name, Fate.NOT_SERVED)
    if seq > acked and (seq > counts.through or seq in counts.open):
        return Chapter(name, Fate.IN_FLIGHT, NOT_TRIED)
    if forgotten:
        return Chapter(name, Fate.FORGOTTEN)
    return Chapter(name, Fate.SUPPRESSED, Suppressed.NOT_ROUTED)
