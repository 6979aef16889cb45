"""What can be said about a feed, and why.

Pure. Silence is judged, never just measured: by the exchange's hours, by how the channel behaves when all is
well, and by whether its siblings on the same socket speak.
"""

from dataclasses import dataclass

from baleen_contracts.feed import FeedState
from uw_ingest.channels import Hours, Rhythm
from uw_ingest.feeds.market_hours import Phase

STEADY_SILENCE = 45.0  # seconds a steady feed may be silent and still be called live
EVENTFUL_SILENCE = 300.0
POLLS_MISSED = 3.0  # intervals without a good answer before a polled feed is stale


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """What is known about a feed of the socket. Ages in seconds, ``None`` = never."""

    rhythm: Rhythm
    hours: Hours
    phase: Phase
    connected: bool
    connection: str  # in words, when not connected
    entitled: bool = True
    disabled: bool = False
    joined: bool = False
    refused: str = ""  # upstream's words when it refused every channel of the feed
    unjoined: str = ""  # why no join of the feed was accepted, as far as is known
    connected_for: float = 0.0
    mute_before: bool = False  # the socket before was given up as mute, and nothing was heard since
    heard_ago: float | None = None
    siblings_heard_ago: float | None = None
    backfilling: bool = False


@dataclass(frozen=True, slots=True)
class PollFacts:
    """What is known about a feed that is polled. Ages in seconds, ``None`` = never."""

    every: float
    answered_ago: float | None = None
    started_ago: float = 0.0
    refused: str = ""
    failing: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state with its reason in a few words."""

    state: FeedState
    why: str


def judge(facts: SocketFacts) -> Verdict:  # noqa: PLR0911 - one return per state, in order of precedence
    """Say how a feed of the socket stands."""
    if facts.disabled:
        return Verdict(FeedState.DISABLED, "no upstream is configured")
    if not facts.entitled:
        return Verdict(FeedState.NOT_ENTITLED, facts.connection)
    if not facts.connected:
        return Verdict(FeedState.RECONNECTING, facts.connection)
    if facts.backfilling and facts.joined:
        return Verdict(FeedState.BACKFILLING, "what was missed is being asked for over REST")
    patience = STEADY_SILENCE if facts.rhythm is Rhythm.STEADY else EVENTFUL_SILENCE
    if facts.heard_ago is not None and facts.heard_ago <= patience:
        return Verdict(FeedState.LIVE, "")
    if facts.refused:
        return Verdict(FeedState.NOT_ENTITLED, f"upstream refused the channel: {facts.refused}")
    if not facts.joined:
        if facts.connected_for <= STEADY_SILENCE:
            return Verdict(FeedState.RECONNECTING, "joining")
        return Verdict(FeedState.STALE, facts.unjoined or "the join was never answered")
    return _judge_silence(facts, patience)


def _judge_silence(facts: SocketFacts, patience: float) -> Verdict:
    if not expected(facts.hours, facts.phase):
        return Verdict(FeedState.QUIET, "the market is closed")
    if facts.rhythm is Rhythm.EVENTFUL:
        return Verdict(FeedState.QUIET, "nothing happened")
    if facts.connected_for <= patience and not facts.mute_before:
        return Verdict(FeedState.QUIET, "just joined")
    if facts.siblings_heard_ago is not None and facts.siblings_heard_ago <= patience:
        return Verdict(FeedState.STALE, "silent while its siblings speak")
    return Verdict(FeedState.STALE, "silent, like everything on its socket")


def judge_poll(facts: PollFacts) -> Verdict:
    """Say how a polled feed stands."""
    if facts.disabled:
        return Verdict(FeedState.DISABLED, "no upstream is configured")
    if facts.refused:
        return Verdict(FeedState.NOT_ENTITLED, facts.refused)
    patience = facts.every * POLLS_MISSED
    if facts.answered_ago is not None and facts.answered_ago <= patience:
        return Verdict(FeedState.LIVE, "")
    if facts.answered_ago is None and facts.started_ago <= patience:
        return Verdict(FeedState.RECONNECTING, facts.failing or "not asked yet")
    return Verdict(FeedState.STALE, facts.failing or "no answer for too long")


def expected(hours: Hours, phase: Phase) -> bool:
    """Tell whether a steady channel may be expected to speak; unknown hours excuse silence."""
    if hours is Hours.REGULAR:
        return phase is Phase.REGULAR
    return phase in (Phase.REGULAR, Phase.EXTENDED)
