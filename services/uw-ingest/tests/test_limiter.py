"""The local REST budget."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uw_ingest.limiter import Budget, Limit, day_reset, limit_of
from uw_simulator import samples

NOON = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """So many seconds after noon in New York."""
    return NOON + timedelta(seconds=seconds)


@example(per_minute=1, pauses=[0.0, 1.8359375])  # sums of floats fall a hair short of a minute
@given(st.integers(1, 300), st.lists(st.floats(0, 3), min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_minute_ever_holds_more_calls_than_the_limit(per_minute: int, pauses: list[float]):
    """Whenever calls are wanted, any sixty seconds hold at most the limit."""
    budget, now, sent = Budget(per_minute=per_minute, in_flight=10**9), 0.0, []
    for pause in pauses:
        now += pause + budget.wait(later(now + pause))
        if budget.wait(later(now)) == 0:
            budget.take(later(now))
            sent.append(now)

    for start in sent:
        assert sum(start <= at < start + 60 for at in sent) <= per_minute


def test_three_calls_fly_at_once_and_no_more():
    """The fourth waits until one has landed."""
    budget = Budget()
    for _ in range(3):
        assert budget.wait(NOON) == 0
        budget.take(NOON)

    assert budget.wait(NOON) > 0
    budget.landed(NOON, counted=True, headers={})
    assert budget.wait(NOON) == 0


def test_upstreams_headers_win_over_our_own_count():
    """Other programs use the same token: what upstream says is left, is left."""
    budget = Budget()
    budget.take(NOON)
    budget.landed(
        NOON,
        counted=True,
        headers={
            "x-uw-token-req-limit": "15000",
            "x-uw-daily-req-count": "14999",
            "x-uw-req-per-minute-remaining": "0",
            "x-uw-req-per-minute-reset": "44469",
        },
    )

    assert budget.wait(NOON) == pytest.approx(44.469)
    assert budget.wait(later(45)) == 0
    budget.take(later(45))
    budget.landed(later(45), counted=True, headers={"x-uw-daily-req-count": "15000"})
    assert later(45) + timedelta(seconds=budget.wait(later(45))) == datetime(2026, 7, 2, 0, 0, tzinfo=UTC)


def test_a_few_calls_left_are_stretched():
    """When others have spent nearly everything, the next calls keep the ordinary pace without a burst."""
    budget = Budget()
    budget.take(NOON)
    budget.landed(NOON, counted=True, headers={"x-uw-req-per-minute-remaining": "1"})
    assert budget.wait(NOON) == 0
    budget.take(NOON)

    assert budget.wait(NOON) > 0


def test_an_uncapped_key_is_not_slowed_by_its_headers():
    """A million remaining is no limit."""
    budget = Budget()
    budget.take(NOON)
    budget.landed(NOON, counted=True, headers={"x-uw-req-per-minute-remaining": "1000000"})

    assert budget.wait(NOON) == 0


@pytest.mark.parametrize("value", ["", "-1", "many", "9" * 50, "1.5", "\u0663"])
def test_strange_headers_are_ignored(value: str):
    """A header that is no plain number changes nothing."""
    budget = Budget()
    budget.take(NOON)
    names = ("x-uw-token-req-limit", "x-uw-daily-req-count", "x-uw-req-per-minute-remaining")
    budget.landed(NOON, counted=True, headers=dict.fromkeys(names, value))

    assert (budget.day_limit, budget.day_used, budget.wait(NOON)) == (None, 1, 0)


def test_a_reset_beyond_the_minute_waits_a_minute():
    """Upstream's minute cannot take longer than one, whatever a header says."""
    headers = {"x-uw-req-per-minute-remaining": "0", "x-uw-req-per-minute-reset": "999999999999"}
    budget = Budget()
    budget.take(NOON)
    budget.landed(NOON, counted=True, headers=headers)

    assert budget.wait(NOON) == 60
    assert Budget().limited(NOON, Limit.MINUTE, headers=headers, spread=0) == 60


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


def test_each_429_waits_for_its_own_cure():
    """Concurrency waits less than half a second or so, a minute for its reset, a day for its end."""
    assert Budget().limited(NOON, Limit.CONCURRENCY, headers={}, spread=-1) == pytest.approx(0.25)
    assert Budget().limited(NOON, Limit.CONCURRENCY, headers={}, spread=1) == pytest.approx(0.5)
    assert Budget().limited(NOON, Limit.MINUTE, headers={}, spread=0) == 60
    reset = {"x-uw-req-per-minute-reset": "1500"}
    assert Budget().limited(NOON, Limit.MINUTE, headers=reset, spread=0) == pytest.approx(1.5)
    assert Budget().limited(NOON, Limit.DAY, headers={}, spread=0) == 8 * 3600


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
    budget = Budget(day_limit=1)
    budget.wait(NOON)
    budget.take(NOON)
    budget.landed(NOON, counted=True, headers={})
    assert budget.wait(NOON) > 0

    assert budget.wait(later(8 * 3600)) == 0
