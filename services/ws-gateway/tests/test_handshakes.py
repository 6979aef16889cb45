"""How often clients may come."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.handshakes import LONGEST_WAIT, MAX_ADDRESSES, SECONDS_AT_ONCE, Handshakes

COMERS = st.lists(
    st.tuples(st.floats(0, 2), st.sampled_from([None, "a", "b"])),
    max_size=150,
)


def doors(rate: float = 0, rate_per_address: float = 0, chance: float = 0.0) -> Handshakes:
    """Return doors that open at second 0."""
    return Handshakes(rate=rate, rate_per_address=rate_per_address, now=0.0, chance=lambda: chance)


@given(COMERS, st.floats(1, 20), st.floats(1, 20))
def test_no_more_come_in_than_the_rates_allow(
    comers: list[tuple[float, str | None]], rate: float, per_address: float
):
    """In all the time together, and for each address: what may come at once, and the rate from there on."""
    handshakes, now = doors(rate, per_address), 0.0
    inside: Counter[str | None] = Counter()
    for pause, address in comers:
        now += pause
        inside[address] += handshakes.wait(address, now) is None
        assert inside.total() <= max(1, rate * SECONDS_AT_ONCE) + rate * now + 1e-6
        for name in ("a", "b"):
            assert inside[name] <= max(1, per_address * SECONDS_AT_ONCE) + per_address * now + 1e-6


def test_one_address_leaves_room_for_the_others():
    """Who storms the door is sent away by its own rate, and spends nothing of the others'."""
    handshakes = doors(rate=10, rate_per_address=2)
    stormed = [handshakes.wait("a", 0.0) for _ in range(1_000)]

    assert stormed.count(None) == 4
    assert [handshakes.wait(name, 0.0) for name in "bcd"] == [None, None, None]


def test_those_who_come_too_early_are_spread():
    """Of a crowd, as many are told each second as the rate takes in, up to the longest wait."""
    handshakes = doors(rate=100)
    waits = Counter(handshakes.wait(None, 0.0) for _ in range(1_200))

    assert waits.pop(None) == 200
    assert set(waits) == set(range(1, 11))
    assert all(count == pytest.approx(100, abs=2) for count in waits.values())


def test_nobody_is_told_to_wait_for_long():
    """A queue of any length is told the longest wait, which chance does not lengthen."""
    handshakes = doors(rate=1, chance=0.99)
    waits = [handshakes.wait(None, 0.0) for _ in range(10_000)]

    assert max(wait for wait in waits if wait is not None) == LONGEST_WAIT
    assert min(wait for wait in waits if wait is not None) >= 1


@given(st.floats(0, 1, exclude_max=True), st.floats(0.5, 50))
def test_chance_spreads_over_a_second(chance: float, rate: float):
    """The wait is a whole second or more, and at most one longer than it must be."""
    handshakes = doors(rate_per_address=rate, chance=chance)
    while (wait := handshakes.wait("a", 0.0)) is None:
        pass

    assert 1 <= wait <= math.ceil(1 / rate) + 1


def test_without_rates_everybody_comes_in():
    """Zero is no limit."""
    handshakes = doors()

    assert all(handshakes.wait("a", 0.0) is None for _ in range(10_000))
    assert handshakes.refused == 0


def test_the_memory_of_addresses_is_bounded():
    """However many addresses come, only so many are remembered, the latest."""
    handshakes = doors(rate_per_address=0.5)
    for number in range(MAX_ADDRESSES + 10):
        assert handshakes.wait(str(number), 0.0) is None

    assert len(handshakes._by_address) == MAX_ADDRESSES
    assert handshakes.wait(str(MAX_ADDRESSES + 9), 0.0) is not None
