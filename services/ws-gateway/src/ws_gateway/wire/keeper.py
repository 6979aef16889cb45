"""Whoever owns wires: what a connection tells its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ws_gateway.errors import Refusal
    from ws_gateway.wire.parcel import Books, Parcel
    from ws_gateway.wire.wire import Wire


class Keeper(Protocol):
    """Hears what clients say, when they lag and when they end."""

    client_limit: int
    """How many bytes may wait for one client, snapshots aside."""
    frames_per_second: float
    """How many frames one client may send in the long run."""
    total_limit: int
    """How many bytes may wait for all clients together, snapshots aside."""
    now: Callable[[], float]
    """Seconds that never run backwards."""
    books: Books
    """What waits for all clients together."""
    pack: Callable[[Parcel], bytes]
    """Makes a frame smaller, once for all who agreed to it."""

    def heard(self, wire: Wire, text: str) -> None:
        """The client said *text*."""
        ...

    def refused(self, wire: Wire, refusal: Refusal) -> bytes:
        """The client sent what cannot be heard; return the frame that tells it."""
        ...

    def broken(self, wire: Wire, refusal: Refusal, standard: int) -> bytes:
        """The client broke the WebSocket protocol, which the standard answers with the close code *standard*.

        Returns:
            the last frames, the close frame included.
        """
        ...

    def conflated(self, session: Any, subject: str, count: int) -> bytes:
        """Return the frame that says that *count* messages of *subject* were passed over, if it is said."""
        ...

    def overflowed(self, wire: Wire) -> None:
        """More waits for the client than `client_limit`."""
        ...

    def crowded(self) -> None:
        """More waits for all clients than `total_limit`; may be told many times."""
        ...

    def drained(self, wire: Wire) -> None:
        """The client that fell behind has taken all that waited for it."""
        ...

    def parted(self, wire: Wire) -> None:
        """The client takes nothing more, though its connection may last a moment."""
        ...

    def lost(self, wire: Wire) -> None:
        """The connection ended."""
        ...
