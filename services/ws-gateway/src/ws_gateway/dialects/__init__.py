"""Dialects: how each kind of client wants to be spoken to.

A dialect is pure: no clock, socket or environment; time is handed in. It turns a bus message into the text of
one frame, once for everyone, and answers what a client says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ws_gateway.event import Event


class Dialect(Protocol):
    """One way to say bus messages to a client."""

    @property
    def name(self) -> str:
        """A word unique among the dialects; equal names must encode equally, since they share frames."""
        ...

    @property
    def seed(self) -> bool:
        """Whether clients know only the close codes 1008, 1011, 1012 and 1013."""
        ...

    def encode(self, event: Event) -> bytes | None:
        """Return the JSON text of the frame for *event*, or None if this dialect does not show it.

        Raises:
            ValueError, KeyError, TypeError: the message cannot be said; it is counted and nobody gets it.
        """
        ...

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:
        """Return the JSON texts that answer *text*, said by a client at *now*; empty where none is due."""
        ...

    def error(self, code: str, message: str, now: datetime) -> bytes:
        """Return the JSON text that tells a client what is wrong, for instance just before it is closed."""
        ...
