"""Dead letters: what is written of an alert that was given up, and how it is read to be sent again. Pure."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from alert_bridge.deliver.ends import End
from alert_bridge.reasons import Dead
from baleen_contracts.alert import Alert
from baleen_contracts.dead_letter import DeadLetter, Redelivery

_LONGEST_DETAIL: Final = 2_000
_LONGEST_BODY: Final = 4_000
_STATUSES: Final = range(100, 600)


def letter_of(end: End, destination: str, epoch: str, now: datetime, *, whole: bool = True) -> DeadLetter:
    """The letter of an alert that ended dead.

    Args:
        end: its end.
        destination: where.
        epoch: which making of the stream its number belongs to.
        now: when.
        whole: with the alert; one that is too large or nested too deep for a letter is named alone.
    """
    seq = end.key[0]
    if end.carried is None:
        broken = (end.broken or "")[:_LONGEST_BODY]
        return _letter(end, f"ALERT:{epoch}:{seq}", {"unreadable": broken}, destination, now)
    alert = end.carried.alert
    if whole:
        with suppress(ValidationError):
            told = alert.model_dump(mode="json", exclude_none=True)
            return _letter(end, alert.identity, told, destination, now)
    return _letter(end, alert.identity, _named(alert), destination, now)


def _letter(end: End, alert_id: str, alert: dict[str, Any], destination: str, now: datetime) -> DeadLetter:
    first = None if end.first_at is None else datetime.fromtimestamp(end.first_at, UTC)
    return DeadLetter(
        occurred_at=now,
        received_at=now,
        destination=destination,
        alert_id=alert_id,
        reason=str(end.reason),
        detail=end.detail[:_LONGEST_DETAIL] or None,
        status=end.status if end.status in _STATUSES else None,
        attempts=end.attempts,
        replays=end.key[1],
        first_attempt_at=first,
        seq=end.key[0],
        alert=alert,
    )


def letter_of_range(
    first: int, last: int, count: int, *, destination: str, epoch: str, now: datetime
) -> DeadLetter:
    """The letter of *count* alerts from number *first* to *last* that the stream let go before their end.

    Nobody knows what they said.
    """
    return DeadLetter(
        occurred_at=now,
        received_at=now,
        destination=destination,
        alert_id=f"ALERT:{epoch}:{first}-{last}",
        reason=Dead.EXPIRED,
        detail=f"the stream let go of {count} alerts before they were delivered",
        attempts=0,
        seq=first,
        alert={"first_seq": first, "last_seq": last, "count": count},
    )


def replay_of(letter: DeadLetter, now: datetime) -> Redelivery:
    """What sends a letter again.

    Raises:
        ValueError: it holds no alert that could be sent.
    """
    alert_of(letter)
    told = letter.model_dump()
    return Redelivery.model_validate(
        told | {"replays": letter.replays + 1, "occurred_at": now, "received_at": now}
    )


def alert_of(letter: DeadLetter) -> Alert:
    """The alert that a letter holds.

    Raises:
        ValueError: it holds none.
    """
    if letter.seq is None:
        raise ValueError("the letter does not say which alert it is about")
    return Alert.model_validate(letter.alert)


def _named(alert: Alert) -> dict[str, Any]:
    return {
        "too_large": True,
        "id": alert.identity,
        "source": alert.source,
        "title": alert.title,
        "content": (alert.content or "")[:_LONGEST_BODY] or None,
    }
