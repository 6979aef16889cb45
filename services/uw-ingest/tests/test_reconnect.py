"""How long to wait before the next socket."""

from hypothesis import given
from hypothesis import strategies as st

from uw_ingest.upstream.reconnect import Backoff


def test_delays_double_up_to_a_minute():
    """Half a second, one, two, and never more than sixty."""
    backoff = Backoff()

    assert [backoff.after(healthy_for=0, spread=0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_only_a_healthy_minute_forgets_the_failures():
    """A socket that is accepted and closed again must not reset the delay."""
    backoff = Backoff()
    for _ in range(5):
        backoff.after(healthy_for=0, spread=0)

    assert backoff.after(healthy_for=59, spread=0) == 16
    assert backoff.after(healthy_for=60, spread=0) == 0.5


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(-1, 1)), max_size=100))
def test_it_never_gives_up_and_never_exceeds_the_cap(lives: list[tuple[float, float]]):
    """After any history there is a delay, between its least value and a minute."""
    backoff = Backoff()
    for healthy_for, spread in lives:
        assert 0.45 <= backoff.after(healthy_for=healthy_for, spread=spread) <= 60
