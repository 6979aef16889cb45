"""The conversation with upstream: events in, commands out.

Pure: no socket, no clock, no randomness. Time is an argument in monotonic seconds, and waiting is a value
(:meth:`FeedProtocol.wake_at`). Events are past tense, commands imperative, so that a test reads as a
transcript.

What the conversation must survive, all seen upstream: a join lost without an error, a join that a binary
frame would lose, an open socket that answers pings and says nothing, an answer that never comes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from uw_ingest.channels import Rhythm, kind_of

_DOUBLINGS = 8  # of the interval between repeats; a week of asking must not outgrow a float


@dataclass(frozen=True, slots=True)
class Opened:
    """A fresh socket is open; upstream has forgotten every join."""

    at: float


@dataclass(frozen=True, slots=True)
class JoinAnswered:
    """Upstream answered a join."""

    channel: str
    accepted: bool
    at: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Complained:
    """Upstream sent an error that names no channel."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class FramesReceived:
    """Data came: how many frames on which channel since the last such event."""

    counts: Mapping[str, int]
    at: float


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened; ``lively`` says whether the steady channels may be expected to speak."""

    at: float
    lively: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket is gone."""

    at: float


Event = Opened | JoinAnswered | Complained | FramesReceived | TimePassed | Closed


@dataclass(frozen=True, slots=True)
class SendText:
    """Send this as a TEXT frame; binary frames are dropped upstream in silence."""

    text: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the socket, for this reason."""

    reason: str


Command = SendText | Hangup


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    join_pace: float = 0.01  # between two joins
    answer_within: float = 30.0  # before a join is sent again
    answer_at_most: float = 300.0  # the interval between repeats doubles up to this
    unanswered_for: float = 75.0  # no answer and no data at all since the socket opened
    mute_after: float = 90.0  # every steady channel silent in market hours
    mute_at_most: float = 900.0  # it doubles each time the new socket is mute too


class Joined(StrEnum):
    """How far a channel's join has come."""

    WAITING = "waiting"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(slots=True)
class _Join:
    joined: Joined = Joined.WAITING
    asked_at: float = 0.0
    asked: int = 0
    ask_again_at: float = 0.0
    accepted_at: float = 0.0
    heard_at: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What is known about one channel's join, for the status page."""

    joined: Joined
    asked: int
    heard_at: float | None
    why: str


@dataclass(slots=True)
class FeedProtocol:
    """One upstream socket's conversation, over as many connections as it takes."""

    channels: Sequence[str]
    patience: Patience = field(default_factory=Patience)
    _joins: dict[str, _Join] = field(default_factory=dict)
    _open: bool = False
    _opened_at: float = 0.0
    _answered: bool = False
    _next_join_at: float = 0.0
    _heard_at: float | None = None
    _lively_since: float | None = None
    _mute_after: float = 0.0

    def __post_init__(self) -> None:
        """Nothing is joined before the first socket."""
        self._joins = {channel: _Join() for channel in self.channels}
        self._mute_after = self.patience.mute_after

    def handle(self, event: Event) -> list[Command]:
        """Take one event and say what to do now."""
        match event:
            case Opened():
                self._start(event.at)
            case JoinAnswered():
                self._note_answer(event)
            case Complained():
                self._answered = True
            case FramesReceived():
                self._note_frames(event)
            case TimePassed():
                self._note_liveliness(event)
            case Closed():
                self._open = False
                return []
        if not self._open:
            return []
        reason = self._hopeless(event.at)
        if reason:
            self._open = False
            return [Hangup(reason)]
        return self._joins_due(event.at)

    def wake_at(self) -> float | None:
        """Say when :class:`TimePassed` is wanted at the latest, or ``None`` while there is no socket."""
        if not self._open:
            return None
        dues = [self._next_join_at if j.joined is Joined.WAITING else j.ask_again_at for j in self._pending()]
        if not self._answered:
            dues.append(self._opened_at + self.patience.unanswered_for)
        if self._lively_since is not None and self._steady():
            dues.append(self._silent_since() + self._mute_after)
        return min(dues, default=None)

    def report(self) -> dict[str, JoinReport]:
        """Describe every wanted channel."""
        return {c: JoinReport(j.joined, j.asked, j.heard_at, j.why) for c, j in self._joins.items()}

    def _start(self, at: float) -> None:
        self._open, self._opened_at, self._answered = True, at, False
        self._next_join_at = at
        self._heard_at = None
        for channel, join in self._joins.items():
            self._joins[channel] = _Join(heard_at=join.heard_at)

    def _note_answer(self, event: JoinAnswered) -> None:
        self._answered = True
        join = self._joins.get(event.channel)
        if join is None:
            return
        join.why = event.why
        if event.accepted:
            join.joined, join.accepted_at = Joined.ACCEPTED, event.at
        else:
            join.joined = Joined.REFUSED
            join.ask_again_at = event.at + self.patience.answer_at_most

    def _note_frames(self, event: FramesReceived) -> None:
        self._answered = True
        self._heard_at = event.at
        self._mute_after = self.patience.mute_after
        for channel in event.counts:
            join = self._joins.get(channel)
            if join is not None:
                join.heard_at = event.at
                if join.joined is not Joined.ACCEPTED:  # data proves the join even if its answer was lost
                    join.joined, join.accepted_at = Joined.ACCEPTED, event.at

    def _note_liveliness(self, event: TimePassed) -> None:
        if not event.lively:
            self._lively_since = None
        elif self._lively_since is None:
            self._lively_since = event.at

    def _hopeless(self, at: float) -> str | None:
        """Say why this socket will never speak, if it will not."""
        if not self._answered and at - self._opened_at >= self.patience.unanswered_for:
            return "unanswered"
        if (
            self._lively_since is not None
            and self._steady()
            and at - self._silent_since() >= self._mute_after
        ):
            self._mute_after = min(self._mute_after * 2, self.patience.mute_at_most)
            return "mute"
        return None

    def _silent_since(self) -> float:
        return max(self._opened_at, self._lively_since or 0.0, self._heard_at or 0.0)

    def _steady(self) -> bool:
        return any(
            join.joined is Joined.ACCEPTED and kind_of(channel).rhythm is Rhythm.STEADY
            for channel, join in self._joins.items()
        )

    def _pending(self) -> list[_Join]:
        return [join for join in self._joins.values() if join.joined is not Joined.ACCEPTED]

    def _joins_due(self, at: float) -> list[Command]:
        """Send the next join, one per pace: the first ask of each channel before any repeat."""
        if at < self._next_join_at:
            return []
        for channel, join in self._joins.items():
            if join.joined is Joined.WAITING:
                return [self._ask(channel, join, at)]
        for channel, join in self._joins.items():
            if join.joined is not Joined.ACCEPTED and at >= join.ask_again_at:
                return [self._ask(channel, join, at)]
        return []

    def _ask(self, channel: str, join: _Join, at: float) -> SendText:
        doubled = self.patience.answer_within * 2 ** min(join.asked, _DOUBLINGS)
        wait = min(doubled, self.patience.answer_at_most)
        join.joined, join.asked_at, join.asked, join.ask_again_at = (
            Joined.ASKED,
            at,
            join.asked + 1,
            at + wait,
        )
        self._next_join_at = at + self.patience.join_pace
        return SendText(json.dumps({"channel": channel, "msg_type": "join"}, separators=(",", ":")))
