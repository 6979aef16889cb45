"""What can keep an alert from the bus, and what the sender should do.

AlertBridgeError
├── SourcesUnreadable  stop: the file of sources is wrong; the message names it and the cure
├── RulesUnreadable    stop, or keep the old ones: the rules file is wrong; ``problems`` has every line
├── SpoolUnusable      stop: the file of the spool cannot be used; the message names it and the cure
├── StillServed        stop: what is to be forgotten is in the rules of a running bridge
├── BusAway            retry: the alert could not be stored in time
│   ├── SpoolFull      nor kept on this disk: the spool holds as much as it may
│   └── SpoolFailed    nor kept on this disk: the disk did not take it
├── TooMany            retry: its source has sent as much as it may; ``retry_after`` says when
└── Refused            drop: this request is never accepted; ``outcome`` says why
    ├── Unreadable     the body cannot be read at all
    ├── Encoded        it is compressed
    ├── TooSlow        it did not end in time
    ├── Invalid        fields are wrong; ``problems`` names each
    ├── Empty          a message that says nothing
    ├── TooLarge       the body is over the limit
    ├── NotAllowed     no credential, a wrong one, or one for somebody else
    ├── UnknownWebhook no webhook has this id and token
    └── UnknownMessage this webhook has no such message
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from baleen_runtime.errors import BaleenRuntimeError


class Outcome(StrEnum):
    """How a request ended; a closed list, and a metric label."""

    STORED = "stored"
    SPOOLED = "spooled"
    DUPLICATE = "duplicate"
    UNAVAILABLE = "unavailable"
    SPOOL_FULL = "spool_full"
    SPOOL_FAILED = "spool_failed"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_WEBHOOK = "unknown_webhook"
    UNKNOWN_MESSAGE = "unknown_message"
    ENCODED = "encoded"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    READ = "read"
    MISDIRECTED = "misdirected"
    FAILED = "failed"


@dataclass(frozen=True)
class Problem:
    """One field and what is wrong with it; never the value."""

    field: str
    message: str


class AlertBridgeError(BaleenRuntimeError):
    """Base of all errors of this package."""


class SourcesUnreadable(AlertBridgeError):  # noqa: N818 - the condition is the name, as everywhere below
    """The file of sources cannot be used."""


class RulesUnreadable(AlertBridgeError):  # noqa: N818
    """The rules file cannot be used. ``problems`` has everything that is wrong, with file, line and path."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class SpoolUnusable(AlertBridgeError):  # noqa: N818
    """The file of the spool cannot be used as it is; nothing in it was changed."""


class StillServed(AlertBridgeError):  # noqa: N818
    """A replica sends to the destination that is to be forgotten."""


class BusAway(AlertBridgeError):  # noqa: N818
    """The bus did not confirm the alert in time. It may still get there: a repeat needs the same id."""

    outcome = Outcome.UNAVAILABLE


class SpoolFull(BusAway):
    """The bus is away, and what is kept for it on this disk has reached its bound."""

    outcome = Outcome.SPOOL_FULL


class SpoolFailed(BusAway):
    """The bus is away, and the disk did not take the alert."""

    outcome = Outcome.SPOOL_FAILED


class TooMany(AlertBridgeError):  # noqa: N818
    """A source sends more than its limit."""

    outcome = Outcome.RATE_LIMITED

    def __init__(self, retry_after: float, requests: int) -> None:
        self.retry_after = retry_after
        """Seconds until its next request may come."""
        self.requests = requests
        """How many its limit lets through at once."""
        super().__init__("this source has sent as much as it may; come back later")


class Refused(AlertBridgeError):  # noqa: N818
    """The request is not accepted, however often it is sent."""

    outcome: Outcome


class Unreadable(Refused):
    """The body is not what its dialect speaks."""

    outcome = Outcome.UNREADABLE


class Invalid(Refused):
    """Fields are missing or wrong."""

    outcome = Outcome.INVALID

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


class Empty(Refused):
    """Nothing to say."""

    outcome = Outcome.EMPTY


class TooLarge(Refused):
    """More bytes than are taken."""

    outcome = Outcome.TOO_LARGE


class NotAllowed(Refused):
    """Who asks may not. ``known`` tells a wrong wish (403) from a missing or wrong credential (401)."""

    outcome = Outcome.NOT_ALLOWED

    def __init__(self, message: str, *, known: bool = False) -> None:
        self.known = known
        super().__init__(message)


class Encoded(Refused):
    """The body is compressed: how large it is cannot be told before it is."""

    outcome = Outcome.ENCODED


class TooSlow(Refused):
    """The body did not end in time."""

    outcome = Outcome.TOO_SLOW


class UnknownWebhook(Refused):
    """No such webhook; a wrong token is told apart from a wrong id by nobody."""

    outcome = Outcome.UNKNOWN_WEBHOOK


class UnknownMessage(Refused):
    """No such message, or not this webhook's, or deleted."""

    outcome = Outcome.UNKNOWN_MESSAGE
