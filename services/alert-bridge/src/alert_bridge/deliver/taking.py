"""What to do with the next message of the stream, given what is written down of it and what the rules say.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from alert_bridge.carried import Carried
from alert_bridge.deliver.ends import Record, State
from alert_bridge.reasons import Dead, Suppressed
from alert_bridge.rules.decide import Decision, Memory, Send, Suppress, decide, remember
from alert_bridge.rules.model import Rules
from baleen_contracts.alert import Alert

STOPPED_TYPE: Final = "destination_stopped"
"""The type of the alert that a destination takes nothing any more."""
OURSELVES: Final = "alert-bridge"
"""The source of the bridge's own alerts."""
ABOUT: Final = "destination"
"""The label by which such an alert names the destination."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended before; nothing is left to do but to count it."""

    state: State
    reason: str | None
    again: int


@dataclass(frozen=True, slots=True)
class Go:
    """It goes the way that was decided. ``doubts``: how often it may have been told already."""

    decision: Decision
    doubts: int = 0


def alert_in(body: bytes) -> Alert | None:
    """The alert of a message; None if it is none."""
    try:
        return Alert.model_validate_json(body)
    except ValidationError:
        return None


def came(alert: Alert, stored_at: datetime) -> datetime:
    """When an alert was received, as the rules have it: a sender's clock that is ahead holds nothing back."""
    return min(alert.received_at, stored_at)


def decided(rules: Rules, destination: str, carried: Carried, memory: Memory) -> Decision:
    """What the rules say of an alert; that a destination is stopped is not told to itself."""
    alert = carried.alert
    ours = alert.alert_type == STOPPED_TYPE and alert.source == OURSELVES
    if ours and alert.labels.get(ABOUT) == destination:
        return Suppress(Suppressed.NOT_ROUTED, None, "it says that this destination is stopped")
    return decide(rules, destination, alert, memory, now=came(alert, carried.stored_at))


def learn(rules: Rules, destination: str, carried: Carried, record: Record, memory: Memory) -> None:
    """Lets *memory* know of an alert by what is written down of it: whether anybody may have been told."""
    unknown = record.state is State.DEAD and record.reason == Dead.UNKNOWN
    if unknown or record.state in {State.SENDING, State.WAITING, State.DELIVERED}:
        at = came(carried.alert, carried.stored_at)
        remember(rules, destination, carried.alert, memory, now=at)


def way_of(record: Record | None, decision: Decision, *, acked: bool) -> Ended | Go:
    """The way of an alert that may have been taken before.

    Args:
        record: what is written down of it.
        decision: what the rules say now.
        acked: it was acknowledged, which happens only after its end is written down, or where no route led.
    """
    if record is None:
        return Ended(State.SUPPRESSED, Suppressed.NOT_ROUTED, 0) if acked else Go(decision)
    if record.final:
        return Ended(record.state, record.reason, record.again)
    if record.state is not State.SENDING:
        return Go(decision, record.again)
    if isinstance(decision, Suppress):
        # The rules were changed after it was let through, and it may have been told: it stays let through.
        decision = Send(record.route or "")
    return Go(decision, record.again + 1)


def gone(seqs: Iterable[int], records: Mapping[int, Record]) -> list[tuple[int, Ended | None]]:
    """How those had ended that the stream has no more; None for one that is lost, as far as is known.

    That the consumer counts them as acknowledged proves nothing: it passes over what the stream lets go.
    """
    ways: list[tuple[int, Ended | None]] = []
    for seq in seqs:
        record = records.get(seq)
        final = record is not None and record.final
        ways.append((seq, Ended(record.state, record.reason, record.again) if record and final else None))
    return ways


def moment(text: str) -> datetime:
    """A time of the server, in nanoseconds."""
    return datetime.fromisoformat(text).astimezone(UTC)
