"""How often to ask what, so that the day's quota lasts until 20:00 in New York and none of it is wasted.

Pure. Every question has a least interval, below which nothing new is to be had, and a longest one, beyond
which the feed is of little use. Between them all questions share one level: the higher it stands, the more
often each is asked, according to its priority, to whether somebody wishes for it, and to what the exchange
is doing. The level is set so that the rest of the day, phase by phase, costs what is left.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uw_ingest.feeds.market_hours import MarketHours, Phase

SLICE = timedelta(minutes=5)
WATCHED = 900.0  # seconds over which others' spending is measured
_LIVELY: Mapping[Phase, float] = {
    Phase.REGULAR: 1.0,
    Phase.UNKNOWN: 1.0,  # rather a call too many than a session missed
    Phase.EXTENDED: 0.4,
    Phase.CLOSED: 0.1,
}
_UNWISHED = 0.25
_STEPS = 60  # halvings of the level; doubles hold no more

Span = tuple[Phase, float]  # what the exchange does, and for how many seconds


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask again and again.

    Args:
        name: of the question.
        feed: which it fills.
        priority: its share, relative to the others'.
        least: seconds between two askings at the most frequent, in regular hours.
        longest: seconds between two at the least frequent, unless the quota is nearly gone.
        calmer: factor on ``least`` in the other phases.
    """

    name: str
    feed: str
    priority: float
    least: float
    longest: float
    calmer: Mapping[Phase, float]

    def least_in(self, phase: Phase) -> float:
        """Return the least interval while the exchange is in this phase."""
        return self.least * self.calmer.get(phase, 1.0)

    def longest_in(self, phase: Phase) -> float:
        """Return the longest interval while the exchange is in this phase."""
        return max(self.longest, self.least_in(phase))


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the day's quota goes: calls planned and calls left over, or when it ends too early."""

    planned: int
    unspent: int
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class RestPlan:
    """Seconds between two askings, by question, and what that comes to."""

    intervals: Mapping[str, float]
    forecast: Forecast


class Spending:
    """Measures what other programs spend: upstream's count less our own calls."""

    def __init__(self) -> None:
        """Begin to measure."""
        self._seen: deque[tuple[float, int, int]] = deque()

    def others(self, at: float, used: int, ours: int) -> float:
        """Return the calls a second of others over the last quarter of an hour.

        Args:
            at: monotonic seconds.
            used: the day's count, as upstream's headers correct it.
            ours: calls that we made since any moment.
        """
        self._seen.append((at, used, ours))
        while at - self._seen[0][0] > WATCHED:
            self._seen.popleft()
        began, used_before, ours_before = self._seen[0]
        if used < used_before:  # a new day
            self._seen.clear()
        spent = (used - used_before) - (ours - ours_before)
        return max(spent, 0) / (at - began) if at - began > WATCHED / 3 else 0.0


def questions_of(*, movers_every: float, congress_every: float) -> tuple[Question, ...]:
    """Return what is asked; the settings are the least intervals in regular hours."""
    calm_movers, calm_congress = {Phase.EXTENDED: 2.0, Phase.CLOSED: 8.0}, {Phase.CLOSED: 2.0}
    late_every = 2 * congress_every
    return (
        Question("movers", "market_mover", 4.0, movers_every, max(900.0, movers_every), calm_movers),
        Question(
            "congress_recent",
            "congress_trade",
            2.0,
            congress_every,
            max(900.0, congress_every),
            calm_congress,
        ),
        Question("congress_late", "congress_trade", 1.0, late_every, max(1_800.0, late_every), calm_congress),
    )


def spans(hours: MarketHours, now: datetime, until: datetime) -> list[Span]:
    """Return the phases from now on, in order."""
    found: list[Span] = []
    while now < until:
        step = min(now + SLICE, until)
        phase, seconds = hours.phase(now), (step - now).total_seconds()
        if found and found[-1][0] is phase:
            found[-1] = (phase, found[-1][1] + seconds)
        else:
            found.append((phase, seconds))
        now = step
    return found


def plan(
    questions: Sequence[Question],
    ahead: Sequence[Span],
    *,
    now: datetime,
    left: int,
    wished: Iterable[str] = (),
    others: float = 0.0,
) -> RestPlan:
    """Spread what is left of the day over the phases ahead, the present one first.

    Args:
        questions: what to ask.
        ahead: the phases until the day's end; they should not be empty.
        now: the wall clock.
        left: calls that may still be spent.
        wished: feeds that somebody wishes for now, taken to be wished for the rest of the day.
        others: calls a second that other programs spend on the same token.
    """
    seconds = sum(length for _, length in ahead)
    ours = max(left - others * seconds, 0.0)
    shares = _Shares(questions, frozenset(wished))
    level = shares.level(ahead, ours)
    present = ahead[0][0] if ahead else Phase.UNKNOWN
    rates = shares.rates(present, level)
    if level == 0.0:  # not even the longest intervals are affordable: stretch them
        needed = shares.cost(ahead, 0.0)
        scale = ours / needed if needed else 0.0
        rates = {name: rate * scale for name, rate in rates.items()}
        cost = min(needed, ours)
    else:
        cost = shares.cost(ahead, level)
    intervals = {
        question.name: 1 / rates[question.name]
        if rates[question.name]
        else max(seconds, question.longest_in(present))
        for question in questions
    }
    ends_at = None
    if cost + others * seconds > left + 1:  # others alone spend it
        ends_at = now + timedelta(seconds=left / others if others else 0.0)
    unspent = max(left - cost - others * seconds, 0.0)
    return RestPlan(intervals, Forecast(round(cost), int(unspent), ends_at))


@dataclass(frozen=True, slots=True)
class _Shares:
    """What each question gets at a level."""

    questions: Sequence[Question]
    wished: frozenset[str]

    def rates(self, phase: Phase, level: float) -> dict[str, float]:
        """Return calls a second by question."""
        return {question.name: self._rate(question, phase, level) for question in self.questions}

    def cost(self, ahead: Sequence[Span], level: float) -> float:
        """Return what the phases ahead cost at a level."""
        return sum(length * sum(self.rates(phase, level).values()) for phase, length in ahead)

    def level(self, ahead: Sequence[Span], ours: float) -> float:
        """Return the highest level that is affordable; 0 if none is."""
        top = max(
            (1 / (self._share(q, p) * q.least_in(p)) for q in self.questions for p, _ in ahead), default=1.0
        )
        if self.cost(ahead, top) <= ours:
            return top
        low, high = 0.0, top
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.cost(ahead, middle) <= ours else (low, middle)
        return low

    def _rate(self, question: Question, phase: Phase, level: float) -> float:
        ceiling, floor = 1 / question.least_in(phase), 1 / question.longest_in(phase)
        return min(max(level * self._share(question, phase), floor), ceiling)

    def _share(self, question: Question, phase: Phase) -> float:
        return question.priority * _LIVELY[phase] * (1.0 if question.feed in self.wished else _UNWISHED)
