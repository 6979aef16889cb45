"""How many one address and one subject may have."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.limits import Kind, Limits

STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(list(Kind)), st.sampled_from(["a", "b", "c"])), max_size=80
)


@given(STEPS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2))
def test_never_more_than_the_limit_are_in_and_the_counts_return_to_zero(
    steps: list[tuple[bool, Kind, str]], per_address: int, per_subject: int, elsewhere: int
):
    """However they come and go; those of other processes count too."""
    limits = Limits(per_address=per_address, per_subject=per_subject)
    limits.elsewhere = lambda _kind, key: elsewhere if key == "a" else 0
    most = {Kind.ADDRESS: per_address, Kind.SUBJECT: per_subject}
    inside: Counter[tuple[Kind, str]] = Counter()
    for comes, kind, key in steps:
        others = elsewhere if key == "a" else 0
        if comes:
            free = inside[kind, key] + others < most[kind]
            assert limits.take(kind, key) is free
            inside[kind, key] += free
        elif inside[kind, key]:
            limits.give_back(kind, key)
            inside[kind, key] -= 1
        assert inside[kind, key] <= max(0, most[kind] - others)
        assert limits.counts()[kind].get(key, 0) == inside[kind, key]
    for kind, key in inside.elements():
        limits.give_back(kind, key)

    assert limits.counts() == {Kind.ADDRESS: {}, Kind.SUBJECT: {}}


def test_a_limit_of_zero_is_none_and_is_counted_all_the_same():
    """Others want to know how many there are."""
    limits = Limits(per_address=0, per_subject=1)

    assert all(limits.take(Kind.ADDRESS, "a") for _ in range(1_000))
    assert limits.counts()[Kind.ADDRESS] == {"a": 1_000}


def test_a_refusal_leaves_nothing_behind():
    """Whoever is never let in is not remembered."""
    limits = Limits(per_address=1, per_subject=1)
    limits.elsewhere = lambda _kind, _key: 1
    for number in range(100):
        assert not limits.take(Kind.ADDRESS, str(number))

    assert limits.counts()[Kind.ADDRESS] == {}
