"""A destination that fails is left alone for longer and longer, never for ever, and one that is gone is."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from alert_bridge.deliver.breaker import Breaker, Standing


def test_the_longest_wait_doubles_up_to_the_cap():
    """Chance takes a share of it, so that many senders do not come at once."""
    breaker, waits = Breaker(cap=10.0), []
    for _ in range(6):
        breaker.failed("server_error", 100.0, chance=1.0)
        waits.append(breaker.ready_in(100.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]

    breaker.failed("server_error", 100.0, chance=0.25)
    assert breaker.ready_in(100.0) == 2.5


def test_a_destination_that_asks_for_longer_is_left_alone_for_longer():
    """Beyond the cap, too."""
    breaker = Breaker(cap=10.0)
    breaker.failed("rate_limited", 0.0, chance=1.0, after=60.0)
    assert breaker.ready_in(0.0) == 60.0


def test_it_opens_after_failures_in_a_row_and_one_success_closes_it():
    """Meanwhile the head of the line alone tries."""
    breaker = Breaker(opens_after=3)
    for _ in range(2):
        breaker.failed("unreachable", 0.0, chance=0.0)
    assert breaker.standing(0.0) is Standing.WAITING
    breaker.failed("unreachable", 0.0, chance=0.0)
    assert breaker.standing(0.0) is Standing.OPEN
    breaker.passed()
    assert (breaker.standing(0.0), breaker.failures, breaker.why) == (Standing.RUNNING, 0, "")


def test_an_obeyed_limit_is_no_failure():
    """It opens nothing."""
    breaker = Breaker(opens_after=1)
    breaker.held_off("rate_limited", 5.0, 2.0)
    assert (breaker.standing(6.0), breaker.ready_in(6.0)) == (Standing.WAITING, 1.0)
    assert breaker.standing(7.0) is Standing.RUNNING
    assert breaker.failures == 0


def test_one_that_asks_for_no_time_is_not_asked_in_a_circle():
    """It gets a little more each time, up to a second; an answer that is well begins anew."""
    breaker, now = Breaker(), 0.0
    for _ in range(20):
        breaker.held_off("rate_limited", now, 0.0)
        now += breaker.ready_in(now)
    assert now > 10.0
    breaker.passed()
    breaker.held_off("rate_limited", now, 0.0)
    assert breaker.ready_in(now) < 0.1


def test_a_stopped_one_stays_so_until_somebody_acts():
    """Then it is tried at once."""
    breaker = Breaker()
    breaker.failed("server_error", 0.0, chance=1.0)
    breaker.stop("404: Unknown Webhook")
    assert (breaker.stopped, breaker.standing(1e9), breaker.why) == (
        True,
        Standing.STOPPED,
        "404: Unknown Webhook",
    )
    breaker.resume()
    assert (breaker.stopped, breaker.ready_in(0.0)) == (False, 0.0)


@given(chances=st.lists(st.floats(0, 1, exclude_max=True), max_size=2_000), cap=st.floats(0.1, 86_400))
def test_no_wait_is_longer_than_the_cap(chances: list[float], cap: float):
    """However long it is away."""
    breaker = Breaker(cap=cap)
    for chance in chances:
        breaker.failed("unreachable", 0.0, chance)
        assert 0.0 <= breaker.ready_in(0.0) <= cap
