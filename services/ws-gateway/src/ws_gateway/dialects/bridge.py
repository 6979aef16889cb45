"""The dialect of the Streamlit bridge: events of a process and changes of its state, each with a type. Pure.

Everything that is told carries `revision`, the number of the message in the bridge's one stream: what has a
greater one came later, whether event or state. What a client says is read into a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import token
from ws_gateway.dialects.bridge_state import read_update
from ws_gateway.dialects.timestamps import occurred, stamp
from ws_gateway.errors import Refusal
from ws_gateway.event import Event

ALL_EVENTS: Final = by_name("bridge_event").pattern
ALL_STATE: Final = by_name("bridge_state").pattern
EVERYTHING: Final = (ALL_EVENTS, ALL_STATE)
"""What a client hears until it subscribes to less."""
MAX_WISHES: Final = 200
"""Event types and paths that one client may name."""
MAX_TOPICS: Final = 1_000
"""A path counts as one more than its segments, since its parents are heard too."""
_MAX_LENGTH: Final = 300
_ANY: Final = "*"


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class RequestState:
    """Tell me the whole state."""


@dataclass(frozen=True)
class Subscribe:
    """From now on tell me only of these topics."""

    topics: tuple[str, ...]


@dataclass(frozen=True)
class Wrong:
    """The client said what cannot be obeyed."""

    refusal: Refusal
    message: str


Request = Ping | RequestState | Subscribe | Wrong


def read(text: str) -> Request:
    """Return what a client asks for."""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Wrong(Refusal.BAD_JSON, "the frame is no JSON")
    if not isinstance(said, dict):
        return Wrong(Refusal.BAD_JSON, "the frame is no JSON object")
    match said.get("type"):
        case "ping":
            return Ping()
        case "request_state":
            return RequestState()
        case "subscribe":
            return _subscribe(said)
        case _:
            return Wrong(Refusal.UNKNOWN_OP, "type is one of ping, request_state, subscribe")


def _subscribe(said: Mapping[str, Any]) -> Subscribe | Wrong:
    """Read a subscription: what it does not mention is wanted whole, an empty list means nothing."""
    events, paths = said.get("events"), said.get("paths")
    for name, wanted in (("events", events), ("paths", paths)):
        if wanted is not None and not _are_texts(wanted):
            rule = f"{name} is a list of texts of 1 to {_MAX_LENGTH} characters"
            return Wrong(Refusal.BAD_REQUEST, rule)
    if len(events or ()) + len(paths or ()) > MAX_WISHES:
        return Wrong(Refusal.TOO_MANY, f"a client names at most {MAX_WISHES} events and paths")
    try:
        topics = (*_of_events(events), *_of_paths(paths))
    except ValueError:
        return Wrong(Refusal.BAD_TOPIC, "a path is segments joined by dots, none of them empty")
    if len(topics) > MAX_TOPICS:
        return Wrong(Refusal.TOO_MANY, "so many paths have too many segments together")
    return Subscribe(tuple(dict.fromkeys(topics)))


def _are_texts(wanted: object) -> bool:
    return isinstance(wanted, list) and all(
        isinstance(text, str) and 0 < len(text) <= _MAX_LENGTH for text in wanted
    )


def _of_events(types: Sequence[str] | None) -> tuple[str, ...]:
    if types is None or _ANY in types:
        return (ALL_EVENTS,)
    return tuple(ALL_EVENTS.replace(_ANY, token(event_type)) for event_type in types)


def _of_paths(paths: Sequence[str] | None) -> tuple[str, ...]:
    """Return the topics of what changes at *paths*: there, below, and above, where a parent takes them along.

    Raises:
        ValueError: a path holds an empty segment.
    """
    if paths is None or _ANY in paths:
        return (ALL_STATE,)
    topics: list[str] = []
    root = ALL_STATE.removesuffix(">")
    for path in paths:
        tokens = [segment if segment == _ANY else token(segment) for segment in path.split(".")]
        topics += [root + ".".join(tokens[: place + 1]) for place in range(len(tokens))]
        topics.append(f"{root}{'.'.join(tokens)}.>")
    return tuple(topics)


class Bridge:
    """How clients of the bridge are spoken to."""

    name: ClassVar[str] = "bridge"
    seed: ClassVar[bool] = True

    def encode(self, event: Event) -> bytes | None:
        """Return the frame of an event or of a change of state.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        if event.entity == "bridge_event":
            return _event(event)
        if event.entity == "bridge_state":
            return _state_update(event)
        return None

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:
        """Return the answer to what needs no hub: pings and mistakes."""
        match read(text):
            case Ping():
                return (self.pong(now),)
            case Wrong(refusal, message):
                return (self.error(refusal.value, message, now),)
        return ()

    def pong(self, now: datetime) -> bytes:
        """Return the answer to a ping."""
        return orjson.dumps({"type": "pong", "timestamp": stamp(now)})

    def error(self, code: str, message: str, now: datetime) -> bytes:
        """Return a message of type `error`, which existing clients queue and pass over."""
        return orjson.dumps({"type": "error", "code": code, "message": message, "timestamp": stamp(now)})

    def gap(self, start: int, end: int, reason: str, now: datetime) -> bytes:
        """Return the message that announces revisions which will not come; a snapshot follows it."""
        told = {"type": "gap", "from": start, "to": end, "reason": reason, "timestamp": stamp(now)}
        return orjson.dumps(told)


def _event(event: Event) -> bytes:
    body = event.data
    return orjson.dumps(
        {
            "type": "event",
            "event_type": body["event_type"],
            "data": body.get("data", {}),
            "timestamp": occurred(body),
            "revision": event.seq,
        }
    )


def _state_update(event: Event) -> bytes:
    """Return a change of state; of what was deleted the new value is null, and `deleted` says so."""
    update = read_update(event)
    told: dict[str, Any] = {
        "type": "state_update",
        "path": update.path,
        "new_value": update.value,
        "old_value": event.data.get("old_value"),
        "timestamp": occurred(event.data),
        "revision": update.revision,
    }
    if update.deleted:
        told["deleted"] = True
    elif update.metadata:
        told["metadata"] = update.metadata
    return orjson.dumps(told)
