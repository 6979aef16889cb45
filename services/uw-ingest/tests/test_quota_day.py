"""A whole day of REST in virtual time: the real budget and the real plan against upstream's own ledger."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from uw_ingest.feeds.market_hours import MarketHours
from uw_ingest.rest.limiter import Budget, Call, day_reset
from uw_ingest.rest.limits_told import Limit
from uw_ingest.rest.quota_record import read_record
from uw_ingest.rest.rest_plan import Question, RestPlan, Spending, plan, questions_of, spans
from uw_simulator.limits import Plan, RequestLedger
from uw_simulator.offences import Offences

BEGINS = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)  # 20:00 in New York
DAY = 86_400.0
HOURS = MarketHours(
    [
        (datetime(2026, 6, day, 13, 30, tzinfo=UTC), datetime(2026, 6, day, 20, 0, tzinfo=UTC))
        for day in (29, 30)
    ]
    + [(datetime(2026, 7, 1, 13, 30, tzinfo=UTC), datetime(2026, 7, 1, 20, 0, tzinfo=UTC))]
    + [(datetime(2026, 7, 2, 13, 30, tzinfo=UTC), datetime(2026, 7, 2, 20, 0, tzinfo=UTC))]
)
QUESTIONS = questions_of(movers_every=3.0, congress_every=8.0)
LATENCY = 0.15
PLAN_EVERY = 300.0


def useful() -> float:
    """How many calls a day are worth making: every question at its least interval."""
    ahead = spans(HOURS, BEGINS, BEGINS + timedelta(seconds=DAY))
    return sum(seconds / question.least_in(phase) for phase, seconds in ahead for question in QUESTIONS)


@dataclass
class Day:
    """One day: holders of the budget, one after another, who ask as the plan says."""

    ledger: RequestLedger
    takeovers: Sequence[float] = ()
    wished: Callable[[float], Sequence[str]] = lambda _time: ()
    budget: Budget = field(default_factory=Budget)
    time: float = 0.0
    began: float = 0.0
    holder: int = 0
    refused: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    plan: RestPlan | None = None
    spending: Spending = field(default_factory=Spending)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=count)

    @property
    def now(self) -> datetime:
        """The wall clock."""
        return BEGINS + timedelta(seconds=self.time)

    @property
    def at(self) -> float:
        """The holder's monotonic clock."""
        return self.time - self.began + 5_000.0 * self.holder

    def pass_by(self) -> None:
        """Play the day in the order of events."""
        self.keep_planning()
        self.begin()
        for moment in self.takeovers:
            self.then(moment, self.take_over)
        while self.events and self.events[0][0] < DAY - 1:
            self.time, _, act = heapq.heappop(self.events)
            act()

    def then(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after so many seconds."""
        heapq.heappush(self.events, (self.time + seconds, next(self.order), act))

    def keep_planning(self) -> None:
        """Plan now and again."""
        self.replan()
        self.then(PLAN_EVERY, self.keep_planning)

    def begin(self) -> None:
        """The holder asks everything at once."""
        for question in QUESTIONS:
            self.ask(question, self.holder)

    def ask(self, question: Question, holder: int) -> None:
        """Ask if the budget allows it, and again when the plan says."""
        if holder != self.holder:
            return
        wait = self.budget.wait(self.now, self.at)
        if wait > 0:
            self.then(min(max(wait, 0.001), 1.0), lambda: self.ask(question, holder))
            return
        call = self.budget.take(self.now, self.at)
        self.asked[question.name] += 1
        taken = self.ledger.begin(self.now) is None
        self.refused += not taken
        self.then(LATENCY, lambda: self.answer(call, holder, taken=taken))
        assert self.plan is not None
        self.then(self.plan.intervals[question.name], lambda: self.ask(question, holder))

    def take_over(self) -> None:
        """The next holder begins with what the last one stored."""
        record = read_record(self.budget.record().to_json("holder"))
        self.holder, self.began = self.holder + 1, self.time
        self.budget = Budget.restored(record, self.now, self.at)
        self.spending = Spending()
        self.replan()
        self.begin()

    def answer(self, call: Call, holder: int, *, taken: bool) -> None:
        """Upstream answers; nobody hears it if the holder is gone."""
        if taken:
            self.ledger.end(200)
        if holder != self.holder:
            return
        headers, status = self.ledger.headers(self.now), 200 if taken else 429
        self.budget.landed(call, self.now, self.at, status=status, headers=headers)
        if not taken:
            self.budget.limited(call, self.now, self.at, kind=Limit.DAY, headers=headers, spread=0)

    def replan(self) -> None:
        """Decide anew how often to ask."""
        others = self.spending.others(self.at, self.budget.day_used, self.budget.granted)
        ahead = spans(HOURS, self.now, self.budget.day_ends or day_reset(self.now))
        left, wished = self.budget.day_left(), self.wished(self.time)
        self.plan = plan(QUESTIONS, ahead, now=self.now, left=left, wished=wished, others=others)


def a_day(per_day: int, *, others: float = 0.0, **given: object) -> Day:
    """A day on a plan of so many calls, gone by."""
    ledger = RequestLedger(Plan(per_day=per_day, others_per_minute=others), Offences())
    day = Day(ledger, **given)  # type: ignore[arg-type]
    day.pass_by()
    return day


@pytest.mark.parametrize("per_day", [500, 15_000, 25_000, 40_000])
def test_the_day_ends_with_the_quota_spent_and_never_exceeded(per_day: int):
    """Of what the quota allows and is useful, less than a twentieth is left at 20:00."""
    day = a_day(per_day)

    spent, worth = day.ledger.own_day, min(per_day, useful())
    print(f"\n{per_day=} useful={useful():.0f} {spent=} {spent / worth:.3f} {day.asked}")  # noqa: T201
    assert not day.ledger.offences.counts
    assert day.refused == 0
    assert spent >= 0.95 * worth


@pytest.mark.parametrize("per_day", [500, 15_000])
def test_takeovers_in_the_middle_of_the_day_do_not_spend_twice(per_day: int):
    """Holders die at open, at noon and in quick succession; the count goes on."""
    takeovers = [48_600.0, 57_600.0, *(61_000.0 + 7 * turn for turn in range(20))]
    day = a_day(per_day, takeovers=takeovers)

    print(f"\n{per_day=} spent={day.ledger.own_day}")  # noqa: T201
    assert not day.ledger.offences.counts
    assert day.refused == 0
    assert 0.95 * min(per_day, useful()) <= day.ledger.own_day <= per_day


def test_what_other_programs_spend_on_the_key_is_left_to_them():
    """Their calls are seen in the headers and planned for; ours end with the quota, not before."""
    day = a_day(15_000, others=4.0)

    others = day.ledger.others_day
    print(f"\nothers={others:.0f} ours={day.ledger.own_day}")  # noqa: T201
    assert not day.ledger.offences.counts
    assert day.refused == 0
    assert others > 5_500
    assert day.ledger.own_day >= 0.95 * (15_000 - others)


def test_wishes_that_come_and_go_move_the_quota_and_waste_none():
    """What is wished for is asked more often while it is; at the end the quota is spent all the same."""

    def wished(time: float) -> Sequence[str]:
        return ["congress_trade"] if 40_000 < time < 60_000 else []

    day, undemanded = a_day(15_000, wished=wished), a_day(15_000)

    print(f"\nspent={day.ledger.own_day} {day.asked} {undemanded.asked}")  # noqa: T201
    assert not day.ledger.offences.counts
    assert day.ledger.own_day >= 0.95 * 15_000
    assert day.asked["congress_recent"] > 1.1 * undemanded.asked["congress_recent"]


def test_a_budget_that_forgets_at_a_takeover_is_caught():
    """The ledger sees a successor that begins the day's count anew: the check would fail."""
    ledger = RequestLedger(Plan(per_day=15_000), Offences())
    ledger.headers(BEGINS + timedelta(seconds=70_000))
    ledger.own_day = 14_999
    budget = Budget(day_limit=15_000)
    for second in range(3):
        now = BEGINS + timedelta(seconds=70_000 + second)
        assert budget.wait(now, float(second)) == 0
        call = budget.take(now, float(second))
        budget.landed(call, now, float(second), status=200, headers={})
        if ledger.begin(now) is None:
            ledger.end(200)

    assert ledger.offences.counts
