"""The conversation with upstream: events in, commands out.

Pure: no socket, no clock, no randomness. Time is an argument in monotonic seconds, and waiting is a value
(:meth:`FeedProtocol.wake_at`). Events are past tense, commands imperative, so that a test reads as a
transcript. What became of each join is kept by :mod:`uw_ingest.upstream.joins`.

What the conversation must survive, all seen upstream: a join lost without an error, a join that a binary
frame would lose, an open socket that answers pings and says nothing, an answer that never comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uw_ingest.upstream.joins import LIMIT_WORDS, Joined, JoinReport, Joins, Patience

__all__ = [
    "REFUSED_IN_SILENCE",
    "Closed",
    "Command",
    "Complained",
    "Event",
    "FeedProtocol",
    "FramesReceived",
    "Hangup",
    "JoinAnswered",
    "JoinReport",
    "Joined",
    "Opened",
    "Patience",
    "SendText",
    "TimePassed",
    "Wanted",
]

REFUSED_IN_SILENCE = "refused in silence"
"""Why a socket is hung up that never spoke while another of ours flows: upstream sells no second one."""


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
    """Nothing else happened.

    ``lively`` says whether the steady channels may be expected to speak, ``siblings_flow`` whether data
    flows on another socket of ours.
    """

    at: float
    lively: bool = False
    siblings_flow: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """From now on exactly these channels are wanted."""

    channels: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket is gone."""

    at: float


Event = Opened | JoinAnswered | Complained | FramesReceived | TimePassed | Wanted | Closed


@dataclass(frozen=True, slots=True)
class SendText:
    """Send this as a TEXT frame; binary frames are dropped upstream in silence."""

    text: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the socket, for this reason."""

    reason: str


Command = SendText | Hangup


@dataclass(slots=True)
class FeedProtocol:
    """One upstream socket's conversation, over as many connections as it takes."""

    channels: Sequence[str]
    patience: Patience = field(default_factory=Patience)
    _joins: Joins = field(init=False)
    _open: bool = False
    _opened_at: float = 0.0
    _answered: bool = False
    _heard_at: float | None = None  # on this connection
    _lively_since: float | None = None
    _siblings_since: float | None = None
    _mute_after: float = 0.0

    def __post_init__(self) -> None:
        """Nothing is joined before the first socket."""
        self._joins = Joins(self.patience)
        self._joins.want(self.channels)
        self._mute_after = self.patience.mute_after

    def handle(self, event: Event) -> list[Command]:
        """Take one event and say what to do now."""
        match event:
            case Opened():
                self._start(event.at)
            case JoinAnswered():
                self._note_answer(event)
            case Complained():
                self._note_complaint(event)
            case FramesReceived():
                self._note_frames(event)
            case TimePassed():
                self._lively_since = _since(self._lively_since, event.at, goes_on=event.lively)
                self._siblings_since = _since(self._siblings_since, event.at, goes_on=event.siblings_flow)
            case Wanted():
                self.channels = event.channels
                self._joins.want(event.channels)
            case Closed():
                self._open = False
        if not self._open:
            return []
        reason = self._hopeless(event.at)
        if reason:
            self._open = False
            return [Hangup(reason)]
        text = self._joins.due(event.at)
        return [] if text is None else [SendText(text)]

    def wake_at(self) -> float | None:
        """Say when :class:`TimePassed` is wanted at the latest, or ``None`` while there is nothing to do."""
        if not self._open:
            return None
        moments = (self._joins.wake_at(), self._unanswered_at(), self._mute_at(), self._refused_at())
        return min((moment for moment in moments if moment is not None), default=None)

    def report(self) -> dict[str, JoinReport]:
        """Describe every wanted channel."""
        return self._joins.report()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The channels that upstream accepted on the open socket; none while there is no socket."""
        return self._joins.accepted() if self._open else ()

    @property
    def full_at(self) -> int | None:
        """How many joins this socket holds, once upstream complained about one too many."""
        return self._joins.full_at

    @property
    def mute_before(self) -> bool:
        """Whether the socket before this one was given up as mute, and nothing was heard since."""
        return self._mute_after > self.patience.mute_after

    def _start(self, at: float) -> None:
        self._open, self._opened_at, self._answered, self._heard_at = True, at, False, None
        self._joins.start(at)

    def _note_answer(self, event: JoinAnswered) -> None:
        self._answered = True
        if event.accepted:
            self._joins.accept(event.channel, event.at)
        elif LIMIT_WORDS in event.why.lower():
            self._joins.fill_up(event.why)
        else:
            self._joins.refuse(event.channel, event.why, event.at)

    def _note_complaint(self, event: Complained) -> None:
        self._answered = True
        if LIMIT_WORDS in event.text.lower():
            self._joins.fill_up(event.text)

    def _note_frames(self, event: FramesReceived) -> None:
        self._answered = True
        self._heard_at = event.at
        self._mute_after = self.patience.mute_after
        for channel in event.counts:
            self._joins.hear(channel, event.at)

    def _hopeless(self, at: float) -> str | None:
        """Say why this socket will never speak, if it will not."""
        unanswered, mute, refused = self._unanswered_at(), self._mute_at(), self._refused_at()
        if refused is not None and at >= refused:
            return REFUSED_IN_SILENCE
        alone = self._siblings_since is None or self._heard_at is not None
        if unanswered is not None and at >= unanswered:
            return "unanswered" if alone else REFUSED_IN_SILENCE
        if mute is not None and at >= mute:
            self._mute_after = min(self._mute_after * 2, self.patience.mute_at_most)
            return "mute" if alone else REFUSED_IN_SILENCE
        return None

    def _unanswered_at(self) -> float | None:
        """Say when a socket is given up that answered nothing at all."""
        asked = self._joins.first_asked_at
        return None if self._answered or asked is None else asked + self.patience.unanswered_for

    def _mute_at(self) -> float | None:
        """Say when a socket is given up on which nothing is heard although something should be."""
        steady = self._joins.steady_since()
        if self._lively_since is None or steady is None:
            return None
        silent_since = max(self._opened_at, self._lively_since, self._heard_at or 0.0, steady)
        return silent_since + self._mute_after

    def _refused_at(self) -> float | None:
        """Say when a socket is given up that has been mute from its start while another flows."""
        sure = self._joins.sure_since()
        if None in (self._lively_since, self._siblings_since, sure) or self._heard_at is not None:
            return None
        silent_since = max(self._lively_since or 0.0, self._siblings_since or 0.0, sure or 0.0)
        return silent_since + self.patience.refused_after


def _since(before: float | None, at: float, *, goes_on: bool) -> float | None:
    return (at if before is None else before) if goes_on else None
