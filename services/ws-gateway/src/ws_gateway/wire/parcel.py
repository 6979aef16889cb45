"""A ready frame on its way to clients, and what a client that lags must know about it. Pure."""

from __future__ import annotations

from typing import Self

from ws_gateway.event import Event


class Parcel(bytes):
    """One frame, shared by all who are sent it, that knows what it says.

    It is the bytes themselves, so that frames which wait are joined at the speed of plain ones.

    Attributes:
        stream: the stream of the message it says; empty for what is no message, such as a gap.
        seq: the message's number in that stream.
        subject: the message's subject.
        latest: whether only the newest of its subject counts.
        born: when it was made, in seconds of the hub's clock.
        holders: how many backlogs it waits in.
        packed: the same frame made smaller, where somebody wanted it.
    """

    born: float
    holders: int
    latest: bool
    packed: bytes | None
    seq: int
    stream: str
    subject: str

    def __new__(cls, frame: bytes, born: float, event: Event | None = None, *, latest: bool = False) -> Self:
        """Make the parcel of *frame*, which says *event*; the event itself is not kept."""
        self = super().__new__(cls, frame)
        self.born = born
        self.latest = latest
        self.holders = 0
        self.packed = None
        if event is None:
            self.stream = self.subject = ""
            self.seq = 0
        else:
            self.stream = event.stream
            self.seq = event.seq
            self.subject = event.subject
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
