"""What an operator is answered: history, lives, accounts and dead letters as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from alert_bridge.account.dead_letters import Letter, LetterPage
from alert_bridge.account.deliveries import DestinationAccount
from alert_bridge.account.history import Page
from alert_bridge.account.life import Chapter
from alert_bridge.carried import Carried
from alert_bridge.errors import Invalid, Refused

_COUNTS = ("accepted", "delivered", "suppressed", "dead", "in_flight", "unaccounted", "possible_duplicates")


def history_answer(page: Page) -> dict[str, Any]:
    """A page of history, oldest first."""
    return {"alerts": [_stored(one) for one in page.alerts], "next": page.next, "more": page.more}


def alert_answer(one: Carried, life: Iterable[Chapter]) -> dict[str, Any]:
    """One alert, whole, with its life."""
    return {**_stored(one), "life": [_chapter(chapter) for chapter in life]}


def letters_answer(page: LetterPage) -> dict[str, Any]:
    """A page of dead letters, oldest first."""
    return {"letters": [_letter(letter) for letter in page.letters], "next": page.next, "more": page.more}


def account_answer(
    destinations: Iterable[DestinationAccount], received: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Every destination's account, their sums, and what this replica's receivers took since it started."""
    rows = [_account(one) for one in destinations]
    totals = {name: sum(_total(row[name]) for row in rows) for name in _COUNTS}
    return {"destinations": rows, "totals": totals, "received": received}


def destinations_answer(destinations: Iterable[DestinationAccount]) -> dict[str, Any]:
    """Every destination, and how it fares."""
    return {
        "destinations": [
            {**_standing(one), "in_flight": one.in_flight, "dead": sum(one.dead.values())}
            for one in destinations
        ]
    }


def refusal(error: Refused) -> dict[str, Any]:
    """Why a request was not answered as asked."""
    body: dict[str, Any] = {"error": str(error.outcome), "message": str(error)}
    if isinstance(error, Invalid):
        body["errors"] = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    return body


def time_text(at: datetime) -> str:
    """A time as contracts write it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _stored(one: Carried) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "stored_at": time_text(one.stored_at),
        "alert": orjson.Fragment(one.alert.to_json()),
    }


def _chapter(chapter: Chapter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "destination": chapter.destination,
        "state": str(chapter.fate),
        "reason": chapter.reason,
    }
    record = chapter.record
    if record is not None:
        told |= {
            "at": time_text(record.at),
            "attempts": record.attempts,
            "possible_duplicates": record.again or None,
            "remote_id": record.remote_id,
            "status": record.status,
            "route": record.route,
            "digest": record.digest or None,
            "detail": record.detail,
            "replays": record.replays or None,
        }
    return _said(told)


def _letter(letter: Letter) -> dict[str, Any]:
    said = letter.said
    told = {
        "seq": letter.seq,
        "at": time_text(letter.stored_at),
        "destination": said.destination,
        "reason": said.reason,
        "detail": said.detail,
        "status": said.status,
        "attempts": said.attempts,
        "first_attempt_at": None if said.first_attempt_at is None else time_text(said.first_attempt_at),
        "replays": said.replays,
        "sent_again": letter.again,
        "alert_id": said.alert_id,
        "alert_seq": said.seq,
        "alert": said.alert,
    }
    return _said(told)


def _standing(one: DestinationAccount) -> dict[str, Any]:
    told = {
        "name": one.name,
        "state": str(one.state),
        "why": one.why or None,
        "served_by": one.served_by or None,
    }
    return _said(told)


def _account(one: DestinationAccount) -> dict[str, Any]:
    return {
        **_standing(one),
        "accepted": one.accepted,
        "delivered": one.delivered,
        "suppressed": _by_name(one.suppressed),
        "dead": _by_name(one.dead),
        "in_flight": one.in_flight,
        "unaccounted": one.unaccounted,
        "possible_duplicates": one.possible_duplicates,
        "sent_again": _by_name(one.replayed),
    }


def _by_name(counts: Mapping[str, int]) -> dict[str, int]:
    """Reasons may be words of their own kind, which JSON does not take for names."""
    return {str(name): count for name, count in counts.items()}


def _total(count: int | Mapping[str, int]) -> int:
    return count if isinstance(count, int) else sum(count.values())


def _said(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is said; what has no value is left out."""
    return {name: value for name, value in told.items() if value is not None}
