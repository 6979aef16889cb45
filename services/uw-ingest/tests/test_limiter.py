"""The REST budget: every promise by example, and all of them together against a true count of upstream's."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from uw_ingest.rest.limiter import CALL_ENDS_WITHIN, Budget, Call, day_reset
from uw_ingest.rest.limits_told import Limit, limit_of
from uw_ingest.rest.quota_record import Record, read_record
from uw_simulator import samples
from uw_simulator.limits import quota_day

NOON = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
HOURS_LEFT = 8  # of the day, at noon


def later(seconds: float) -> datetime:
    """So many seconds after noon in New York."""
    return NOON + timedelta(seconds=seconds)


def granted(budget: Budget, at: float = 0.0) -> Call:
    """A call that may go out at once."""
    assert budget.wait(later(at), at) == 0
    return budget.take(later(at), at)


def answered(budget: Budget, call: Call, at: float = 0.0, status: int = 200, **headers: Any) -> None:
    """The call comes back with headers, whose names are written with underscores."""
    told = {"x-uw-" + name.replace("_", "-"): str(value) for name, value in headers.items()}
    budget.landed(call, later(at), at, status=status, headers=told)


@example(per_minute=1, pauses=[0.0, 1.8359375])  # sums of floats fall a hair short of a minute
@given(st.integers(1, 300), st.lists(st.floats(0, 3), min_size=1, max_size=400))
@settings(max_examples=60)
def test_no_minute_ever_holds_more_calls_than_the_limit(per_minute: int, pauses: list[float]):
    """Whenever calls are wanted, any sixty seconds hold at most the limit."""
    budget, now, sent = Budget(per_minute=per_minute, minute_reserve=0), 0.0, []
    for pause in pauses:
        now += pause
        now += budget.wait(later(now), now)
        if budget.wait(later(now), now) == 0:
            answered(budget, budget.take(later(now), now), now)
            sent.append(now)

    for start in sent:
        assert sum(start <= at < start + 60 for at in sent) <= per_minute


def test_the_reserve_of_the_minute_is_never_granted():
    """Of 120 calls a minute five stay back; of ten, half."""
    assert Budget(per_minute=120).spendable == 115
    assert Budget(per_minute=10).spendable == 5
    assert Budget(per_minute=1).spendable == 1


def test_three_calls_fly_at_once_and_no_more():
    """The fourth waits until one has landed."""
    budget = Budget()
    answered(budget, granted(budget))
    calls = [granted(budget) for _ in range(3)]

    assert budget.wait(NOON, 0.0) > 0
    answered(budget, calls[1])
    assert budget.wait(NOON, 0.0) == 0


def test_before_upstream_has_granted_anything_one_call_flies():
    """Whether the day has really begun is learnt by one call, not by three."""
    budget = Budget()
    call = granted(budget)
    assert budget.wait(NOON, 0.0) > 0

    answered(budget, call)
    assert budget.wait(NOON, 0.0) == 0


def test_a_call_without_an_answer_flies_until_it_must_have_ended():
    """Upstream may be at work on it although the line broke; it stays charged."""
    budget = Budget(in_flight=1)
    granted(budget)
    assert budget.wait(later(CALL_ENDS_WITHIN - 0.1), CALL_ENDS_WITHIN - 0.1) > 0

    assert budget.wait(later(CALL_ENDS_WITHIN), CALL_ENDS_WITHIN) == 0
    assert (budget.flying, budget.day_used) == (0, 1)


def test_a_call_that_never_left_is_given_back_and_one_that_was_refused_is_not_charged():
    """Upstream charges answers with status 200 only."""
    budget = Budget()
    budget.not_sent(granted(budget))
    answered(budget, granted(budget), status=503)
    assert (budget.flying, budget.day_used) == (0, 0)

    call = granted(budget)
    answered(budget, call)
    answered(budget, call)
    budget.not_sent(call)
    assert (budget.flying, budget.day_used) == (0, 1)


def test_upstreams_headers_win_over_our_own_count():
    """Other programs use the same token: what upstream says is left, is left."""
    budget = Budget(day_reserve=0)
    answered(
        budget,
        granted(budget),
        token_req_limit=15_000,
        daily_req_count=14_999,
        req_per_minute_remaining=0,
        req_per_minute_reset=44_469,
    )

    assert budget.wait(NOON, 0.0) == pytest.approx(44.469)
    answered(budget, granted(budget, 45.0), 45.0, daily_req_count=15_000)
    reset = later(45) + timedelta(seconds=budget.wait(later(45), 45.0))
    assert reset == datetime(2026, 7, 2, 0, 0, 5, tzinfo=UTC)


def test_a_header_counts_what_it_cannot_know_yet():
    """A call that was on its way when another one was answered is added to what that answer told."""
    budget = Budget()
    answered(budget, granted(budget), daily_req_count=100)
    first, second = granted(budget), granted(budget)
    answered(budget, second, daily_req_count=101)
    assert budget.day_used == 102

    answered(budget, first, daily_req_count=101)  # it was told before the second was counted
    assert budget.day_used == 102


def test_a_later_call_corrects_an_overcount():
    """Calls that were lost on the way were not charged; the next answer alone shows it."""
    budget = Budget()
    for at in (0.0, 40.0, 80.0):
        granted(budget, at)  # never answered
    assert budget.wait(later(120), 120.0) == 0
    answered(budget, granted(budget, 120.0), 120.0, daily_req_count=1)

    assert budget.day_used == 1


def test_a_few_calls_left_are_stretched():
    """When others have spent nearly everything, the next calls keep the ordinary pace without a burst."""
    budget = Budget()
    answered(budget, granted(budget), req_per_minute_remaining=1)
    granted(budget)

    assert budget.wait(NOON, 0.0) > 0.3


def test_an_uncapped_key_is_not_slowed_by_its_headers():
    """A million remaining is no limit."""
    budget = Budget()
    answered(budget, granted(budget), req_per_minute_remaining=1_000_000)

    assert budget.wait(NOON, 0.0) == 0


@pytest.mark.parametrize("value", ["", "-1", "many", "9" * 50, "1.5", "\u0663"])
def test_strange_headers_are_ignored(value: str):
    """A header that is no plain number changes nothing."""
    budget = Budget()
    names = ("token_req_limit", "daily_req_count", "req_per_minute_remaining")
    answered(budget, granted(budget), **dict.fromkeys(names, value))

    assert (budget.day_limit, budget.day_used, budget.wait(NOON, 0.0)) == (None, 1, 0)


def test_a_reset_beyond_the_minute_waits_a_minute():
    """Upstream's minute cannot take longer than one, whatever a header says."""
    budget = Budget()
    answered(budget, granted(budget), req_per_minute_remaining=0, req_per_minute_reset=999_999_999_999)

    assert budget.wait(NOON, 0.0) == 60


def test_the_three_bodies_of_a_429_are_told_apart():
    """Their cures differ: a moment, the minute's end, 20:00 in New York."""
    bodies = {
        case["case"]: str(case["body"]) for case in samples.rest_body("_errors") if case["status"] == 429
    }

    assert {name: limit_of(body) for name, body in bodies.items()} == {
        "concurrent_requests": Limit.CONCURRENCY,
        "per_minute": Limit.MINUTE,
        "daily_limit": Limit.DAY,
    }


@pytest.mark.parametrize(
    ("kind", "spread", "headers", "seconds"),
    [
        (Limit.CONCURRENCY, -1, {}, 0.25),
        (Limit.CONCURRENCY, 1, {}, 0.5),
        (Limit.CONCURRENCY, 0, {"retry-after": "7"}, 7),
        (Limit.MINUTE, 0, {}, 60),
        (Limit.MINUTE, 0, {"x-uw-req-per-minute-reset": "1500"}, 1.5),
        (Limit.MINUTE, 0, {"retry-after": "999"}, 60),
        (Limit.DAY, 0, {"retry-after": "1"}, HOURS_LEFT * 3600 + 5),
    ],
)
def test_each_429_waits_for_its_own_cure(kind: Limit, spread: float, headers: dict[str, str], seconds: float):
    """Concurrency waits less than half a second or so, a minute for its reset, a day for its end."""
    budget = Budget()
    call = granted(budget)
    budget.landed(call, NOON, 0.0, status=429, headers=headers)

    asked = budget.limited(call, NOON, 0.0, kind=kind, headers=headers, spread=spread)

    assert asked == pytest.approx(seconds)
    assert budget.wait(NOON, 0.0) == pytest.approx(asked)
    assert budget.last_limit is kind


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-07-01T23:59:59+00:00", "2026-07-02T00:00:00+00:00"),  # summer: 20:00 is midnight UTC
        ("2026-07-02T00:00:00+00:00", "2026-07-03T00:00:00+00:00"),
        ("2026-01-10T12:00:00+00:00", "2026-01-11T01:00:00+00:00"),  # winter: an hour later
        ("2026-03-08T02:00:00+00:00", "2026-03-09T00:00:00+00:00"),  # the day the clocks change
    ],
)
def test_the_day_ends_at_eight_in_new_york(now: str, reset: str):
    """Wall clock, so the hour in UTC moves with the season."""
    assert day_reset(datetime.fromisoformat(now)) == datetime.fromisoformat(reset)


def test_a_new_day_starts_the_count_anew():
    """What was used before 20:00 does not count after it."""
    budget = Budget(day_limit=1, day_reserve=0)
    answered(budget, granted(budget))
    assert budget.wait(NOON, 0.0) > 0

    evening = HOURS_LEFT * 3600.0 + 5
    assert budget.wait(later(evening), evening) == 0


@pytest.mark.parametrize("jump", [-86_400 * 400, -7200, 7200, HOURS_LEFT * 3600 + 60, 86_400 * 400])
def test_a_wall_clock_that_jumps_grants_nothing(jump: float):
    """Neither the day nor the minute begins anew, however far the clock is set forth or back."""
    budget = Budget(day_limit=60, day_reserve=0)
    for second in range(60):
        at = float(second)
        while budget.wait(later(at), at) == 0:
            answered(budget, budget.take(later(at), at), at)
    assert budget.day_used == 60

    assert budget.wait(later(61 + jump), 61.0) > HOURS_LEFT * 3600 - 100


def test_urgent_calls_may_spend_what_is_kept_back_of_the_day():
    """Of a hundred calls two are for what cannot wait; then there are none for anybody."""
    budget = Budget(day_limit=100)
    answered(budget, granted(budget), daily_req_count=98)
    assert (budget.day_left(), budget.day_left(urgent=True)) == (0, 2)
    assert budget.wait(NOON, 0.0) > 0
    assert budget.wait(NOON, 0.0, urgent=True) == 0

    answered(budget, granted_urgently(budget), daily_req_count=100)
    assert budget.wait(NOON, 0.0, urgent=True) > 0


def granted_urgently(budget: Budget) -> Call:
    """A call that may go out at once, since it is urgent."""
    assert budget.wait(NOON, 0.0, urgent=True) == 0
    return budget.take(NOON, 0.0)


def test_a_day_that_upstream_has_not_begun_is_tried_again_soon():
    """Upstream may mean 20:00 standard time: after our turn, "daily limit" is asked again in a quarter."""
    budget, evening = Budget(day_limit=10, day_reserve=0), HOURS_LEFT * 3600.0 + 5
    answered(budget, granted(budget), daily_req_count=10)
    call = granted(budget, evening)
    answered(budget, call, evening, status=429)

    asked = budget.limited(call, later(evening), evening, kind=Limit.DAY, headers={}, spread=0)
    assert asked == pytest.approx(905)
    assert budget.wait(later(evening + 900), evening + 900) > 0
    answered(budget, granted(budget, evening + 905), evening + 905, daily_req_count=1)
    assert budget.day_used == 1


def test_a_day_that_was_spent_since_its_turn_is_not_doubted():
    """Upstream granted calls of this day: when it says that they are all spent, they are."""
    budget, evening = Budget(day_limit=2, day_reserve=0), HOURS_LEFT * 3600.0 + 5
    budget.wait(NOON, 0.0)
    for count in (1, 2):
        answered(budget, granted(budget, evening + count), evening + count, daily_req_count=count)

    assert budget.wait(later(evening + 10), evening + 10) > 80_000


def test_the_minutes_rest_is_told():
    """What may go out within the next sixty seconds, for whoever looks."""
    budget = Budget()
    assert budget.minute_left(0.0) == 114
    for _ in range(10):
        answered(budget, granted(budget))
    assert budget.minute_left(0.0) == 104

    answered(budget, granted(budget), req_per_minute_remaining=0, req_per_minute_reset=60_000)
    assert budget.minute_left(0.0) == 0


def test_a_successor_goes_on_with_the_count_and_an_empty_bucket():
    """What was under way counts until it must have ended, by the successor's own clock."""
    budget = Budget()
    answered(budget, granted(budget), daily_req_count=500, token_req_limit=40_000)
    granted(budget)
    record = read_record(budget.record().to_json("one"))

    successor = Budget.restored(record, NOON, 7.0, in_flight=1)
    assert (successor.day_used, successor.day_limit, successor.flying) == (501, 40_000, 1)
    assert successor.wait(later(29), 7.0 + 29) > 0
    assert successor.wait(later(30), 7.0 + 30) == 0
    assert Budget.restored(record, NOON, 7.0).wait(NOON, 7.0) > 0.5


def test_a_successor_of_another_day_starts_the_count_anew():
    """Only what may still be charged is carried over."""
    record = Record(day_used=500, day_limit=1_000, day_ends=NOON, flying=2)

    assert Budget.restored(record, later(1), 0.0).day_used == 2
    assert Budget.restored(record, later(-1), 0.0).day_used == 500


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"day_used": -1, "flying": 0}',
        b'{"day_used": true, "flying": 0}',
        b'{"day_used": 1e3, "flying": 0}',
        b'{"day_used": 1, "flying": 0, "day_limit": "many"}',
        b'{"day_used": 1, "flying": 0, "day_ends": 7}',
        b'{"day_used": 1, "flying": 0, "day_ends": "2026-07-01T00:00:00"}',
        b'{"day_used": 1, "flying": 0, "day_ends": "tomorrow"}',
        b'{"day_used": 1, "flying": 0, "x": "' + b"x" * 5_000 + b'"}',
    ],
)
def test_a_strangers_record_is_refused(stored: bytes):
    """Whatever is no record says so, in one way."""
    with pytest.raises(ValueError):  # noqa: PT011 - any words
        read_record(stored)


@dataclass
class Sent:
    """A call on its way, as the world sees it."""

    call: Call
    holder: int
    must_arrive: float
    must_end: float
    arrived: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


PER_MINUTE, PER_DAY = 24, 80


@dataclass
class Upstream:
    """What upstream really counted."""

    flying: int = 0
    day_used: int = 0
    day: date | None = None
    refused: Counter[str] = field(default_factory=Counter)

    def begins(self, now: datetime) -> bool:
        """Take a call in, or refuse it."""
        self._turn(now)
        kind = "in flight" if self.flying >= 3 else "day" if self.day_used + self.flying >= PER_DAY else None
        if kind is not None:
            self.refused[kind] += 1
            return False
        self.flying += 1
        return True

    def ends(self, status: int) -> None:
        """Charge what is answered well."""
        self.flying -= 1
        self.day_used += status == 200

    def headers(self, now: datetime) -> dict[str, str]:
        """What it tells of the day."""
        self._turn(now)
        return {"x-uw-token-req-limit": str(PER_DAY), "x-uw-daily-req-count": str(self.day_used)}

    def _turn(self, now: datetime) -> None:
        if self.day != quota_day(now):
            self.day, self.day_used = quota_day(now), 0


class Holders(RuleBasedStateMachine):
    """Holders of one budget after another, who crash at any moment, and upstream's own true count.

    As in the service, a grant is stored before its call is sent, and a holder that was followed stores and
    sends nothing more; what it sent may still arrive. Nobody tells the holders the true time: each has a
    monotonic clock of its own, and a wall clock that is set forth and back.
    """

    restore: ClassVar[Any] = staticmethod(Budget.restored)

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.wall_off = 0.0
        self.wrong = 0  # how often a wall clock was set, or believed by a successor
        self.holder, self.began = 0, 0.0
        self.stored = Budget(per_minute=PER_MINUTE).record()
        self.upstream = Upstream()
        self.grants: list[float] = []
        self.arrivals: list[float] = []
        self.sent: list[Sent] = []
        self.answers: list[Sent] = []
        self.takes_over()

    @property
    def at(self) -> float:
        """The holder's monotonic clock."""
        return self.time - self.began + 1_000.0 * self.holder

    @property
    def wall(self) -> datetime:
        """The holder's wall clock."""
        return later(self.time + self.wall_off)

    def passes(self, seconds: float) -> None:
        """True time passes; what must have arrived or ended by then does so in its course."""
        until = self.time + seconds
        while due := [s for s in self.sent if (s.must_end if s.arrived else s.must_arrive) <= until]:
            first = min(due, key=lambda s: s.must_end if s.arrived else s.must_arrive)
            self.time = max(self.time, first.must_end if first.arrived else first.must_arrive)
            if first.arrived:
                self.ends(first, 200)
            else:
                self.arrives(first)
        self.time = until

    def arrives(self, sent: Sent) -> None:
        """A call reaches upstream, which counts it or refuses it."""
        sent.arrived = True
        self.arrivals.append(self.time)
        if not self.upstream.begins(later(self.time)):
            self.sent.remove(sent)
            sent.status, sent.headers = 429, self.upstream.headers(later(self.time))
            self.answers.append(sent)

    def ends(self, sent: Sent, status: int) -> None:
        """Upstream is done with a call and sends its answer."""
        self.sent.remove(sent)
        self.upstream.ends(status)
        sent.status, sent.headers = status, self.upstream.headers(later(self.time))
        self.answers.append(sent)

    @rule(seconds=st.one_of(st.floats(0, 2), st.floats(0, 70), st.floats(0, 30_000)))
    def waits(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self.passes(seconds)

    @rule(calls=st.integers(1, 2 * PER_MINUTE), crash=st.sampled_from(["no", "no", "stored", "sent"]))
    def asks(self, calls: int, crash: str) -> None:
        """Ask as often as possible, answers coming at once; perhaps crash around the last call."""
        for left in reversed(range(calls)):
            wait = self.budget.wait(self.wall, self.at)
            if wait > 60:
                return
            self.passes(wait)
            if self.budget.wait(self.wall, self.at) == 0:
                self.grants_one(send=left or crash != "stored")
                if left:
                    for sent in [s for s in self.sent if s.holder == self.holder]:
                        if not sent.arrived:
                            self.arrives(sent)
                        if sent in self.sent:
                            self.ends(sent, 200)
                    self.lands_all()
        if crash != "no":
            self.takes_over()

    @rule(calls=st.integers(1, 3), arrive=st.floats(0, 1), end=st.floats(0, 1))
    def sends(self, calls: int, arrive: float, end: float) -> None:
        """Some calls that take their time."""
        for _ in range(calls):
            if (wait := self.budget.wait(self.wall, self.at)) < 10:
                self.passes(wait)
            if self.budget.wait(self.wall, self.at) == 0:
                self.grants_one(send=True, arrive=arrive, end=end)

    def grants_one(self, *, send: Any, arrive: float = 0.0, end: float = 1.0) -> None:
        """Grant, store, and unless the holder crashes in between, send."""
        call = self.budget.take(self.wall, self.at)
        self.stored = read_record(self.budget.record().to_json("x"))
        if send:
            self.grants.append(self.time)
            arrives = arrive * CALL_ENDS_WITHIN
            ends = arrives + end * (CALL_ENDS_WITHIN - arrives)
            self.sent.append(Sent(call, self.holder, self.time + arrives, self.time + ends))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), status=st.sampled_from([200, 200, 404, 500]))
    def is_served(self, data: st.DataObject, status: int) -> None:
        """Upstream answers some call."""
        sent = data.draw(st.sampled_from(self.sent))
        if not sent.arrived:
            self.arrives(sent)
        if sent in self.sent:
            self.ends(sent, status)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), fate=st.sampled_from(["lost", "told", "told", "told twice"]))
    def is_answered(self, data: st.DataObject, fate: str) -> None:
        """Answers come in any order, twice, or never."""
        sent = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        for _ in range(["lost", "told", "told twice"].index(fate)):
            self.lands(sent)

    def lands_all(self) -> None:
        """Every answer comes, in order."""
        while self.answers:
            self.lands(self.answers.pop(0))

    def lands(self, sent: Sent) -> None:
        """An answer reaches the holder that asked, unless it is gone."""
        if sent.holder != self.holder:
            return
        budget, now, at = self.budget, self.wall, self.at
        budget.landed(sent.call, now, at, status=sent.status, headers=sent.headers)
        if sent.status == 429:
            budget.limited(sent.call, now, at, kind=Limit.DAY, headers=sent.headers, spread=0)

    @rule()
    def takes_over(self) -> None:
        """The next holder begins with what is stored."""
        self.holder, self.began = self.holder + 1, self.time
        self.wrong += self.wall_off != 0
        self.budget = self.restore(
            self.stored, self.wall, self.at, per_minute=PER_MINUTE, minute_reserve=3, day_reserve=0
        )
        self.stored = self.budget.record()

    @rule(seconds=st.one_of(st.floats(-90, 90), st.floats(-100_000, 100_000), st.just(0.0)))
    def clock_is_set(self, seconds: float) -> None:
        """The wall clock is so much off from now on."""
        self.wrong += 1
        self.wall_off = seconds

    @invariant()
    def no_minute_is_exceeded(self) -> None:
        """Neither in grants nor in what reaches upstream, whichever sixty seconds one takes."""
        for times, most in ((self.grants, self.budget.spendable), (self.arrivals, PER_MINUTE)):
            ordered = sorted(times[-3 * PER_MINUTE :])
            for first, last in zip(ordered, ordered[most:], strict=False):
                assert last - first >= 60, "more than the minute allows"

    @invariant()
    def no_more_than_three_fly(self) -> None:
        """As upstream counts."""
        assert not self.upstream.refused["in flight"]

    @invariant()
    def the_day_holds(self) -> None:
        """A wrong clock may cost a refused call, and never more than one each time it is believed."""
        assert self.upstream.refused["day"] <= self.wrong


SEARCH = settings(
    max_examples=100,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
Holders.TestCase.settings = SEARCH
TestHolders = Holders.TestCase


FINDING: dict[str, Any] = {
    "max_examples": 1_000,
    "database": None,
    "derandomize": True,
    "phases": [Phase.generate],
}


def with_a_full_bucket(record: Record | None, now: datetime, at: float, **given: Any) -> Budget:
    """A successor that begins with a burst of its own."""
    budget = Budget.restored(record, now, at, **given)
    budget._next = float("-inf")
    return budget


def without_the_calls_under_way(record: Record, now: datetime, at: float, **given: Any) -> Budget:
    """A successor that takes the predecessor's calls for over."""
    return Budget.restored(Record(record.day_used, record.day_limit, record.day_ends, 0), now, at, **given)


def without_the_day(record: Record, now: datetime, at: float, **given: Any) -> Budget:
    """A successor that begins the day anew."""
    return Budget.restored(Record(0, None, record.day_ends, record.flying), now, at, **given)


@pytest.mark.parametrize("broken", [with_a_full_bucket, without_the_calls_under_way, without_the_day])
def test_the_search_finds_a_successor_that_spends_twice(broken: Any):
    """A checker that finds nothing in these would find nothing in anything."""

    class Broken(Holders):
        restore = staticmethod(broken)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=settings(SEARCH, **FINDING))
