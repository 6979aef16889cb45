"""Who is due for a heartbeat: everybody once in so many turns, counted from when it came. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Beats(Generic[T]):
    """A wheel with a place for each turn; who comes stands where the wheel is."""

    def __init__(self, turns: int) -> None:
        """Make an empty wheel that is around after so many *turns*."""
        self._places: list[set[T]] = [set() for _ in range(turns)]
        self._here = 0

    def __len__(self) -> int:
        return sum(map(len, self._places))

    def __iter__(self) -> Iterator[T]:
        return iter([one for place in self._places for one in place])

    def join(self, one: T) -> None:
        """Let *one* be due after a whole round, and after every further one."""
        self._places[self._here].add(one)

    def turn(self, gone: Callable[[T], bool]) -> list[T]:
        """Turn on and return who is due; who is *gone* is forgotten."""
        self._here = (self._here + 1) % len(self._places)
        place = self._places[self._here]
        place -= {one for one in place if gone(one)}
        return list(place)
