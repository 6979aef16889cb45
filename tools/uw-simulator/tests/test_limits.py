"""The plan's limits: what is refused, what is counted, when a day begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_simulator.limits import Admission, Plan, RequestLedger, SocketLedger, quota_day
from uw_simulator.offences import Offences, Violation

NOON = datetime(2026, 6, 1, 16, tzinfo=UTC)


def requests(**figures: Any) -> RequestLedger:
    """Return a ledger of a plan with these figures."""
    return RequestLedger(Plan(**figures), Offences())


def test_a_fourth_socket_is_too_many_and_remembered():
    """Three sockets are welcome; the fourth is told off and counted, until one leaves."""
    ledger = SocketLedger(Plan(sockets=3), Offences())

    assert [ledger.arrive(n) for n in range(4)] == [Admission.WELCOME] * 3 + [Admission.TOO_MANY]
    ledger.leave()
    ledger.leave()
    assert ledger.arrive(9, "a peer") is Admission.WELCOME
    assert (ledger.peak, ledger.peak_at, ledger.offences.counts[Violation.SOCKETS]) == (4, 3, 1)
    offence = ledger.offences.log[0]
    assert (offence.at, offence.what) == (3, Violation.SOCKETS)
    assert "4 sockets open, 3 allowed" in offence.text


def test_with_mute_second_only_the_first_socket_hears():
    """A key whose second socket stays silent is a case clients have met."""
    ledger = SocketLedger(Plan(sockets=3, mute_second=True), Offences())

    assert [ledger.arrive(0), ledger.arrive(1)] == [Admission.WELCOME, Admission.MUTE]


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
    ledger, now, flying, granted, charged = RequestLedger(plan, Offences()), NOON, 0, [], 0
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
    refused = sum(ledger.offences.counts.values())
    assert refused + len(granted) == sum(asks for _, asks, _ in steps)


def test_what_others_spend_is_seen_and_is_nobodys_offence_until_one_asks_again():
    """The first refusal tells; who goes on asking in the same minute offends."""
    ledger = requests(per_minute=10)
    ledger.spend(10, NOON)

    assert ledger.headers(NOON)["x-uw-req-per-minute-remaining"] == "0"
    assert ledger.begin(NOON) is Violation.MINUTE
    assert ledger.begin(NOON + timedelta(milliseconds=100)) is Violation.MINUTE  # was on its way already
    assert not ledger.offences.log
    assert ledger.begin(NOON + timedelta(seconds=1), "the poller") is Violation.MINUTE
    assert ledger.offences.log[0].text == "asked again though told that nothing is left: the poller"
    assert ledger.begin(NOON + timedelta(seconds=61)) is None


def test_others_spend_evenly_and_hold_places_in_flight():
    """Thirty a minute are ten after twenty seconds; two of three places are taken."""
    ledger = requests(in_flight=3, others_in_flight=2, others_per_minute=30.0)
    assert ledger.begin(NOON) is None
    assert ledger.begin(NOON) is Violation.IN_FLIGHT
    ledger.end(200)

    told = ledger.headers(NOON + timedelta(seconds=20))
    assert (told["x-uw-minute-req-counter"], told["x-uw-daily-req-count"]) == ("11", "11")
    assert (ledger.own_minute, ledger.own_day, sum(ledger.offences.counts.values())) == (1, 1, 0)


def test_the_busiest_sixty_seconds_are_remembered_across_upstreams_minutes():
    """Twice the limit fits around the end of a minute, which upstream does not see and a drill wants to."""
    ledger = requests(per_minute=5)
    assert ledger.begin(NOON) is None
    ledger.end(200)
    for second in (58, 58, 58, 58, 61, 61, 61, 61, 61):
        assert ledger.begin(NOON + timedelta(seconds=second)) is None
        ledger.end(200)

    assert ledger.peak_minute == 9
