"""Why an alert ended as it did, or waits: closed lists, the same in records, metrics and words. Pure."""

from enum import StrEnum


class Suppressed(StrEnum):
    """Why a destination was not told. Each is somebody's wish, none a failure."""

    NOT_ROUTED = "not_routed"
    """No route leads there."""
    MUTED = "muted"
    DUPLICATE = "duplicate"
    """The same by the keys that its route declares, within its time."""
    COOLDOWN = "cooldown"
    QUIET_HOURS = "quiet_hours"
    NOTHING_TO_CHANGE = "nothing_to_change"
    """It edits or deletes a message that this destination never got on its own."""
    WITHDRAWN = "withdrawn"
    """Its sender deleted it while it was held for later."""


class Dead(StrEnum):
    """Why a destination will not get it: the reason of its dead letter."""

    REJECTED = "rejected"
    """The destination does not take this message, however often it is sent."""
    TOO_OLD = "too_old"
    """Not delivered within the time the destination gives."""
    UNREADABLE = "unreadable"
    """What the stream has is no alert."""
    EXPIRED = "expired"
    """The stream let it go before it was delivered; the dead letter names the range."""
    UNKNOWN = "unknown"
    """Sent, never confirmed, and its destination wants at most one."""


class Wait(StrEnum):
    """Why an alert waits."""

    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    """No connection, or none in time before anything was sent."""
    NO_ANSWER = "no_answer"
    """Sent, and no answer came: it may have been taken."""
    SERVER_ERROR = "server_error"
    STOPPED = "stopped"
    """The destination said that it is gone or that we may not: an operator must act."""
    GROUPED = "grouped"
    QUIET_HOURS = "quiet_hours"
    """Kept until the quiet hours end."""
