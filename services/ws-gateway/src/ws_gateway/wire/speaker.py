"""What is said to one client: ready frames out, at once or when its socket takes more.

A client whose socket is full is written to no longer: messages then wait in a backlog of its own, so that
nobody else pays for it. Once the socket has taken everything that waits, it is written to again with the
others; in between it stays on its lane, so that nothing is missed or said twice by the change.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ws_gateway.wire.backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ws_gateway.hub.pens import Pen
    from ws_gateway.wire.keeper import Keeper
    from ws_gateway.wire.parcel import Parcel

_PIECE: Final = 64 * 1024
"""Bytes of what waits that are joined and written at a time."""


class Speaker(asyncio.Protocol):
    """The half of a connection that is written to.

    Attributes:
        backlog: what waits.
        behind: whether messages that waited were dropped; it is given no more until it has read the rest.
        closing: whether nothing more is said.
        full_from: since when the socket takes no more, in seconds of the keeper's clock.
        lagging: whether what is said now has to wait.
        moved: whether the socket has taken anything since somebody last looked.
        pack: returns the smaller frame that the client agreed to read; None if it did not agree.
        pen: where the client stands, if it stands anywhere.
        session: the conversation.
        unsent: bytes that the transport held when somebody last looked.
    """

    __slots__ = (
        "_full",
        "backlog",
        "behind",
        "closing",
        "full_from",
        "keeper",
        "lagging",
        "moved",
        "pack",
        "pen",
        "session",
        "transport",
        "unsent",
        "write",
    )

    def __init__(self, keeper: Keeper, session: Any) -> None:
        self.keeper = keeper
        self.session = session
        self.transport: asyncio.Transport
        self.write: Callable[[bytes], object]
        self.backlog = Backlog(keeper.books)
        self.behind = self.closing = self.lagging = self.moved = self._full = False
        self.pen: Pen | None = None
        self.pack: Callable[[Parcel], bytes] | None = None
        self.full_from = 0.0
        self.unsent = 0

    def say(self, data: bytes) -> None:
        """Send ready frames that are no messages now, or after what already waits."""
        if self.closing:
            return
        if self.lagging:
            self.backlog.add(data)
            self._mind_the_limits()
        else:
            self.write(data)

    def give(self, parcels: Sequence[Parcel]) -> None:
        """Send messages now, or after what already waits."""
        if self.lagging:
            self.defer(parcels)
        elif parcels and not self.closing:
            self.write(b"".join(parcels if self.pack is None else map(self.pack, parcels)))

    def defer(self, parcels: Iterable[Parcel]) -> None:
        """Keep messages until the socket takes more."""
        if self.closing:
            return
        self.backlog.put(parcels)
        self._mind_the_limits()

    def show(self, frames: Iterable[bytes]) -> None:
        """Send a snapshot as fast as the client reads it, before all that is said later.

        However large, it is no sign of a slow client; what the client asks meanwhile is heard afterwards.
        """
        if self.closing:
            return
        self.backlog.show(frames)
        if not self.lagging:
            self._pour()

    def pause_writing(self) -> None:
        """The socket does not take more."""
        self._full = True
        self.full_from = self.keeper.now()
        self._lag(lagging=True)

    def resume_writing(self) -> None:
        """The socket took everything it was given."""
        self._full = False
        self.moved = True
        self._pour()

    def _pour(self) -> None:
        """Write what waits, piece by piece, until the socket is full."""
        backlog = self.backlog
        while backlog and not self._full and not self.closing:
            self.write(backlog.take(_PIECE, self._conflated, self.pack))
        self._lag(lagging=self._full or bool(backlog))
        if self.behind and not self.lagging and not self.closing:
            self.behind = False
            self._read_all()

    def _conflated(self, subject: str, count: int) -> bytes:
        return self.keeper.conflated(self.session, subject, count)

    def _read_all(self) -> None:
        """The client fell behind and has taken all that still waited for it."""
        raise NotImplementedError

    def _overflowed(self) -> None:
        """More waits for the client than may."""
        raise NotImplementedError

    def _lag(self, *, lagging: bool) -> None:
        if lagging is not self.lagging:
            self.lagging = lagging
            if self.pen is not None:
                self.pen.shuffle()

    def _mind_the_limits(self) -> None:
        keeper = self.keeper
        if self.backlog.live > keeper.client_limit:
            self._overflowed()
        if keeper.books.held > keeper.total_limit:
            keeper.crowded()
