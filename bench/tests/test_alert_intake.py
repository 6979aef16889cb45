"""The judge of the intake's memory is itself judged."""

from __future__ import annotations

import pytest
from bench.alert_intake import flat, rise


def test_memory_that_settles_does_not_rise():
    """What grows in the first quarter is not counted."""
    assert rise([10.0, 40.0, *[50.0] * 6]) == 0


def test_memory_that_leaks_rises():
    """By as much as the line through the rest goes up."""
    assert rise([10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]) == pytest.approx(5)
    assert rise([10.0, 10.5]) == 0  # too few to tell


def test_what_is_kept_of_each_alert_is_no_flat_memory():
    """A hundred bytes an alert are told from what an allocator does anyway."""
    assert flat({"memory_mib": {"rise": 2.0}})
    assert flat({"memory_mib": {"rise": -9.0}})
    assert not flat({"memory_mib": {"rise": 60_000 * 100 / 2**20}})
