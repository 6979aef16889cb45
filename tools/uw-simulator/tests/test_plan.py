"""When frames are due: rates without drift, periods with a phase, the shape of a day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_simulator.plan import DAY_SECONDS, Every, Pacer, day_shape, in_extended_hours, phase_of


@given(st.floats(1, 50_000), st.lists(st.floats(0.001, 0.9), min_size=1, max_size=100))
def test_a_rate_is_kept_without_drift(rate: float, waits: list[float]):
    """However the steps fall, the sum is the rate times the time, to one frame."""
    pacer, now, sent = Pacer(0), 0.0, 0
    for wait in waits:
        now += wait
        sent += pacer.due(now, rate)

    assert abs(sent - rate * now) <= 1 + rate * 1e-9


def test_a_stall_is_not_followed_by_a_flood():
    """After a minute of standstill at most one second's frames are made up for."""
    pacer = Pacer(0)

    assert pacer.due(60, 100) == 100


def test_a_period_is_due_once():
    """The first call is due, then one call in each period, on the phase."""
    timer = Every(10, phase=3)

    assert [timer.due(now) for now in (95, 102.9, 103, 112.9, 113.1)] == [True, False, True, False, True]


def test_a_late_start_does_not_make_two_in_a_row():
    """Half a period at least lies between two, so that records told by the second differ."""
    timer = Every(10, phase=3)

    assert [timer.due(now) for now in (102.9, 103, 107.8, 107.9, 113)] == [True, False, False, True, True]


@given(st.text(), st.floats(0.1, 100))
def test_a_phase_lies_within_its_period(key: str, period: float):
    """Phases are stable and differ by key."""
    assert 0 <= phase_of(key, period) < period
    assert phase_of(key, period) == phase_of(key, period)


def test_a_day_is_as_busy_as_its_mean():
    """The shape redistributes the tape over the day and adds nothing."""
    mean = sum(day_shape(second) for second in range(int(DAY_SECONDS))) / DAY_SECONDS

    assert mean == pytest.approx(1, abs=0.01)
    assert day_shape(0) > 2 > day_shape(DAY_SECONDS / 2) > 0.4


def test_extended_hours_are_a_weekday_from_four_to_eight():
    """New York's clock decides."""
    assert in_extended_hours(datetime(2026, 6, 1, 8, 0, tzinfo=UTC))
    assert not in_extended_hours(datetime(2026, 6, 1, 7, 59, tzinfo=UTC))
    assert not in_extended_hours(datetime(2026, 6, 6, 15, 0, tzinfo=UTC))
