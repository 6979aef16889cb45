"""Chance, handed in: what the market needs of `random.Random`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """A source of chance; a seeded one makes everything repeatable."""

    def random(self) -> float:
        """Return a number of [0, 1)."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """Return a number between *a* and *b*."""
        ...

    def gauss(self, mu: float, sigma: float) -> float:
        """Return a normally distributed number."""
        ...

    def lognormvariate(self, mu: float, sigma: float) -> float:
        """Return a number whose logarithm is normally distributed."""
        ...

    def expovariate(self, lambd: float) -> float:
        """Return an exponentially distributed number with mean ``1 / lambd``."""
        ...

    def randint(self, a: int, b: int) -> int:
        """Return a whole number from *a* to *b*, both included."""
        ...

    def choice(self, seq: Sequence[T]) -> T:
        """Return one of *seq*."""
        ...

    def choices(
        self,
        population: Sequence[T],
        weights: Sequence[float] | None = None,
        *,
        cum_weights: Sequence[float] | None = None,
        k: int = 1,
    ) -> list[T]:
        """Return *k* of *population*, with repetition."""
        ...

    def sample(self, population: Sequence[T], k: int) -> list[T]:
        """Return *k* different ones of *population*."""
        ...
