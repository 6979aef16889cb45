"""What to send next, and what is settled. No loop, no server, no clock."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from baleen_bus.errors import OutboxFull
from baleen_bus.outbox import FIRST_PAUSE, Entry, Outbox


def outbox(**limits: float) -> Outbox:
    """An empty outbox with its link up."""
    box = Outbox(**{"max_messages": 100, "max_bytes": 1_000, "in_flight": 10, "ack_within": 5.0} | limits)
    box.link_up()
    return box


def entry(number: int) -> Entry:
    """The message with a number."""
    return Entry(number, f"ingress.x.{number}", b"%d" % number)


def filled(*numbers: int, **limits: float) -> Outbox:
    """An outbox in which these messages wait."""
    box = outbox(**limits)
    for number in numbers:
        box.offer(entry(number))
    return box


def test_messages_leave_in_the_order_in_which_they_came():
    """At most as many at once as the caller asks for."""
    box = filled(1, 2, 3)

    assert box.take(0.0, 2) == [b"1", b"2"]
    assert box.take(0.0, 2) == [b"3"]


def test_the_window_bounds_what_is_unacked():
    """An ack makes room for one more."""
    box = filled(1, 2, 3, in_flight=2)

    assert box.take(0.0, 10) == [b"1", b"2"]
    assert box.take(0.0, 10) == []
    box.settle(1)
    assert box.take(0.0, 10) == [b"3"]


def test_a_full_outbox_refuses_and_stays_as_it_was():
    """Bounded in messages and in bytes; unacked ones count."""
    box = filled(1, 2, max_messages=2)
    with pytest.raises(OutboxFull, match="2 messages"):
        box.offer(entry(3))
    assert box.messages == 2

    box = filled(1, 2, max_bytes=2)
    with pytest.raises(OutboxFull, match="2 bytes"):
        box.offer(entry(3))
    assert box.size == 2


def test_nothing_leaves_while_the_link_is_down_and_everything_unacked_leaves_again():
    """The oldest first, before anything that was never sent."""
    box = filled(1, 2, 3)
    box.take(0.0, 2)
    box.link_down()
    assert box.take(0.0, 10) == []

    box.link_up()
    assert box.take(0.0, 10) == [b"1", b"2", b"3"]
    assert box.resent == 2


def test_an_ack_that_comes_while_its_message_waits_to_be_sent_again_settles_it():
    """It is not sent a second time."""
    box = filled(1, 2)
    box.take(0.0, 10)
    box.link_up()

    assert box.settle(1) is not None
    assert box.settle(1) is None
    assert box.take(0.0, 10) == [b"2"]
    assert box.messages == 1


def test_an_overdue_ack_sends_everything_unacked_again():
    """A timeout means unknown."""
    box = filled(1, 2, ack_within=5.0)
    box.take(0.0, 10)

    assert not box.check(4.9)
    assert box.check(5.0)
    assert box.take(5.0, 10) == [b"1", b"2"]


def test_a_stream_in_trouble_is_given_time_longer_each_time():
    """And what follows the refused message waits with it, so that order is kept."""
    box = filled(1, 2)
    box.take(0.0, 10)
    box.retry(1, 0.0)
    assert box.take(FIRST_PAUSE / 2, 10) == []
    assert box.take(FIRST_PAUSE, 10) == [b"1", b"2"]

    box.retry(1, 1.0)
    assert box.take(1.0 + FIRST_PAUSE, 10) == []
    assert box.take(1.0 + 2 * FIRST_PAUSE, 10) == [b"1", b"2"]


def test_giving_up_returns_what_no_stream_is_known_to_have():
    """Oldest first, and the outbox is empty."""
    box = filled(1, 2, 3)
    box.take(0.0, 2)
    box.settle(1)

    assert [left.number for left in box.give_up()] == [2, 3]
    assert (box.messages, box.size) == (0, 0)


class Publishes(RuleBasedStateMachine):
    """An outbox, a line that loses its end when cut, and a stream that dedupes."""

    def __init__(self) -> None:
        super().__init__()
        self.box = outbox(max_messages=20, max_bytes=10**6, in_flight=5, ack_within=5.0)
        self.now = 0.0
        self.number = 0
        self.line: deque[int] = deque()
        self.acks: deque[int] = deque()
        self.stream: list[int] = []
        self.settled: list[int] = []
        self.linked = True

    @rule(count=st.integers(1, 6))
    def offer(self, count: int) -> None:
        """New messages come."""
        for _ in range(count):
            try:
                self.box.offer(entry(self.number + 1))
            except OutboxFull:
                assert self.box.messages == 20
                return
            self.number += 1

    @rule(limit=st.integers(1, 6))
    def send(self, limit: int) -> None:
        """Some leave for the line."""
        commands = self.box.take(self.now, limit)
        assert self.linked or not commands
        self.line.extend(map(int, commands))

    @rule(count=st.integers(1, 6))
    def store(self, count: int) -> None:
        """The stream takes some from the line, each once, and acks."""
        for _ in range(min(count, len(self.line))):
            number = self.line.popleft()
            if number not in self.stream:
                self.stream.append(number)
            self.acks.append(number)

    @rule(count=st.integers(1, 6))
    def ack(self, count: int) -> None:
        """Acks arrive."""
        for _ in range(min(count, len(self.acks))):
            settled = self.box.settle(self.acks.popleft())
            if settled is not None:
                self.settled.append(settled.number)

    @rule()
    def lose_an_ack(self) -> None:
        """One does not."""
        if self.acks:
            self.acks.popleft()

    @rule()
    def cut(self) -> None:
        """The line breaks with all that is on it."""
        self.linked = False
        self.line.clear()
        self.acks.clear()
        self.box.link_down()

    @rule()
    def restore(self) -> None:
        """A new line stands."""
        if not self.linked:
            self.linked = True
            self.box.link_up()

    @rule()
    def refuse(self) -> None:
        """The stream is in trouble and takes nothing that is on the line."""
        if self.line:
            self.box.retry(self.line[0], self.now)
            self.line.clear()  # in trouble it refuses all that follow

    @rule(seconds=st.floats(0.1, 6))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.box.check(self.now)

    @invariant()
    def stored_once_in_order(self) -> None:
        """Whatever was sent how often."""
        assert self.stream == sorted(set(self.stream))

    @invariant()
    def settled_once_and_only_what_is_stored(self) -> None:
        """An ack is never made up."""
        assert len(self.settled) == len(set(self.settled))
        assert set(self.settled) <= set(self.stream)

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        """None is forgotten."""
        assert self.box.messages + len(self.settled) == self.number
        assert self.box.flying <= 5
        assert self.box.size >= self.box.messages

    def teardown(self) -> None:
        """In the end everything is stored."""
        self.restore()
        for _ in range(100):
            self.wait(6)
            self.send(100)
            self.store(100)
            self.ack(100)
        assert self.stream == list(range(1, self.number + 1))
        assert self.box.messages == self.box.size == 0


Publishes.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestPublishes = Publishes.TestCase
