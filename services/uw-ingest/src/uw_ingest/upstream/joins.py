"""What became of every join on one socket: waiting, asked, accepted, refused, lost, left.

Pure. Time is an argument in monotonic seconds. Frames leave one per pace: first those that leave a channel,
since they make room, then first asks, then repeats.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from uw_ingest.channels import Rhythm, kind_of, sure_to_speak

LIMIT_WORDS = "channel subscription limit"  # how upstream's complaint about one join too many is known
_DOUBLINGS = 8  # of the interval between repeats; a week of asking must not outgrow a float
_LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    join_pace: float = 0.01  # between two joins
    answer_within: float = 30.0  # before a join is sent again
    answer_at_most: float = 300.0  # the interval between repeats doubles up to this
    settle: float = 1.0  # between a leave and a new join, so that the leave's echo is not taken for an answer
    unanswered_for: float = 75.0  # no answer and no data at all since the first join
    mute_after: float = 90.0  # every steady channel silent in market hours
    mute_at_most: float = 900.0  # it doubles each time the new socket is mute too
    refused_after: float = 30.0  # mute from the start while another socket of ours flows


class Joined(StrEnum):
    """How far a channel's join has come."""

    WAITING = "waiting"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What is known about one channel's join, for the status page."""

    joined: Joined
    asked: int
    heard_at: float | None
    why: str


@dataclass(slots=True)
class _Join:
    joined: Joined = Joined.WAITING
    asked: int = 0  # times, on this socket
    ask_at: float = _LONG_AGO  # not before
    accepted_at: float = 0.0
    heard_at: float | None = None
    why: str = ""

    def words(self) -> str:
        lost = self.joined is Joined.ASKED and self.asked > 1
        return self.why or (f"never answered, asked {self.asked} times" if lost else "")


@dataclass(slots=True)
class Joins:
    """The joins of one socket, over as many connections as it takes.

    Attributes:
        full_at: how many joins upstream let this socket have, once it complained about one too many.
        first_asked_at: when the first join was sent on this connection.
    """

    patience: Patience
    full_at: int | None = None
    first_asked_at: float | None = None
    _joins: dict[str, _Join] = field(default_factory=dict)
    _leaving: dict[str, _Join] = field(default_factory=dict)
    _left_at: dict[str, float] = field(default_factory=dict)
    _next_at: float = 0.0

    def want(self, channels: Iterable[str]) -> None:
        """From now on want exactly these; what was asked for and is not wanted is left."""
        wanted = dict.fromkeys(channels)
        self._leaving |= {c: join for c, join in self._joins.items() if c not in wanted and join.asked}
        self._joins = {c: self._joins.get(c) or self._leaving.pop(c, None) or self._new(c) for c in wanted}

    def start(self, at: float) -> None:
        """A fresh socket: upstream has forgotten every join, and its own complaints."""
        self._joins = {c: _Join(heard_at=join.heard_at) for c, join in self._joins.items()}
        self._leaving, self._left_at = {}, {}
        self._next_at, self.first_asked_at, self.full_at = at, None, None

    def accept(self, channel: str, at: float) -> None:
        """Take a yes, or data, which proves a join whose answer was lost.

        Only what was asked for on this socket: the last frames of a channel that was left prove nothing.
        """
        join = self._joins.get(channel)
        if join is None or not join.asked or join.joined is Joined.ACCEPTED:
            return
        join.joined, join.accepted_at, join.why = Joined.ACCEPTED, at, ""
        if self.full_at is not None:  # an answer overtaken by the complaint
            self.full_at = max(self.full_at, len(self.accepted()))

    def refuse(self, channel: str, why: str, at: float) -> None:
        """Take a no; it is argued with rarely."""
        join = self._joins.get(channel)
        if join is not None and join.asked:
            join.joined, join.why, join.ask_at = Joined.REFUSED, why, at + self.patience.answer_at_most

    def fill_up(self, why: str) -> None:
        """Take the complaint that this is one join too many; it names no channel.

        Nothing more is asked for until something is left. A socket that complains before it accepted
        anything has no size to go by: it is asked again like one that does not answer.
        """
        taken = len(self.accepted())
        for join in self._joins.values():
            if join.joined is Joined.ASKED or (taken and join.joined is Joined.WAITING):
                join.why = why
            if join.joined is Joined.ASKED and taken:
                join.joined, join.ask_at = Joined.WAITING, _LONG_AGO
        self.full_at = taken or None

    def hear(self, channel: str, at: float) -> None:
        """Note that data came."""
        join = self._joins.get(channel)
        if join is not None:
            join.heard_at = at
            self.accept(channel, at)

    def due(self, at: float) -> str | None:
        """Return the next frame to send, if the pace allows one and there is one."""
        if at < self._next_at:
            return None
        for channel in self._leaving:
            return self._leave(channel, at)
        for state in (Joined.WAITING, Joined.REFUSED, Joined.ASKED):
            for channel, join in self._joins.items():
                if join.joined is state and at >= join.ask_at and (state is Joined.ASKED or self._room()):
                    return self._ask(channel, join, at)
        return None

    def wake_at(self) -> float | None:
        """Say when something will be due."""
        if self._leaving:
            return self._next_at
        room = self._room()
        dues = [
            max(join.ask_at, self._next_at)
            for join in self._joins.values()
            if join.joined is Joined.ASKED or (room and join.joined is not Joined.ACCEPTED)
        ]
        return min(dues, default=None)

    def accepted(self) -> tuple[str, ...]:
        """Return the channels that upstream accepted."""
        return tuple(c for c, join in self._joins.items() if join.joined is Joined.ACCEPTED)

    def steady_since(self) -> float | None:
        """Say since when a channel is joined that speaks every few seconds while its market is open."""
        return self._accepted_since(c for c in self.accepted() if kind_of(c).rhythm is Rhythm.STEADY)

    def sure_since(self) -> float | None:
        """Say since when a channel is joined that no half minute passes without."""
        return self._accepted_since(c for c in self.accepted() if sure_to_speak(c))

    def report(self) -> dict[str, JoinReport]:
        """Describe every wanted channel."""
        return {c: JoinReport(j.joined, j.asked, j.heard_at, j.words()) for c, j in self._joins.items()}

    def _new(self, channel: str) -> _Join:
        return _Join(ask_at=self._left_at.get(channel, _LONG_AGO) + self.patience.settle)

    def _accepted_since(self, channels: Iterable[str]) -> float | None:
        return min((self._joins[channel].accepted_at for channel in channels), default=None)

    def _room(self) -> bool:
        """Tell whether the socket may be asked for one more."""
        asked = sum(join.joined is Joined.ASKED for join in self._joins.values())
        return self.full_at is None or len(self.accepted()) + asked < self.full_at

    def _leave(self, channel: str, at: float) -> str:
        del self._leaving[channel]
        self._left_at = {c: t for c, t in self._left_at.items() if at - t < self.patience.settle}
        self._left_at[channel] = at
        return self._frame(channel, "leave", at)

    def _ask(self, channel: str, join: _Join, at: float) -> str:
        doubled = self.patience.answer_within * 2 ** min(join.asked, _DOUBLINGS)
        join.joined, join.asked = Joined.ASKED, join.asked + 1
        join.ask_at = at + min(doubled, self.patience.answer_at_most)
        if self.first_asked_at is None:
            self.first_asked_at = at
        return self._frame(channel, "join", at)

    def _frame(self, channel: str, word: str, at: float) -> str:
        self._next_at = at + self.patience.join_pace
        return json.dumps({"channel": channel, "msg_type": word}, separators=(",", ":"))
