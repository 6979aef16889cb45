"""The pause between flushes follows their cost."""

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.hub.pacing import LONGEST, SHORTEST, Pace, interval

COSTS = st.floats(min_value=0, max_value=10)


def test_cheap_flushes_follow_each_other_at_once():
    """A handful of clients gets every frame within about a millisecond."""
    assert interval(0.0001) == SHORTEST


def test_flushing_keeps_under_its_share_of_a_core():
    """Some cost half of a core, hundreds less than a third, thousands a little over half."""
    for cost in (0.0005, 0.001):
        assert cost <= 0.5 * interval(cost)
    for cost in (0.003, 0.005):
        assert cost <= 0.34 * interval(cost)
    for cost in (0.01, 0.02, 0.03):
        assert cost <= 0.61 * interval(cost)


def test_a_very_dear_round_is_not_put_off_for_ever():
    """However long a round takes, a client waits at most the longest pause before it may be served."""
    assert interval(5.0) == LONGEST


@given(COSTS, COSTS)
def test_dearer_rounds_never_mean_shorter_pauses(one: float, two: float):
    """The pause grows with the cost."""
    assert (interval(one) <= interval(two)) == (one <= two) or interval(one) == interval(two)


@given(st.lists(st.floats(min_value=1e-6, max_value=0.1), min_size=1, max_size=30))
def test_a_round_costs_what_its_parts_cost_and_nothing_once_they_are_gone(costs: list[float]):
    """Parts are added as they are learnt and taken out when forgotten."""
    pace = Pace()
    known = [pace.learn(0.0, cost) for cost in costs]
    assert abs(pace.round_cost - sum(costs)) < 1e-6

    for cost in known:
        pace.forget(cost)
    assert abs(pace.round_cost) < 1e-6
    assert pace.interval == SHORTEST


def test_one_odd_measurement_counts_for_a_part():
    """A single slow flush moves the estimate, but not all the way."""
    pace = Pace()
    known = pace.learn(0.0, 0.001)

    assert 0.001 < pace.learn(known, 0.101) < 0.05
