"""The plan of a drill: the same for the same seed, and never more than the fleet must stand."""

from hypothesis import given
from hypothesis import strategies as st
from tests.chaos.blows import HITS_A_REPLICA, LASTING, MOST_ABSENT, Kind, blows


def test_a_seed_decides_everything() -> None:
    """A failing drill can be run again."""
    assert blows(7, 600, 4) == blows(7, 600, 4)
    assert blows(7, 600, 4) != blows(8, 600, 4)


def test_ten_minutes_hold_every_kind_many_times() -> None:
    """Nothing is left out by chance."""
    kinds = [blow.kind for blow in blows(1, 600, 4)]

    assert min(kinds.count(kind) for kind in Kind) >= 5


@given(st.integers(0, 10_000))
def test_somebody_is_always_there(seed: int) -> None:
    """At most two replicas are dead or frozen at once, and every blow lasts as long as its kind may."""
    found = blows(seed, 200, 4)

    for blow in found:
        least, most = LASTING[blow.kind]
        assert least <= blow.lasting <= most
        hurt = [
            other
            for other in found
            if other.kind in HITS_A_REPLICA and other.at <= blow.at <= other.at + other.lasting
        ]
        assert len(hurt) <= MOST_ABSENT
