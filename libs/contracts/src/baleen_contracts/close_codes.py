"""Why the gateway closes a WebSocket, in codes that tell a client whether to come back. Pure.

Clients of the older routes know four codes of the standard; the native protocol has its own ranges, so that a
client obeys a code it has never seen: 4000-4099 come back at once, 4100-4199 later, 4400-4499 never.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Return(StrEnum):
    """Whether a client that was closed comes back.

    ``later``: after the time it was told, else with growing pauses; ``never``: not before a change.
    """

    AT_ONCE = "at once"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One code: its name, where it is spoken, whether to come back, and what it means."""

    code: int
    name: str
    spoken: str
    comes_back: Return
    meaning: str


_OLDER: Final = "older routes"
_NATIVE: Final = "native protocol"

CLOSE_CODES: Final[tuple[CloseCode, ...]] = (
    CloseCode(
        1008, "policy", _OLDER, Return.NEVER, "What the client asked for is not allowed or does not exist."
    ),
    CloseCode(1011, "internal_error", _OLDER, Return.LATER, "The gateway failed."),
    CloseCode(1012, "leaving", _OLDER, Return.AT_ONCE, "The gateway restarts; another one is there."),
    CloseCode(1013, "try_later", _OLDER, Return.LATER, "The client read too slowly, or the gateway is busy."),
    CloseCode(
        4000, "leaving", _NATIVE, Return.AT_ONCE, "The gateway restarts; a drain frame said when to return."
    ),
    CloseCode(4001, "internal_error", _NATIVE, Return.AT_ONCE, "The gateway failed at this connection only."),
    CloseCode(4002, "no_pong", _NATIVE, Return.AT_ONCE, "The client answered no ping."),
    CloseCode(4100, "too_slow", _NATIVE, Return.LATER, "The client read too slowly and made no progress."),
    CloseCode(4101, "busy", _NATIVE, Return.LATER, "The gateway can take in nobody at the moment."),
    CloseCode(4102, "too_many_messages", _NATIVE, Return.LATER, "The client said more than its rate allows."),
    CloseCode(
        4103,
        "too_many_connections",
        _NATIVE,
        Return.LATER,
        "The address or the subject has as many connections as it may.",
    ),
    CloseCode(
        4400, "bad_frame", _NATIVE, Return.NEVER, "The client broke the protocol or sent too large a frame."
    ),
    CloseCode(4401, "unauthenticated", _NATIVE, Return.NEVER, "The token is missing, wrong or expired."),
    CloseCode(4403, "forbidden", _NATIVE, Return.NEVER, "The origin or the token does not allow this."),
)


RANGES: Final = (
    (range(4000, 4100), Return.AT_ONCE),
    (range(4100, 4200), Return.LATER),
    (range(4400, 4500), Return.NEVER),
)
"""What a native code means that the client has never seen."""


def comes_back(code: int) -> Return:
    """Whether a client comes back after any code, known or not; codes of strangers mean later."""
    for codes, answer in RANGES:
        if code in codes:
            return answer
    return next((entry.comes_back for entry in CLOSE_CODES if entry.code == code), Return.LATER)


def code_of(name: str, *, native: bool) -> int:
    """The code of that name on the native protocol or on the older routes.

    Raises:
        KeyError: it is not spoken there.
    """
    spoken = _NATIVE if native else _OLDER
    for entry in CLOSE_CODES:
        if (entry.name, entry.spoken) == (name, spoken):
            return entry.code
    raise KeyError(f"no close code {name!r} on the {spoken}")
