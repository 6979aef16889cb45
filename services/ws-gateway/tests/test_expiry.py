"""Whose token ends when."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.expiry import Expiries

WARN = 60.0


def test_a_client_is_warned_once_and_then_ended():
    """The warning comes so long before the end, the end no later than the token's."""
    expiries: Expiries[str] = Expiries(WARN)
    expiries.note("a", 1_000.5)

    assert expiries.wait(0.0) == 940
    assert expiries.due(939.9) == ([], [])
    assert expiries.due(940.0) == ([("a", 60.5)], [])
    assert expiries.due(941.0) == ([], [])
    assert expiries.wait(941.0) == 59
    assert expiries.due(1_000.0) == ([], ["a"])
    assert (len(expiries), expiries.wait(1_000.0)) == (0, None)


def test_a_fresher_token_takes_the_place_of_the_old_one():
    """Neither warned nor ended by the old end; warned again by the new one."""
    expiries: Expiries[str] = Expiries(WARN)
    expiries.note("a", 1_000)
    assert expiries.due(940)[0] == [("a", 60)]
    expiries.note("a", 2_000)

    assert expiries.due(1_500) == ([], [])
    assert expiries.due(1_940) == ([("a", 60)], [])


def test_a_token_that_lasts_shorter_than_the_warning_is_warned_of_at_once():
    """There is no later moment."""
    expiries: Expiries[str] = Expiries(WARN)
    expiries.note("a", 1_030)

    assert expiries.wait(1_000) == 0
    assert expiries.due(1_000) == ([("a", 30)], [])


CLIENTS = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), CLIENTS, st.floats(1, 300)),
        st.tuples(st.just("forget"), CLIENTS, st.just(0.0)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0, 100)),
    ),
    max_size=60,
)


@given(STEPS)
def test_nobody_stays_longer_than_the_token_lasts_and_nothing_is_kept_of_who_is_gone(
    steps: list[tuple[str, str, float]],
):
    """However clients come, go and are refreshed: whoever asks as often as told ends each at its second."""
    expiries: Expiries[str] = Expiries(WARN)
    now, ends = 1_000.0, dict[str, float]()
    for step, client, number in steps:
        if step == "note":
            ends[client] = now + number
            expiries.note(client, ends[client])
        elif step == "forget":
            ends.pop(client, None)
            expiries.forget(client)
        else:
            until = now + number
            while (wait := expiries.wait(now)) is not None and now + wait <= until:
                now += wait
                warned, ended = expiries.due(now)
                assert all(ends[who] == now + left for who, left in warned) or not warned
                for who in ended:
                    assert math.floor(ends.pop(who)) <= now
            now = until
            assert all(math.floor(end) > now for end in ends.values())
        assert len(expiries) == len(ends) == sum(map(len, expiries._seconds.values()))
        assert len(expiries._seconds) <= len(ends)
