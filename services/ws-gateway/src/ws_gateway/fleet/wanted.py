"""Which upstream topics the clients of this worker want, by reference count. Pure.

A lane is one set of wishes; its topics count once for it, however many clients stand in it. A topic that is
wanted no more lingers a while, so that a page that is loaded again changes nothing. First come, first served:
what is over the bound waits until a place is free, and a topic that only lingers gives its place up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from baleen_bus.errors import WishRefused
from baleen_bus.wish import check_topic
from ws_gateway.topics import is_wild, overlap

MOST: Final = 500
"""Topics that are wished for at a time; uw-ingest hears as many of one wisher."""
LINGER: Final = 5.0
"""Seconds for which a topic is wished for after the last client that wanted it."""

_UPSTREAM: Final = "uw.v1.>"
_NAMED: Final = 3
"""Tokens that name a kind of message: domain, version, kind."""


class LeftOut(StrEnum):
    """Why a topic that a client wants is not wished for."""

    NOT_UPSTREAM = "not_upstream"
    TOO_WIDE = "too_wide"
    MALFORMED = "malformed"
    TOO_MANY = "too_many"


def flaw_of(topic: str) -> LeftOut | None:
    """Return why *topic* is not to be wished for, None if it is.

    Topics that name no kind of message, such as `>`, mean what flows anyway: they would have upstream asked
    for everything it has.
    """
    if not overlap(topic, _UPSTREAM):
        return LeftOut.NOT_UPSTREAM
    if is_wild(".".join(topic.split(".")[:_NAMED])):
        return LeftOut.TOO_WIDE
    try:
        check_topic(topic)
    except WishRefused:
        return LeftOut.MALFORMED
    return None


class Wanted:
    """What is to be wished for."""

    def __init__(self, most: int = MOST, linger: float = LINGER) -> None:
        self._most = most
        self._linger = linger
        self._lanes: Counter[str] = Counter()
        self._wished: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._leaving: dict[str, float] = {}
        """When each topic that is wanted no more is not wished for either, soonest first."""

    def change(self, added: Iterable[str], removed: Iterable[str], now: float) -> bool:
        """Note that a lane came or went; return whether what is wished for may change by it."""
        changed = False
        for topic in added:
            if topic in self._lanes or flaw_of(topic) is None:
                self._lanes[topic] += 1
                if self._lanes[topic] == 1:
                    changed = True
                    if self._leaving.pop(topic, None) is None:
                        self._waiting[topic] = None
        for topic in removed:
            if topic in self._lanes:
                self._lanes[topic] -= 1
                if not self._lanes[topic]:
                    changed = True
                    del self._lanes[topic]
                    if topic in self._waiting:
                        del self._waiting[topic]
                    else:
                        self._leaving[topic] = now + self._linger
        return changed

    def settle(self, now: float) -> frozenset[str]:
        """Return what is to be wished for from *now* on."""
        for topic in [topic for topic, until in self._leaving.items() if until <= now]:
            self._drop(topic)
        while self._waiting:
            if len(self._wished) >= self._most:
                if not self._leaving:
                    break
                self._drop(next(iter(self._leaving)))
            topic = next(iter(self._waiting))
            del self._waiting[topic]
            self._wished[topic] = None
        return frozenset(self._wished)

    @property
    def due(self) -> float | None:
        """When to settle again though nothing changes; None: not at all."""
        return next(iter(self._leaving.values()), None)

    @property
    def wished(self) -> int:
        """How many topics are wished for."""
        return len(self._wished)

    @property
    def left_out(self) -> int:
        """How many topics wait because too many are wished for."""
        return len(self._waiting)

    def why_not(self, topic: str) -> LeftOut | None:
        """Return why a topic that a client wants is not wished for, None if it is."""
        return LeftOut.TOO_MANY if topic in self._waiting else flaw_of(topic)

    def _drop(self, topic: str) -> None:
        del self._leaving[topic]
        del self._wished[topic]
