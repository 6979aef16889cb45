"""What a source of frames is, and where it puts them. Pure.

A source is stepped with the present moment and emits (channel, ticker, record) for what has become due.
"""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Where records go."""

    def emit(self, channel: str, ticker: str | None, payload: bytes) -> None:
        """Tell everybody who joined *channel*, for all or for *ticker*."""
        ...

    def wants(self, channel: str, ticker: str | None = None) -> bool:
        """Tell whether anybody would hear a record of *channel* about *ticker*."""
        ...


class Source(Protocol):
    """Something that emits."""

    def step(self, now: float, sink: Sink) -> None:
        """Emit what is due at *now*, epoch seconds."""
        ...
