"""What stands under a lease's key, whoever wrote it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import Entry
from baleen_bus.lease_value import (
    Before,
    Head,
    Nothing,
    Ours,
    Released,
    StrangeValueError,
    Theirs,
    release_mark,
    sight_of,
    value_of,
    written,
)

HEAD = Head("ingest-1", "abc", 5, "2026-01-05T15:30:00Z", Before.EXPIRED, 12)


def entry(value: bytes, *, deleted: bool = False) -> Entry:
    """An entry of revision 9."""
    return Entry("socket.1", value, 9, deleted)


def test_a_holder_knows_its_own_value():
    """And which of its writes that was."""
    value = written(HEAD, {"state": "connected", "accepted": frozenset({"b", "a"})})

    assert sight_of(entry(value), "abc") == Ours(9, 5)
    assert sight_of(entry(value), "xyz") == Theirs(9)
    assert sight_of(None, "abc") == Nothing()
    assert value_of(entry(value)) == {
        "owner": "ingest-1",
        "nonce": "abc",
        "number": 5,
        "since": "2026-01-05T15:30:00Z",
        "before": "expired",
        "epoch": 12,
        "state": "connected",
        "accepted": ["a", "b"],
    }


def test_what_a_holder_tells_does_not_hide_what_the_lease_says():
    """The lease's own words win."""
    assert value_of(entry(written(HEAD, {"owner": "me", "nonce": 1})))["owner"] == "ingest-1"


def test_only_a_holders_own_mark_proves_a_release():
    """A stranger's says nothing about the holder, who may still be at work."""
    assert sight_of(entry(release_mark("ingest-1"), deleted=True), "abc") == Released(9)
    for mark in (b"", b"{}", b'{"released":1}', b"[]", b"\xff"):
        assert sight_of(entry(mark, deleted=True), "abc") == Theirs(9)
    assert sight_of(entry(release_mark("ingest-1")), "abc") == Theirs(9)


@given(
    st.binary()
    | st.recursive(st.none() | st.integers(-(2**50), 2**50) | st.text(), st.lists).map(orjson.dumps)
)
def test_a_strangers_value_is_theirs_and_says_why_it_is_strange(value):
    """Whatever it is, nobody stumbles over it."""
    assert sight_of(entry(value), "abc") == Theirs(9)
    with pytest.raises(StrangeValueError):
        value_of(entry(value))


@pytest.mark.parametrize(
    "value", [{}, {"owner": 1, "since": ""}, {"owner": "a"}, {"owner": None, "since": None}]
)
def test_a_value_names_its_owner_and_its_time(value):
    """Otherwise no holder wrote it."""
    with pytest.raises(StrangeValueError):
        value_of(entry(orjson.dumps(value)))


@pytest.mark.parametrize("number", [None, "5", 5.0, True])
def test_our_nonce_with_a_number_that_is_none_is_not_ours(number):
    """Somebody copied it."""
    value = {"owner": "ingest-1", "nonce": "abc", "number": number, "since": ""}
    assert sight_of(entry(orjson.dumps(value)), "abc") == Theirs(9)
