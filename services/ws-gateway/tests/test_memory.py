"""Who arrives is shown the present."""

from collections.abc import Iterator

import pytest

from ws_gateway.event import Event
from ws_gateway.memory import Memory


def event(subject: str, seq: int, entity: str, stream: str = "TAPE") -> Event:
    """Make a message with a time that follows its number."""
    return Event(subject, entity, stream, seq, f"{stream}.e.{seq}", f"2026-01-01T00:00:{seq:02}Z", b"{}")


@pytest.fixture
def memory() -> Iterator[Memory]:
    """A memory of twenty alerts on two tickers and ten prices on two."""
    memory = Memory(newest_kept=8, max_subjects=3)
    for seq in range(20):
        memory.keep(event(f"uw.v1.flow_alert.{'AB'[seq % 2]}", seq, "flow_alert"))
    for seq in range(10):
        memory.keep(event(f"uw.v1.price.{'AB'[seq % 2]}", seq, "price", "LATEST"))
    return memory


def test_the_newest_come_in_order_and_no_more_than_asked(memory: Memory):
    """Oldest first, the newest last."""
    assert [e.seq for e in memory.newest(("uw.v1.flow_alert.*",), 3)] == [17, 18, 19]
    assert [e.seq for e in memory.newest(("uw.v1.flow_alert.A",), 3)] == [14, 16, 18]
    assert memory.newest(("uw.v1.flow_alert.*",), 0) == []


def test_memory_is_bounded(memory: Memory):
    """Only so many messages a kind and so many subjects are kept."""
    assert len(memory.newest((">",), 100)) == 16
    for ticker in "CDEF":
        memory.keep(event(f"uw.v1.price.{ticker}", 30, "price", "LATEST"))
    assert len(memory.last(("uw.v1.price.*",))) == 3


def test_the_last_of_every_subject(memory: Memory):
    """One message a subject, where only the last counts."""
    assert {e.subject: e.seq for e in memory.last(("uw.v1.>",))} == {"uw.v1.price.A": 8, "uw.v1.price.B": 9}


def test_the_present_is_the_last_where_that_counts_and_the_newest_elsewhere(memory: Memory):
    """A subscription to everything begins with both, in order of time."""
    present = memory.present(("uw.v1.>",), 2)

    assert [(e.entity, e.seq) for e in present] == [
        ("price", 8),
        ("price", 9),
        ("flow_alert", 18),
        ("flow_alert", 19),
    ]


def test_what_is_remembered_is_known(memory: Memory):
    """A message that was read from the past is not told again when it also arrives live."""
    assert memory.knows(event("uw.v1.flow_alert.A", 19, "flow_alert"))
    assert not memory.knows(event("uw.v1.flow_alert.A", 20, "flow_alert"))
    assert not memory.knows(event("uw.v1.news._", 1, "news", "RECORDS"))
