"""Sizes are counted in classes as Prometheus reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.sizes import Sizes


@given(st.lists(st.integers(0, 300)))
def test_each_class_holds_all_that_are_no_larger(sizes: list[int]):
    """The classes add up, the last holds all, and the sum is the sum."""
    counted = Sizes((0, 10, 200))
    for size in sizes:
        counted.note(size)

    assert counted.total == sum(sizes)
    assert counted.buckets() == [
        ("0", sum(size <= 0 for size in sizes)),
        ("10", sum(size <= 10 for size in sizes)),
        ("200", sum(size <= 200 for size in sizes)),
        ("+Inf", len(sizes)),
    ]
