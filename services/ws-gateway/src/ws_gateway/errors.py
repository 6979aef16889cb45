"""What can go wrong between a client and the gateway, and what becomes of it.

GatewayError
├── Misused         stop: the gateway was assembled wrongly (a server without the hub's WebSocket protocol)
├── BusLost         stop: the connection to the bus ended for good; whoever restarts us may have better luck
├── CannotServe     stop: worker processes do not start, or do not last
└── KeysFlawed      retry: what should be keys cannot be used; those that were there before go on being used

Bad input from clients raises nothing: it is counted under a `Refusal`, answered, and the connection goes on
unless the WebSocket protocol itself was broken. `Farewell` says why the gateway ended a connection.
"""

from __future__ import annotations

from enum import StrEnum


class GatewayError(Exception):
    """Base of all errors of this package."""


class Misused(GatewayError):  # noqa: N818 - the condition is the name
    """The gateway was put together in a way that cannot work."""


class BusLost(GatewayError):  # noqa: N818 - the condition is the name
    """The connection to the bus ended for good."""

    def __init__(self) -> None:
        super().__init__("the connection to the bus ended for good")


class CannotServe(GatewayError):  # noqa: N818 - the condition is the name
    """Worker processes do not start, or do not last."""


class KeysFlawed(GatewayError):  # noqa: N818 - the condition is the name
    """What should be keys cannot be used."""


class Refusal(StrEnum):
    """Why something a client sent was not obeyed; also the `code` of the error frame it gets."""

    BINARY = "binary_not_supported"
    NOT_UTF8 = "invalid_utf8"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol_error"
    BAD_JSON = "bad_json"
    BAD_REQUEST = "bad_request"
    UNKNOWN_OP = "unknown_op"
    BAD_TOPIC = "bad_topic"
    TOO_MANY = "too_many_topics"
    TOO_OFTEN = "too_many_messages"
    FORBIDDEN = "forbidden"
    NOT_DONE = "not_done"
    BAD_FILTER = "bad_filter"
    BAD_POSITION = "bad_position"
    UNAUTHENTICATED = "unauthenticated"
    BUSY = "busy"


class Farewell(StrEnum):
    """Why the gateway ended a connection."""

    TOO_SLOW = "too_slow"
    SILENT = "no_pong"
    LEAVING = "leaving"
    BUSY = "busy"
    ORIGIN = "origin"
    BAD_FRAME = "bad_frame"
    BAD_REQUEST = "bad_request"
    TOO_OFTEN = "too_many_messages"
    UNAUTHENTICATED = "unauthenticated"
    EXPIRED = "token_expired"
    FORBIDDEN = "forbidden"
    CROWDED = "too_many_connections"
    KEYLESS = "keys_unavailable"
    FAILED = "internal_error"
    UNAUTHORIZED_SESSION = "unauthorized_session"
    BUS_AWAY = "bus_away"


class Untrusted(StrEnum):
    """Why a token was not believed, or nobody could be told by it."""

    MISSING = "missing"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    UNNAMED_KEY = "unnamed_key"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET = "not_yet_valid"
    TOO_LONG = "lasts_too_long"
    AUDIENCE = "audience"
    ISSUER = "issuer"
    CLAIMS = "claims"
    KEYS_AWAY = "keys_away"
    OTHER_SUBJECT = "other_subject"
    CROWDED = "too_many_connections"


class Behind(StrEnum):
    """Why the messages that waited for a slow client were dropped."""

    BYTES = "too_many_bytes"
    AGE = "too_old"
    CROWD = "too_many_slow_clients"


class Dropped(StrEnum):
    """Why a message of the bus was not shown."""

    UNKNOWN_SUBJECT = "unknown_subject"
    UNSAYABLE = "unsayable"


class Resumed(StrEnum):
    """How a client was told what it had missed."""

    FROM_MEMORY = "from_memory"
    FROM_STREAM = "from_stream"
    CAUGHT_UP = "caught_up"
