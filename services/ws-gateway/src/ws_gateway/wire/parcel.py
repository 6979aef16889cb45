"""A ready frame on its way to clients, and what a client that lags must know about it. Pure."""

from __future__ import annotations

from ws_gateway.event import Event


class Parcel:
    """One frame, shared by all who are sent it.

    Attributes:
        frame: the ready frame.
        stream: the stream of the message it says; empty for what is no message, such as a gap.
        seq: the message's number in that stream.
        subject: the message's subject.
        latest: whether only the newest of its subject counts.
        born: when it was made, in seconds of the hub's clock.
        holders: how many backlogs it waits in.
    """

    __slots__ = ("born", "frame", "holders", "latest", "seq", "stream", "subject")

    def __init__(
        self, frame: bytes, born: float, event: Event | None = None, *, latest: bool = False
    ) -> None:
        """Make the parcel of *frame*, which says *event*; the event itself is not kept."""
        self.frame = frame
        self.born = born
        self.latest = latest
        self.holders = 0
        if event is None:
            self.stream = self.subject = ""
            self.seq = 0
        else:
            self.stream = event.stream
            self.seq = event.seq
            self.subject = event.subject


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
