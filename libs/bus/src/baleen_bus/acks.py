"""What a stream's answer to a publish means. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from baleen_bus.errors import DropReason


class Stored(NamedTuple):
    """The stream has the message; ``duplicate``: had it already, from an earlier offer of its identity.

    A message that had to be sent more than once never counts as duplicate: its first attempt may be what the
    stream remembers.
    """

    stream: str
    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """The stream did not take it. Without ``drop`` it is to be sent again."""

    drop: DropReason | None
    detail: str


_TOO_BIG: Final = frozenset({10054, 10097, 10053})
_STILL_AT_IT: Final = 10158
"""An earlier copy of the message is on its way through the cluster; whether it gets there is open."""
_RETRY_CODES: Final = frozenset({408, 429})
_SERVER_TROUBLE: Final = 500
_UNREADABLE: Final = Refusal(None, "unreadable ack")


def plain_ack(inbox: str) -> Callable[[bytes, int], re.Match[bytes] | None]:
    """What finds, at a place of a chunk, an ack as nearly all are: first storage, and nothing else told.

    Its groups are what follows ``inbox`` in the subject, the stream, and the sequence. It saves two thirds of
    what reading the protocol, then the JSON would cost.
    """
    subject = re.escape(inbox.encode())
    return re.compile(rb'MSG %b(\d+) \d+ \d+\r\n\{"stream":"([A-Z_]+)", ?"seq":(\d+)\}\r\n' % subject).match


def judge(body: bytes, headers: bytes | None) -> Stored | Refusal:
    """Reads one ack. What the server may get over is to be retried; what is wrong with the message is not.

    No responders (503 in the status line) is retried: after a restart the stream listens a moment later
    than the server. A server's own trouble (5xx: no leader, no space) is retried as well.
    """
    if not body:
        status = "" if headers is None else headers[9:12].decode("ascii", "replace")
        return Refusal(None, f"status {status}")
    try:
        answer = orjson.loads(body)
        error = answer.get("error")
        if error is None:
            return Stored(answer["stream"], answer["seq"], answer.get("duplicate", False))
        return _refusal(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
    except (orjson.JSONDecodeError, KeyError, AttributeError):
        return _UNREADABLE


def _refusal(code: int, err_code: int, description: str) -> Refusal:
    detail = f"{code} {description} ({err_code})"
    if err_code in _TOO_BIG:
        return Refusal(DropReason.TOO_BIG, detail)
    if code >= _SERVER_TROUBLE or code in _RETRY_CODES or err_code == _STILL_AT_IT:
        return Refusal(None, detail)
    return Refusal(DropReason.REJECTED, detail)
