"""What a stream's past says to those who come back: what is at hand, what is gone, what means nothing."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import Gap, GapReason
from baleen_contracts.catalogue import by_name, example
from ws_gateway.bus.memory import Memory
from ws_gateway.bus.past import Lost, Past, StreamPast
from ws_gateway.bus.tail import Tail
from ws_gateway.dialects.alpha_terminal import AlphaTerminal
from ws_gateway.event import Event
from ws_gateway.events.dialect import Events
from ws_gateway.hub.hub import Hub
from ws_gateway.native.dialect import Native
from ws_gateway.topics import matches

SUBJECTS = ("uw.v1.flow_alert.SPY", "uw.v1.flow_alert.QQQ", "uw.v1.dark_pool.SPY")
TOPICS = (*SUBJECTS, "uw.v1.flow_alert.*", "uw.v1.>", "uw.v1.*.SPY")


def event(seq: int, subject: str = SUBJECTS[0], body: bytes = b"{}") -> Event:
    """Make a message."""
    return Event(subject, subject.split(".")[2], "TAPE", seq, f"TAPE.e.{seq}", None, body)


def stream(epoch: str = "e") -> StreamPast:
    """Make the past of a stream that is heard from its beginning."""
    past = Past(Memory(), 1 << 20).follow(
        "TAPE", ("uw.v1.*.*",), newest_only=False, epoch=lambda: epoch, read=lambda _delivered: None
    )
    past.tail.begin(0)
    return past


@given(
    st.lists(st.sampled_from(SUBJECTS), max_size=40),
    st.integers(0, 40),
    st.sets(st.sampled_from(TOPICS), min_size=1, max_size=3),
    st.integers(1_000, 30_000),
)
def test_a_tail_tells_all_that_came_after_a_position_or_that_it_cannot(
    subjects: list[str], seq: int, topics: set[str], most_bytes: int
):
    """In order, each message once, however many topics mean it; never a part of it as if it were all."""
    tail = Tail(most_bytes)
    tail.begin(0)
    for number, subject in enumerate(subjects, 1):
        tail.add(event(number, subject))
    wanted = [
        number
        for number, subject in enumerate(subjects, 1)
        if number > seq and any(matches(topic, subject) for topic in topics)
    ]
    told = [one.seq for one in tail.after(seq, topics)]

    assert told == wanted[len(wanted) - len(told) :]
    if tail.covers(seq):
        assert told == wanted
    assert tail.covers(len(subjects))
    assert not tail.covers(len(subjects) + 1)


def test_a_tail_is_bounded_by_the_bytes_of_its_messages():
    """The oldest give way, and whoever knows less is told that it is so."""
    tail = Tail(100_000)
    tail.begin(0)
    for number in range(1, 501):
        tail.add(event(number, body=b"x" * 400))

    assert 20 < len(tail) < 100_000 / 800
    assert tail.floor == 500 - len(tail)
    assert not tail.covers(0)


@pytest.mark.parametrize("entity", ["signal", "option_trade"])
async def test_a_tail_takes_no_more_room_than_it_says(entity: str):
    """However many dialects say its messages, smaller for some, and however many snapshots show them."""
    body = orjson.dumps(example(by_name(entity)))
    hub, tail = Hub(pack_from=0), Tail(1 << 22)
    tail.begin(0)
    dialects = (Native(), AlphaTerminal(list), Events("a", lambda: ("TAPE.e.1",)), Events("b", tuple))
    tracemalloc.start()
    began, number = tracemalloc.get_traced_memory()[0], 0
    while tail.floor < 100:
        number += 1
        message = event(number, body=bytes(bytearray(body)))
        tail.add(message)
        for dialect in dialects:
            frame = hub.frame(dialect, message)
            assert frame is None or hub.pack(frame)
        message.frames["native snapshot"] = Native().snapshot_item(message)
    taken = tracemalloc.get_traced_memory()[0] - began
    tracemalloc.stop()
    hub.close()
    assert len(tail) > 100
    assert taken < 1 << 22


def test_a_tail_takes_no_message_twice():
    """One that was read from the stream and heard from it too is the same."""
    tail = Tail(100_000)
    tail.begin(10)
    for number in (11, 12, 11, 9, 12, 13):
        tail.add(event(number))
    assert [one.seq for one in tail.after(10, ["uw.v1.>"])] == [11, 12, 13]


def test_a_position_of_another_epoch_or_of_the_future_means_nothing():
    """There is nothing to go on from."""
    past = stream()
    past.keep(event(1))
    assert past.at == "TAPE.e.1"
    assert past.resumes_from("e", 1) == 1
    assert past.resumes_from("e", 2) is None
    assert past.resumes_from("other", 1) is None


def test_what_a_stream_lost_is_told_to_whoever_had_not_heard_it():
    """And to nobody else."""
    past = stream()
    for number in (1, 2, 6):
        past.keep(event(number))
    past.lose(Gap("TAPE", 3, 5, GapReason.EXPIRED), 6)

    assert past.missing_after(1) == Lost("TAPE", 2, 5, "expired")
    assert past.missing_after(4) == Lost("TAPE", 4, 5, "expired")
    assert past.missing_after(5) is None
    assert past.resumes_from("e", 1) == 1


def test_numbers_that_were_given_twice_are_told_from_where_they_began_again():
    """A server that lost its end gives the same numbers to other messages: a position there is in doubt."""
    past = stream()
    for number in range(1, 11):
        past.keep(event(number))
    past.lose(Gap("TAPE", 8, 10, GapReason.WENT_BACK), 7)
    for number in range(8, 13):
        past.keep(event(number))

    assert past.missing_after(9) == Lost("TAPE", 9, 10, "went_back")
    assert past.resumes_from("e", 9) == 7
    assert [one.seq for one in past.tail.after(7, ["uw.v1.>"])] == [8, 9, 10, 11, 12]
    assert past.missing_after(11) is None
    assert past.resumes_from("e", 11) == 11


def test_more_holes_than_are_remembered_are_still_told():
    """Only their bounds get coarser."""
    past = stream()
    for number in range(1, 2_400, 2):
        past.lose(Gap("TAPE", number, number, GapReason.EXPIRED), number)
    assert past.missing_after(0) == Lost("TAPE", 0, 2_399, "expired")
    assert past.missing_after(2_399) is None
