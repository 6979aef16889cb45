"""Spans of what this process does, and the ``traceparent`` that goes along with it.

Where no collector is named, nothing is recorded and no exporter is even imported; what a sender gave is
handed on all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, Self

from baleen_runtime.traceparent import TRACEPARENT

if TYPE_CHECKING:
    from types import TracebackType

Value = str | int | float | bool
"""What an attribute of a span may be."""

current: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)
"""The traceparent of what is being done now."""


class Kind(StrEnum):
    """Which side of a conversation a span tells of."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """One piece of work."""

    traceparent: str | None
    """By which others continue it; None where nobody traces."""

    def note(self, **attributes: Value | None) -> None:
        """Say more of it. A dot in a name is written as two underscores; None says nothing.

        No attribute holds a secret, a URL or what an alert says.
        """

    def fail(self, why: str) -> None:
        """It did not work, for a reason out of a short list."""


class Recorder(Protocol):
    """Keeps spans and exports them."""

    def span(
        self, name: str, kind: Kind, after: str | None, attributes: dict[str, Value | None]
    ) -> AbstractContextManager[Span]:
        """Record the block as one span, which continues *after* if there is one."""


class _HandedOn:
    """Stands for a span where none is recorded."""

    __slots__ = ("_token", "traceparent")

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent

    def __enter__(self) -> Self:
        self._token: Token[str | None] = current.set(self.traceparent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        current.reset(self._token)

    def note(self, **attributes: Value | None) -> None:
        """Nobody hears it."""

    def fail(self, why: str) -> None:
        """Nobody hears it."""


_recorder: Recorder | None = None


def recording() -> bool:
    """Whether spans are exported."""
    return _recorder is not None


def span(
    name: str, kind: Kind, *, after: str | None, **attributes: Value | None
) -> AbstractContextManager[Span]:
    """The block is one span, named *name*.

    Args:
        name: one of few; what tells one piece of work from another is an attribute.
        kind: the side of the conversation.
        after: the valid traceparent that it continues; None begins a trace.
        attributes: as `Span.note` takes them.
    """
    if _recorder is None:
        return _HandedOn(after)
    return _recorder.span(name, kind, after, attributes)


def headers() -> dict[str, str] | None:
    """What a request over HTTP or the bus carries along now; None for nothing."""
    traceparent = current.get()
    return None if traceparent is None else {TRACEPARENT: traceparent}


@contextmanager
def recorded_by(recorder: Recorder) -> Iterator[None]:
    """Record the spans of the block with *recorder*."""
    global _recorder  # noqa: PLW0603 - one process exports to one collector, as it has one log
    _recorder = recorder
    try:
        yield
    finally:
        _recorder = None
