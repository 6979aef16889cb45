"""What a client wants to hear: topics, each with or without a filter over the message. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ws_gateway.event import Event


class Filter(Protocol):
    """A condition on a message's body; equal conditions are equal and hash alike."""

    @property
    def text(self) -> str:
        """The condition in words, as it was understood."""
        ...

    def matches(self, data: Mapping[str, Any]) -> bool:
        """Return whether the body *data* meets the condition; never raises."""
        ...


class Wish(NamedTuple):
    """Messages of a topic, all of them or those that meet a condition."""

    topic: str
    filter: Filter | None = None


def plain(topics: Iterable[str]) -> frozenset[Wish]:
    """Return the wishes for all messages of *topics*."""
    return frozenset(Wish(topic) for topic in topics)


class Verdicts:
    """What filters say of one message; each is asked once, however many clients share it."""

    __slots__ = ("_data", "_known")

    def __init__(self, event: Event) -> None:
        self._known: dict[Filter, bool] = {}
        try:
            data = event.data
        except ValueError:
            data = None
        self._data: Mapping[str, Any] | None = data if isinstance(data, dict) else None

    @property
    def possible(self) -> bool:
        """Whether the message can be judged: its body is a JSON object."""
        return self._data is not None

    def any_of(self, filters: Iterable[Filter]) -> bool:
        """Return whether the message meets any of *filters*."""
        data, known = self._data, self._known
        if data is None:
            return False
        for wanted in filters:
            verdict = known.get(wanted)
            if verdict is None:
                verdict = known[wanted] = wanted.matches(data)
            if verdict:
                return True
        return False
