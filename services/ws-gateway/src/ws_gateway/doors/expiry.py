"""Whose token ends when: who is to be warned, and who is to be closed. Pure; the time is handed in."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

C = TypeVar("C", bound=Hashable)


class Due(NamedTuple, Generic[C]):
    """Who is to be warned, with the seconds that are left, and whose token has ended."""

    warned: list[tuple[C, float]]
    ended: list[C]


class Expiries(Generic[C]):
    """The ends of all clients' tokens, sorted into seconds; as large as the clients are many.

    A second begins for all of its clients at once, so that nobody is served longer than its token lasts.
    """

    def __init__(self, warn_ahead: float) -> None:
        """Make an empty one that warns so many seconds ahead of an end, or at once where fewer are left."""
        self._warn_ahead = warn_ahead
        self._ends: dict[C, float] = {}
        self._second_of: dict[C, int] = {}
        self._seconds: dict[int, set[C]] = {}
        self._soonest: int | None = None
        """No later than the first second of all; earlier where its clients have left."""

    def __len__(self) -> int:
        return len(self._ends)

    def note(self, client: C, end: float) -> None:
        """Note that the token of *client* ends at *end* in Unix seconds, and not when it did before."""
        self.forget(client)
        self._ends[client] = end
        self._put(client, math.floor(end - self._warn_ahead))

    def forget(self, client: C) -> None:
        """Forget a client that left."""
        if self._ends.pop(client, None) is None:
            return
        second = self._second_of.pop(client)
        clients = self._seconds[second]
        clients.discard(client)
        if not clients:
            del self._seconds[second]

    def wait(self, now: float) -> float | None:
        """Return in how many seconds `due` should be asked, None while there is nobody."""
        return max(0.0, self._soonest - now) if self._ends and self._soonest is not None else None

    def due(self, now: float) -> Due[C]:
        """Return who is to be told something at *now*, each once; those whose token ended are forgotten."""
        told: Due[C] = Due([], [])
        for second in [second for second in self._seconds if second <= now]:
            for client in self._seconds.pop(second):
                end = self._ends[client]
                if math.floor(end) <= now:
                    del self._ends[client], self._second_of[client]
                    told.ended.append(client)
                else:
                    told.warned.append((client, end - now))
                    self._put(client, math.floor(end))
        self._soonest = min(self._seconds, default=None)
        return told

    def _put(self, client: C, second: int) -> None:
        self._second_of[client] = second
        self._seconds.setdefault(second, set()).add(client)
        if self._soonest is None or second < self._soonest:
            self._soonest = second
