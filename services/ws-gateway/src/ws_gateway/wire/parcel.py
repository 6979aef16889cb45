"""A ready frame on its way to clients, and what a client that lags must know about it. Pure."""

from __future__ import annotations

from typing import Self

from ws_gateway.event import Event


class Parcel(bytes):
    """One frame, shared by all who are sent it, that knows what it says.

    It is the bytes themselves, so that frames which wait are joined at the speed of plain ones; what it knows
    is kept in one tuple, since one is made for every message and read only for clients that lag.

    Attributes:
        born: when it was made, in seconds of the hub's clock.
        holders: how many backlogs it waits in.
        packed: the same frame made smaller, where somebody wanted it.
    """

    _about: tuple[str, int, str, bool] = ("", 0, "", False)
    born: float = 0.0
    holders: int = 0
    packed: bytes | None = None

    @property
    def stream(self) -> str:
        """The stream of the message it says; empty for what is no message, such as a gap."""
        return self._about[0]

    @property
    def seq(self) -> int:
        """The message's number in that stream."""
        return self._about[1]

    @property
    def subject(self) -> str:
        """The message's subject."""
        return self._about[2]

    @property
    def latest(self) -> bool:
        """Whether only the newest of its subject counts."""
        return self._about[3]

    @classmethod
    def of(cls, event: Event, frame: bytes, born: float, *, latest: bool) -> Self:
        """Make the parcel of *frame*, which says *event*; the event itself is not kept."""
        self = cls(frame)
        self.born = born
        self._about = (event.stream, event.seq, event.subject, latest)
        return self


class Books:
    """What all backlogs hold together, and what their clients were not given.

    Attributes:
        held: bytes that wait for any client; a frame that waits for many counts once.
        conflated: messages passed over for a newer one of their subject, summed over clients.
        skipped: messages dropped because a client fell behind, summed over clients.
    """

    __slots__ = ("conflated", "held", "skipped")

    def __init__(self) -> None:
        self.held = self.conflated = self.skipped = 0
