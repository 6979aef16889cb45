"""What can go wrong on the bus, and what it means for the caller.

BusError
├── Unreachable        retry   no server, no JetStream or no answer within the deadline
├── OutboxFull         drop    the bounded outbox is full: count it, announce a gap
├── PublishRefused     drop    this one message can never be stored; ``reason`` says why
├── WishRefused        drop    a wish that nobody can serve; ``reason`` says why
├── Conflict           judge   somebody else wrote this key first, or nothing stands there any more
├── ApiRefused         judge   the server answered a JetStream request with an error; has its code
└── BusStopped         stop    nothing can go on without somebody's help
    ├── AccessRefused          wrong user, password or missing permission
    ├── ServerTooOld           the server's JetStream API level is below ours
    └── BusClosed              the connection or the publisher is closed
"""

from enum import StrEnum


class BusError(Exception):
    """Anything the bus refuses or cannot do."""


class Unreachable(BusError):  # noqa: N818 - the condition is the name, as everywhere below
    """Not now: no answer within the deadline. Trying again may help."""


class OutboxFull(BusError):  # noqa: N818
    """The outbox holds as much as it may; the message was not taken."""


class DropReason(StrEnum):
    """Why a message was given up after it had been taken."""

    TOO_BIG = "too_big"
    MALFORMED = "malformed"
    REJECTED = "rejected"
    DENIED = "denied"
    CLOSED = "closed"


class PublishRefused(BusError):  # noqa: N818
    """This message can never be stored, however often it is sent."""

    def __init__(self, reason: DropReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class WishReason(StrEnum):
    """Why a wish is not taken."""

    TOO_BIG = "too_big"
    MALFORMED_KEY = "malformed_key"
    MALFORMED_BODY = "malformed_body"
    MALFORMED_TOPIC = "malformed_topic"
    CONTRADICTORY = "contradictory"
    TOO_LONG = "too_long"
    TOO_MANY = "too_many"


class WishRefused(BusError):  # noqa: N818
    """What stands under a key of the demand is no wish that can be served."""

    def __init__(self, reason: WishReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class ApiRefused(BusError):  # noqa: N818
    """A JetStream request was answered with an error."""

    def __init__(self, subject: str, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{subject}: {code} {description} ({err_code})")
        self.code = code
        self.err_code = err_code


class Conflict(BusError):  # noqa: N818
    """The key does not hold the revision that was to be replaced: somebody was quicker."""


class BusStopped(BusError):  # noqa: N818
    """Nothing can go on without somebody's help; the service should end."""


class AccessRefused(BusStopped):
    """The server does not let this user in, or not do this."""


class ServerTooOld(BusStopped):
    """The server lacks what streams are built on."""


class BusClosed(BusStopped):
    """The connection or the publisher is closed."""
