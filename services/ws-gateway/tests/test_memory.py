"""Who arrives is shown the present."""

import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.catalogue import CATALOGUE
from ws_gateway.bus.memory import Memory
from ws_gateway.event import Event
from ws_gateway.topics import matches

TOPICS = st.builds(
    lambda start, tokens, rest: ".".join([*start, *tokens, *rest]),
    st.sampled_from([("uw", "v1"), ("*", "v1"), ("uw", "*")]),
    st.lists(
        st.sampled_from(["price", "gex_strike", "flow_alert", "A", "B", "_", "*"]), min_size=1, max_size=3
    ),
    st.sampled_from([(), (">",)]),
)


def event(subject: str, seq: int, entity: str, stream: str = "TAPE") -> Event:
    """Make a message with a time that follows its number."""
    return Event(subject, entity, stream, seq, f"{stream}.e.{seq}", f"2026-01-01T00:00:00.{seq:03}Z", b"{}")


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


def steps(work: Callable[[], object]) -> int:
    """Count the Python functions that *work* calls."""
    count = 0

    def note(_frame: object, what: str, _argument: object) -> None:
        nonlocal count
        count += what == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("topics", "shown"),
    [
        ([f"uw.v1.price.T{n}" for n in range(200)], 100),
        ([f"uw.v1.gex_strike_expiry.T{n}.*.*" for n in range(200)], 300),
        ([f"*.*.*.*.*.q{n}" for n in range(200)], 0),
        ([f"*.v1.{'*' if n % 2 else 'gex_strike_expiry'}.*.*.q{n}" for n in range(200)], 0),
        (["uw.v1.>"], 400),
    ],
)
def test_the_work_for_a_snapshot_does_not_grow_with_topics_times_subjects(topics: list[str], shown: int):
    """A long list of wishes is asked once a subject, whatever it is made of, not each wish of it."""
    memory = Memory()
    for n in range(100):
        memory.keep(event(f"uw.v1.price.T{n}", n, "price", "LATEST"))
    for n in range(300):
        memory.keep(event(f"uw.v1.gex_strike_expiry.T{n % 10}.2026-01-01.{n}", n, "gex_strike_expiry", "L"))
    found = memory.present(topics, 50)

    assert len(found) == shown
    per_topic, per_subject = 4 * len(CATALOGUE), 40
    assert steps(lambda: memory.present(topics, 50)) < per_topic * len(topics) + per_subject * 400


def test_one_ticker_is_found_among_many_subjects_with_a_glance_at_each():
    """A page that opens a ticker's strikes must not hold up everybody else."""
    memory = Memory()
    for n in range(900):
        subject = f"uw.v1.gex_strike_expiry.T{n % 30}.2026-01-01.{n}"
        memory.keep(event(subject, n, "gex_strike_expiry", "LATEST"))
    asked = ("uw.v1.gex_strike_expiry.T7.*.*",)

    assert [one.seq for one in memory.last(asked)] == list(range(7, 900, 30))
    assert steps(lambda: memory.last(asked)) < 1.3 * 900


@pytest.mark.parametrize(
    "topic", ["uw.v1.*.A", "*.v1.price.A", "uw.v1.price.*", "uw.v1.price.A", "uw.v1.price.>"]
)
def test_a_single_topic_means_what_it_says_wherever_its_wildcard_stands(topic: str):
    """What begins like the topic is not yet meant by it."""
    memory = Memory()
    kept = [event("uw.v1.price.A", 1, "price", "LATEST"), event("uw.v1.price.AB", 2, "price", "LATEST")]
    for one in kept:
        memory.keep(one)

    assert memory.last((topic,)) == [one for one in kept if matches(topic, one.subject)]


@given(st.lists(TOPICS, min_size=1, max_size=6), st.lists(st.sampled_from("AB"), min_size=1, max_size=3))
def test_the_present_is_what_the_topics_mean(topics: list[str], tokens: list[str]):
    """Prepared wishes find what asking every topic of every message finds."""
    memory = Memory()
    kept = [
        event(f"uw.v1.price.{tokens[0]}", 1, "price", "LATEST"),
        event(f"uw.v1.gex_strike.{tokens[0]}.{tokens[-1]}", 2, "gex_strike", "LATEST"),
        event(f"uw.v1.flow_alert.{tokens[-1]}", 3, "flow_alert"),
        event("uw.v1.market_tide._", 4, "market_tide"),
    ]
    for one in kept:
        memory.keep(one)

    assert memory.present(topics, 50) == [e for e in kept if any(matches(t, e.subject) for t in topics)]
