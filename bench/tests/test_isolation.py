"""The bench of slow clients compares what belongs together."""

from __future__ import annotations

import pytest
from bench.isolation import differences


def test_windows_are_compared_within_their_pair_whichever_came_first():
    """A machine that grows slower from pair to pair moves no difference."""
    windows = [
        {"pair": 0, "stalled": 3, "p99_ms": 12.0},
        {"pair": 0, "stalled": 0, "p99_ms": 10.0},
        {"pair": 1, "stalled": 0, "p99_ms": 110.0},
        {"pair": 1, "stalled": 3, "p99_ms": 109.0},
    ]

    assert differences(windows, "p99_ms") == [2.0, -1.0]


def test_half_a_pair_is_no_comparison():
    """A run that was cut short is not mistaken for one that found nothing."""
    with pytest.raises(KeyError):
        differences([{"pair": 0, "stalled": 0, "p99_ms": 10.0}], "p99_ms")
