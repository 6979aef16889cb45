"""What a stream keeps of a session since it began; of a long one, what still says something."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from baleen_bus import Bus, Delivered, fetch_last, fetch_newest
from baleen_bus.reading import direct_get, fetch_after
from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import token
from ws_gateway.dialects.alphalab_story import BEGINS

STREAM: Final = str(by_name("session_event").stream)
MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 8 << 20
"""Of one replay; of a longer session the oldest events are left out."""
_PASSING: Final = ("price_update", "countdown_update", "ai_thinking", "indicator_readiness")
"""Kinds of which a long session's replay holds the newest only: each makes the one before obsolete."""
_MOST_KINDS: Final = 64
_SEQ: Final = attrgetter("seq")


@dataclass(frozen=True)
class Read:
    """What was read of a session, oldest first, and how many of its events were left out."""

    items: tuple[Delivered, ...]
    skipped: int


class Window:
    """The newest events of a session within bounds, and the one with which it began. Pure."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._first: Delivered | None = None
        self._rest: deque[Delivered] = deque()
        self._bytes = 0

    def add(self, item: Delivered) -> None:
        """Take in the next event; the session may begin anew with it."""
        if kind_of(item.subject) == BEGINS:
            self._first, self._bytes = item, 0
            self._rest.clear()
            return
        self._rest.append(item)
        self._bytes += len(item.body)
        most = self._most - (self._first is not None)
        while self._rest and (len(self._rest) > most or self._bytes > self._most_bytes):
            self._bytes -= len(self._rest.popleft().body)

    def items(self) -> tuple[Delivered, ...]:
        """Return what is kept, oldest first."""
        return (*(() if self._first is None else (self._first,)), *self._rest)


def kind_of(subject: str) -> str:
    """Return the token of the kind of event that travels on *subject*."""
    return subject.rpartition(".")[2]


async def read_past(bus: Bus, session_id: str) -> Read:
    """Read what is kept of a session since it last began.

    Raises:
        Unreachable, AccessRefused, ApiRefused: it cannot be read now.
    """
    prefix = f"session.v1.{token(session_id)}."
    begun = await fetch_last(bus, STREAM, prefix + BEGINS)
    floor = begun[0].seq - 1 if begun else 0
    total = await _count_after(bus, prefix + "*", floor)
    window = Window(MOST_EVENTS, MOST_BYTES)
    if total <= MOST_EVENTS:
        await fetch_after(bus, STREAM, prefix + "*", floor, window.add)
    else:
        for item in await _read_long(bus, prefix + "*", floor):
            window.add(item)
    items = window.items()
    return Read(items, max(0, total - len(items)))


async def _count_after(bus: Bus, pattern: str, seq: int) -> int:
    found: list[Delivered] = []
    request = {"seq": seq + 1, "next_by_subj": pattern, "batch": 1}
    end = await direct_get(bus, STREAM, request, found.append)
    return len(found) + end.pending


async def _read_long(bus: Bus, pattern: str, floor: int) -> Iterable[Delivered]:
    """Read the newest of every kind, and of what passes only the last."""
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{STREAM}", {"subjects_filter": pattern}, within=5.0)
    counts: dict[str, int] = info["state"].get("subjects") or {}
    found: list[Delivered] = []
    for subject, count in sorted(counts.items(), key=lambda one: -one[1])[:_MOST_KINDS]:
        wanted = 1 if kind_of(subject) in _PASSING else min(count, MOST_EVENTS)
        found += await fetch_newest(bus, STREAM, subject, wanted)
        found = sorted(found, key=_SEQ)[-2 * MOST_EVENTS :]
    return (item for item in found if item.seq > floor)
