"""One message of the bus, as the gateway carries it from the listener to the lanes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import orjson

_OCCURRED_AT: Final = b'"occurred_at":'
_TIME: Final = re.compile(rb'"([0-9T:.+Z-]{10,40})"')
KEPT: Final = frozenset({"native", "native snapshot"})
"""The frames that a message keeps for those who come back; all others are made again when they are wanted."""

T = TypeVar("T")


class _Once(Generic[T]):
    """What is made of an event when first asked for, and then kept.

    As `functools.cached_property`, which before Python 3.12 takes a lock each time: that costs as much as
    reading a short body.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, event: Any, _owner: type) -> T:
        made = event.__dict__[self._name] = self._make(event)
        return made


@dataclass(eq=False)
class Event:
    """A message and its place; everything derived from it is made once, for every client.

    Attributes:
        subject: the public subject, such as `uw.v1.flow_alert.SPY`.
        entity: its name in the catalogue, such as `flow_alert`.
        stream: the stream that stores it.
        seq: its number in that stream.
        at: the position a client may resume from, `<stream>.<epoch>.<seq>`; opaque to clients.
        time: the publisher's `ce-time`, ISO-8601 UTC, where it was read; see `occurred_at`.
        body: the contract message as JSON, byte for byte as it travelled.
        source: the publisher's `ce-source`, such as `uw-ingest` or `uw-simulator`, where it was read.
        frames: per dialect name, the ready WebSocket frame, or None where the dialect does not show it.
    """

    subject: str
    entity: str
    stream: str
    seq: int
    at: str
    time: str | None
    body: bytes
    source: str | None = None
    frames: dict[str, bytes | None] = field(default_factory=dict, repr=False)

    def slim(self) -> None:
        """Forget what can be made again and takes several times the room of the message itself."""
        if self.time is None and "data" in self.__dict__:
            self.time = self.occurred_at or None
        self.__dict__.pop("data", None)
        if self.frames.keys() <= KEPT:
            return
        for name in [name for name, frame in self.frames.items() if frame is not None and name not in KEPT]:
            del self.frames[name]

    @_Once
    def data(self) -> Any:
        """The body, read; dialects must not change it, since they share it.

        Raises:
            orjson.JSONDecodeError: the body is no JSON.
        """
        return orjson.loads(self.body)

    @_Once
    def occurred_at(self) -> str:
        """When it happened, ISO-8601 UTC; a contract body says it as its header does. Empty if unknown."""
        if self.time is not None:
            return self.time
        data = self.__dict__.get("data")
        if data is not None:  # read already
            return _time_of(data)
        place = self.body.find(_OCCURRED_AT)
        if place >= 0 and self.body.find(_OCCURRED_AT, place + 1) < 0:  # told apart without reading it all
            start = place + len(_OCCURRED_AT)
            found = _TIME.match(self.body, start)
            if found is not None:
                self.time = found[1].decode()
                return self.time
        try:
            return _time_of(self.data)
        except ValueError:
            return ""


def _time_of(data: Any) -> str:
    said = data.get("occurred_at", "") if isinstance(data, dict) else ""
    return said if isinstance(said, str) else ""
