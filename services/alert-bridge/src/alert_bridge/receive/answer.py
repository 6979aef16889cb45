"""What a sender is answered, in plain JSON; Discord's own words are in `discord_answers`. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from alert_bridge.errors import (
    AlertBridgeError,
    BusAway,
    Empty,
    Encoded,
    Invalid,
    NotAllowed,
    Refused,
    TooLarge,
    TooMany,
    TooSlow,
    UnknownWebhook,
    Unreadable,
)

RETRY_AFTER = 2
"""Seconds after which a sender should come back when the bus is away."""

STATUS: dict[type[AlertBridgeError], int] = {
    Unreadable: 400,
    Empty: 400,
    Invalid: 422,
    TooLarge: 413,
    TooSlow: 408,
    Encoded: 415,
    UnknownWebhook: 404,
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: a body of None is an empty one, a text is plain text, anything else JSON."""

    status: int
    body: dict[str, Any] | str | None
    headers: dict[str, str] = field(default_factory=dict)


def refusal(error: Refused | BusAway | TooMany) -> Answer:
    """Why an alert was not taken, and what its sender can do.

    Who sends too much is told 503 as if the bus were away, since most senders never repeat after 429.
    """
    body: dict[str, Any] = {"error": error.outcome, "message": str(error)}
    if isinstance(error, TooMany):
        return Answer(503, body, {"Retry-After": str(math.ceil(error.retry_after))})
    if isinstance(error, BusAway):
        return Answer(503, body, {"Retry-After": str(RETRY_AFTER)})
    if isinstance(error, NotAllowed):
        headers = {} if error.known else {"WWW-Authenticate": "Bearer"}
        return Answer(403 if error.known else 401, body, headers)
    if isinstance(error, Invalid):
        body["errors"] = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    return Answer(STATUS[type(error)], body)
