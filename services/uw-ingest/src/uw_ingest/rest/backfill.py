"""Which gaps can be filled over REST, page by page, and how much of each came back.

Pure. A feed's REST twin tells its newest rows first. Flow alerts have a cursor, the time at which upstream
recorded them; off-exchange prints have none, so only what still stands on the first page comes back.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from baleen_contracts import Message
from baleen_contracts.feed import FeedGap, GapReason
from baleen_contracts.flow_alert import FlowAlert

ROWS = 200  # of one page, at most
NEWEST = timedelta(hours=1)  # gaps that ended longer ago are left
AT_MOST = 200  # gaps that wait
TRIES = 5  # of one gap
DOUBTS = 3  # how often REST is not believed that nothing happened since a gap began
LAGS = timedelta(minutes=10)  # how long after an outage REST may yet be behind
_SECOND = timedelta(seconds=1)
_FILLED_ELSEWHERE = frozenset({GapReason.BACKFILLED, GapReason.REFUSED})


@dataclass(frozen=True, slots=True)
class Twin:
    """The REST twin of a feed of the socket.

    Args:
        endpoint: its path below ``/api/``.
        pages: how many to ask for at most.
        margin: by how much a row's own time may differ from when it should have been received.
    """

    endpoint: str
    pages: int
    margin: timedelta


TWINS = {
    "flow_alert": Twin("option-trades/flow-alerts", 25, timedelta(seconds=30)),
    "dark_pool": Twin("darkpool/recent", 1, timedelta(seconds=10)),
}


def time_of(message: Message) -> datetime:
    """Return when upstream began to tell a row; an alert may be recorded minutes after what it is about."""
    if isinstance(message, FlowAlert) and message.recorded_at is not None:
        return message.recorded_at
    return message.occurred_at


@dataclass(slots=True)
class Search:
    """What a feed's REST twin has of a gap."""

    gap: FeedGap
    rows: dict[str, Message] = field(default_factory=dict)
    asked: int = 0
    over: bool = False
    whole: bool = False  # the twin reached back to the gap's beginning
    oldest: datetime | None = None
    newest: datetime | None = None
    _cursor: int | None = None

    @property
    def twin(self) -> Twin:
        """The feed's twin."""
        return TWINS[self.gap.feed]

    def params(self) -> dict[str, str | int]:
        """Return what the next page is asked with."""
        if self.gap.feed != "flow_alert":
            return {"limit": ROWS}
        if self._cursor is None:
            self._cursor = math.ceil((self.gap.ended_at + self.twin.margin).timestamp())
        return {"limit": ROWS, "older_than": self._cursor}  # epoch seconds: an ISO time is ignored

    def take(self, messages: Iterable[Message], rows: int) -> None:
        """Take a page's messages; ``rows`` is how many rows it had, refused ones too."""
        self.asked += 1
        begins, ends = self.gap.started_at - self.twin.margin, self.gap.ended_at + self.twin.margin
        for message in messages:
            at = time_of(message)
            self.oldest = at if self.oldest is None else min(self.oldest, at)
            self.newest = at if self.newest is None else max(self.newest, at)
            if begins <= at <= ends:
                self.rows[message.message_id] = message
        self.whole = rows < ROWS or (self.oldest is not None and self.oldest < begins)
        self.over = self.whole or self.asked >= self.twin.pages
        if self._cursor is not None and self.oldest is not None:
            # The cursor is inclusive: a page overlaps, and one second may hold more than a page.
            self._cursor = min(math.ceil(self.oldest.timestamp()), self._cursor - 1)

    def doubtful(self) -> bool:
        """Tell whether the twin shows nothing since the gap began: it may be behind, as after an outage."""
        return self.newest is None or self.newest < self.gap.started_at

    def covered_from(self) -> datetime | None:
        """Return from when on nothing is missing, or ``None`` if the twin did not reach the gap."""
        if self.whole:
            return self.gap.started_at
        if self.oldest is None:
            return None
        begins = max(self.oldest.replace(microsecond=0) + _SECOND, self.gap.started_at)
        return begins if begins < self.gap.ended_at else None

    def missing(self, known: Iterable[str]) -> list[Message]:
        """Return what the stream has not got, in time order."""
        known = frozenset(known)
        lacking = [message for message_id, message in self.rows.items() if message_id not in known]
        return sorted(lacking, key=lambda message: (time_of(message), message.message_id))

    def filled(self, published: int, now: datetime) -> FeedGap | None:
        """Return the announcement that takes the gap back, or the part of it that the twin reached."""
        begins = self.covered_from()
        if begins is None:
            return None
        words = f"{published} of {len(self.rows)} rows from REST"
        if begins > self.gap.started_at:
            words += f"; it reaches back to {begins.astimezone(UTC).isoformat(timespec='seconds')}"
        return self.gap.model_copy(
            update={
                "occurred_at": now,
                "received_at": now,
                "started_at": begins,
                "reason": GapReason.BACKFILLED,
                "lost": None,
                "detail": words,
                "before_id": self.gap.before_id if begins == self.gap.started_at else None,
            }
        )


@dataclass(slots=True)
class _Waiting:
    gap: FeedGap
    due_at: float
    tried: int = 0
    doubted: int = 0


@dataclass(slots=True)
class Backlog:
    """The gaps that wait to be filled, oldest first. ``at`` is monotonic seconds."""

    waiting: list[_Waiting] = field(default_factory=list)
    given_up: int = 0

    def add(self, gap: FeedGap, now: datetime, at: float) -> None:
        """Take a gap that can be filled; one that says it was, takes an earlier one away."""
        if gap.feed not in TWINS:
            return
        if gap.reason == GapReason.BACKFILLED:
            self.waiting = [waiting for waiting in self.waiting if not _fills(gap, waiting.gap)]
        elif gap.reason not in _FILLED_ELSEWHERE and now - gap.ended_at < NEWEST:
            if len(self.waiting) >= AT_MOST:
                self.given_up += 1
                self.waiting.pop(0)
            self.waiting.append(_Waiting(gap, at))

    def next(self, at: float) -> FeedGap | None:
        """Return a gap whose turn it is, without taking it away."""
        return next((waiting.gap for waiting in self.waiting if waiting.due_at <= at), None)

    def wait(self, at: float) -> float | None:
        """Return the seconds until a gap's turn; ``None`` while there is none."""
        return max(min(waiting.due_at for waiting in self.waiting) - at, 0.0) if self.waiting else None

    def done(self, gap: FeedGap) -> None:
        """Take a gap away."""
        self.waiting = [waiting for waiting in self.waiting if waiting.gap is not gap]

    def later(self, gap: FeedGap, at: float, seconds: float, *, counts: bool) -> bool:
        """Try a gap again after some seconds; ``False`` if that was tried often enough."""
        for waiting in self.waiting:
            if waiting.gap is gap:
                waiting.due_at = at + seconds
                waiting.tried += counts
                if waiting.tried >= TRIES:
                    self.given_up += 1
                    self.done(gap)
                    return False
        return True

    def doubt(self, gap: FeedGap, now: datetime, at: float, seconds: float) -> bool:
        """Look again after some seconds for what REST does not show; ``False`` if it is to be believed."""
        for waiting in self.waiting:
            if waiting.gap is gap and waiting.doubted < DOUBTS and now - gap.ended_at < LAGS:
                waiting.doubted += 1
                waiting.due_at = at + seconds
                return True
        return False

    def drop(self, feed: str) -> None:
        """Give all gaps of a feed up."""
        kept = [waiting for waiting in self.waiting if waiting.gap.feed != feed]
        self.given_up += len(self.waiting) - len(kept)
        self.waiting = kept


def _fills(filled: FeedGap, gap: FeedGap) -> bool:
    """Tell whether an announcement is about this gap; it may reach back to a part of it only."""
    return filled.feed == gap.feed and filled.ended_at == gap.ended_at and filled.started_at >= gap.started_at
