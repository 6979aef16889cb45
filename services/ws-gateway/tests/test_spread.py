"""Clients that are sent away return over a while that fits their number."""

from __future__ import annotations

import pytest

from ws_gateway.gateway import LONGEST_RETURN_MS, RETURN_WITHIN_MS, spread_ms


@pytest.mark.parametrize(
    ("clients", "rate", "within"),
    [
        (0, 500.0, RETURN_WITHIN_MS),
        (1_000, 500.0, RETURN_WITHIN_MS),
        (2_500, 500.0, 5_000),
        (5_000, 500.0, 10_000),
        (50_000, 500.0, LONGEST_RETURN_MS),
        (50_000, 0.0, RETURN_WITHIN_MS),
    ],
)
def test_as_many_return_a_second_as_another_gateway_takes(clients: int, rate: float, within: int):
    """Few come back soon; so many that it would last too long come sooner, and are told again."""
    assert spread_ms(clients, rate) == within
