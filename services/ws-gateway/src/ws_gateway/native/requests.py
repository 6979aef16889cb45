"""What a client of the native protocol asks for, read from its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from baleen_contracts.catalogue import CATALOGUE, by_name
from baleen_filters import FieldType, Filter, FilterFlawed, compile_filter, fields_of
from ws_gateway.bus.heard import why_unheard
from ws_gateway.errors import Refusal
from ws_gateway.topics import flaw_of, is_wild, overlap

MAX_TOPICS: Final = 1_000
MAX_PATTERNS: Final = 64
"""Topics of a client that hold a wildcard; each is compared where a subject alone is looked up."""
MAX_FILTERS: Final = 8
"""Different filters of a client; each is a computation for every message that its topics mean."""
CROWDED_FILTERS: Final = "all clients together have as many different filters as they may; try again later"
_MAX_ID_LENGTH: Final = 128
_MAX_FILTER_LENGTH: Final = 1_000
_MAX_POSITIONS: Final = 64
_MAX_TOKEN_LENGTH: Final = 8_192
_MAX_ACTION_LENGTH: Final = 64
_MAX_INTEGER: Final = 2**53
_POSITION: Final = re.compile(r"([A-Z_]{1,32})\.([0-9a-f]{1,32})\.([0-9]{1,18})", re.ASCII)
_COMMAND: Final = re.compile(r"command\.v1\.session\.[^\s.*>]+")

FrameId = str | int | None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream: everything up to message *seq* of this *epoch* of it."""

    stream: str
    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.stream}.{self.epoch}.{self.seq}"


@dataclass(frozen=True)
class Subscribe:
    """Tell me of these topics, beginning with the present if *snapshot*, or after *since*."""

    topics: tuple[str, ...]
    snapshot: bool
    id: FrameId
    since: tuple[Position, ...] = ()
    filter: Filter | None = None


@dataclass(frozen=True)
class Unsubscribe:
    """Tell me no more of these topics."""

    topics: tuple[str, ...]
    id: FrameId


@dataclass(frozen=True)
class Auth:
    """Here is who I am."""

    token: str = field(repr=False)
    id: FrameId


@dataclass(frozen=True)
class Command:
    """Do something."""

    subject: str
    action: str
    data: dict[str, Any]
    id: FrameId


@dataclass(frozen=True)
class Ping:
    """Are you there?"""

    id: FrameId


@dataclass(frozen=True)
class Wrong:
    """The client said what cannot be obeyed."""

    refusal: Refusal
    message: str
    id: FrameId = None


Request = Subscribe | Unsubscribe | Auth | Command | Ping | Wrong


class _Flawed(Exception):  # noqa: N818 - never leaves this module
    """Ends the reading of a request that cannot be obeyed."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


def read(text: str) -> Request:
    """Return what a client asks for."""
    number: FrameId = None
    try:
        said = _object(text)
        number = _id(said)
        op = said.get("op")
        reader = _READERS.get(op) if isinstance(op, str) else None
        if reader is not None:
            return reader(said, number)
    except _Flawed as flawed:
        return Wrong(flawed.refusal, str(flawed), number)
    return Wrong(Refusal.UNKNOWN_OP, f"op is one of {', '.join(_READERS)}", number)


def excess_of(topics: Collection[str]) -> str | None:
    """Return what is too much about all the topics of a client, or None."""
    if len(topics) > MAX_TOPICS:
        return f"a client has at most {MAX_TOPICS} topics"
    if sum(is_wild(topic) for topic in topics) > MAX_PATTERNS:
        return f"a client has at most {MAX_PATTERNS} topics with a wildcard, beside single subjects"
    return None


def _subscribe(said: dict[str, Any], number: FrameId) -> Subscribe:
    topics = _topics(said)
    return Subscribe(
        topics, _flag(said, "snapshot", default=True), number, _since(said), _filter(said, topics)
    )


def _unsubscribe(said: dict[str, Any], number: FrameId) -> Unsubscribe:
    return Unsubscribe(_topics(said), number)


def _auth(said: dict[str, Any], number: FrameId) -> Auth:
    return Auth(_text(said, "token", _MAX_TOKEN_LENGTH), number)


def _command(said: dict[str, Any], number: FrameId) -> Command:
    subject, action = _text(said, "subject", 512), _text(said, "action", _MAX_ACTION_LENGTH)
    if _COMMAND.fullmatch(subject) is None or not subject.isprintable():
        raise _Flawed(Refusal.BAD_TOPIC, "subject is that of a session, such as command.v1.session.bt-7")
    data = said.get("data", {})
    if not isinstance(data, dict):
        raise _Flawed(Refusal.BAD_REQUEST, "data is an object")
    return Command(subject, action, data, number)


def _ping(_said: dict[str, Any], number: FrameId) -> Ping:
    return Ping(number)


_READERS: Final[dict[str, Callable[[dict[str, Any], FrameId], Request]]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "auth": _auth,
    "command": _command,
    "ping": _ping,
}


def _object(text: str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Flawed(Refusal.BAD_JSON, "the frame is no JSON") from None
    if not isinstance(said, dict):
        raise _Flawed(Refusal.BAD_JSON, "the frame is no JSON object")
    return said


def _id(said: dict[str, Any]) -> FrameId:
    number = said.get("id")
    if isinstance(number, str) and len(number) <= _MAX_ID_LENGTH:
        return number
    if number is None or (
        isinstance(number, int) and not isinstance(number, bool) and abs(number) <= _MAX_INTEGER
    ):
        return number
    raise _Flawed(
        Refusal.BAD_REQUEST, f"id is a whole number or a text of at most {_MAX_ID_LENGTH} characters"
    )


def _topics(said: dict[str, Any]) -> tuple[str, ...]:
    topics = said.get("topics")
    if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
        raise _Flawed(Refusal.BAD_REQUEST, "topics is a list of at least one text")
    excess = excess_of(topics)
    if excess is not None:
        raise _Flawed(Refusal.TOO_MANY, excess)
    for topic in topics:
        flaw = flaw_of(topic) or why_unheard(topic)
        if flaw is not None:
            raise _Flawed(Refusal.BAD_TOPIC, f"{topic[:80]!r}: {flaw}")
    return tuple(dict.fromkeys(topics))


def _since(said: dict[str, Any]) -> tuple[Position, ...]:
    """Return the newest position of each stream that is named."""
    given = said.get("since", [])
    if not isinstance(given, list) or len(given) > _MAX_POSITIONS:
        raise _Flawed(Refusal.BAD_REQUEST, f"since is a list of at most {_MAX_POSITIONS} positions")
    found: dict[str, Position] = {}
    for text in given:
        match = _POSITION.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise _Flawed(Refusal.BAD_POSITION, "since holds positions as the gateway gave them, in `at`")
        place = Position(match[1], match[2], int(match[3]))
        if place.stream in found:
            raise _Flawed(
                Refusal.BAD_POSITION, f"since holds two positions of {place.stream}: keep the newest"
            )
        found[place.stream] = place
    return tuple(found.values())


def _filter(said: dict[str, Any], topics: tuple[str, ...]) -> Filter | None:
    text = said.get("filter")
    if text is None:
        return None
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_FILTER_LENGTH:
        raise _Flawed(Refusal.BAD_FILTER, f"filter is a text of at most {_MAX_FILTER_LENGTH} characters")
    meant = frozenset(
        entity.name for entity in CATALOGUE if any(overlap(topic, entity.pattern) for topic in topics)
    )
    try:
        return compile_filter(text, _fields(meant))
    except FilterFlawed as flawed:
        raise _Flawed(Refusal.BAD_FILTER, str(flawed)) from None


@lru_cache(maxsize=256)
def _fields(entities: frozenset[str]) -> dict[str, FieldType]:
    return fields_of(by_name(name).model for name in sorted(entities))


def _text(said: dict[str, Any], name: str, longest: int) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise _Flawed(Refusal.BAD_REQUEST, f"{name} is a text of 1 to {longest} characters")
    return value


def _flag(said: dict[str, Any], name: str, *, default: bool) -> bool:
    value = said.get(name, default)
    if not isinstance(value, bool):
        raise _Flawed(Refusal.BAD_REQUEST, f"{name} is true or false")
    return value
