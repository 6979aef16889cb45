"""The plan's limits: what is refused, what is counted, when a day begins."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_simulator.limits import Admission, Plan, RequestLedger, SocketLedger, Violation, quota_day

NOON = datetime(2026, 6, 1, 16, tzinfo=UTC)


def requests(**figures: int) -> RequestLedger:
    """Return a ledger of a plan with these figures."""
    return RequestLedger(Plan(**figures), Counter())


def test_a_fourth_socket_is_too_many_and_remembered():
    """Three sockets are welcome; the fourth is told off and counted, until one leaves."""
    ledger = SocketLedger(Plan(sockets=3), Counter())

    assert [ledger.arrive() for _ in range(4)] == [Admission.WELCOME] * 3 + [Admission.TOO_MANY]
    ledger.leave()
    ledger.leave()
    assert ledger.arrive() is Admission.WELCOME
    assert (ledger.peak, ledger.violations[Violation.SOCKETS]) == (4, 1)


def test_with_mute_second_only_the_first_socket_hears():
    """A key whose second socket stays silent is a case clients have met."""
    ledger = SocketLedger(Plan(sockets=3, mute_second=True), Counter())

    assert [ledger.arrive(), ledger.arrive()] == [Admission.WELCOME, Admission.MUTE]


def test_only_three_requests_may_be_in_flight():
    """The fourth at once is refused; one that ended makes room."""
    ledger = requests(in_flight=3)

    assert [ledger.begin(NOON) for _ in range(4)] == [None, None, None, Violation.IN_FLIGHT]
    ledger.end(200)
    assert ledger.begin(NOON) is None


def test_the_minute_begins_with_its_first_request():
    """After the limit everything is refused until sixty seconds have passed since the first."""
    ledger = requests(per_minute=2)
    for _ in range(2):
        assert ledger.begin(NOON) is None
        ledger.end(200)

    assert ledger.begin(NOON + timedelta(seconds=59)) is Violation.MINUTE
    assert ledger.headers(NOON + timedelta(seconds=59))["x-uw-req-per-minute-reset"] == "1000"
    assert ledger.begin(NOON + timedelta(seconds=60)) is None


def test_only_answers_with_200_are_charged_to_the_day():
    """Failures cost nothing."""
    ledger = requests(per_day=1)
    for status in (404, 422, 500):
        assert ledger.begin(NOON) is None
        ledger.end(status)
    assert ledger.begin(NOON) is None
    ledger.end(200)

    assert ledger.begin(NOON) is Violation.DAY
    assert ledger.headers(NOON)["x-uw-daily-req-count"] == "1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (datetime(2026, 7, 1, 23, 59, 59, tzinfo=UTC), datetime(2026, 7, 2, 0, 0, tzinfo=UTC)),
        (datetime(2026, 1, 2, 0, 59, 59, tzinfo=UTC), datetime(2026, 1, 2, 1, 0, tzinfo=UTC)),
    ],
    ids=["summer", "winter"],
)
def test_the_day_is_reset_at_eight_in_the_evening_in_new_york(before: datetime, after: datetime):
    """Wall-clock time decides, in summer and in winter."""
    assert quota_day(before) != quota_day(after)
    ledger = requests(per_day=1)
    ledger.exhaust(Violation.DAY, before)

    assert ledger.begin(before) is Violation.DAY
    assert ledger.begin(after) is None


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.sampled_from([200, 404])), max_size=200))
def test_whatever_happens_no_limit_is_exceeded_unseen(steps: list[tuple[float, bool, int]]):
    """In any order of asking and answering, what was let through stays within the plan."""
    plan = Plan(in_flight=2, per_minute=5, per_day=20)
    ledger, now, flying, granted, charged = RequestLedger(plan, Counter()), NOON, 0, [], 0
    for wait, asks, status in steps:
        now += timedelta(seconds=wait)
        if asks:
            if ledger.begin(now) is None:
                flying += 1
                granted.append(now)
        elif flying:
            flying -= 1
            charged += status == 200
            ledger.end(status)
        assert flying <= plan.in_flight
        assert charged <= plan.per_day
        assert ledger.minute_count <= plan.per_minute
    refused = sum(ledger.violations.values())
    assert refused + len(granted) == sum(asks for _, asks, _ in steps)
