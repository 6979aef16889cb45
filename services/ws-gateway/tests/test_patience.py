"""A worker that crashes is started again, ever more slowly; one that cannot start is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.fleet.patience import (
    FIRST_PAUSE,
    LASTS,
    LONGEST_PAUSE,
    MOST_FAILURES,
    Again,
    GiveUp,
    Patience,
)


def test_one_that_never_served_cannot_start():
    """The first that ends before it served ends everything."""
    assert Patience().ended(78, served=False, lived=1.0) == GiveUp(
        "a worker cannot start: it ended with 78 before it served"
    )


def test_one_that_crashed_is_started_again_ever_more_slowly():
    """The pause doubles while the successors do not last, and there is an end to it."""
    patience = Patience()
    pauses = []
    while isinstance(verdict := patience.ended(-9, served=True, lived=1.0), Again):
        pauses.append(verdict.after)
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert len(pauses) == MOST_FAILURES - 1
    assert "did not last" in verdict.reason


def test_a_successor_that_does_not_serve_is_tried_again_all_the_same():
    """What could start once may start again: the cause may pass."""
    patience = Patience()
    patience.ended(-9, served=True, lived=LASTS)
    assert isinstance(patience.ended(1, served=False, lived=0.1), Again)


@given(st.lists(st.floats(0, 10 * LASTS), min_size=1, max_size=50))
def test_one_that_lasts_is_always_replaced_at_once(lives: list[float]):
    """However often workers ended before."""
    patience = Patience()
    for lived in lives:
        verdict = patience.ended(1, served=True, lived=lived)
        if isinstance(verdict, GiveUp):
            return
        assert FIRST_PAUSE <= verdict.after <= LONGEST_PAUSE
    assert patience.ended(1, served=True, lived=LASTS) == Again(FIRST_PAUSE)
