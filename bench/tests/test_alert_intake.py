"""The judge of the intake's memory is itself judged."""

from __future__ import annotations

import pytest
from bench.alert_intake import rise


def test_memory_that_settles_does_not_rise():
    """What grows in the first quarter is not counted."""
    assert rise([10.0, 40.0, *[50.0] * 6]) == 0


def test_memory_that_leaks_rises():
    """By as much as the line through the rest goes up."""
    assert rise([10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]) == pytest.approx(5)
    assert rise([10.0, 10.5]) == 0  # too few to tell
