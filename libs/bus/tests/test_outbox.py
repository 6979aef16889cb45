"""What to send next, and what is settled. No loop, no server, no clock."""

import contextlib
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from baleen_bus.errors import OutboxFull
from baleen_bus.lane import FIRST_PAUSE, Entry
from baleen_bus.outbox import Outbox


def outbox(**limits: float) -> Outbox:
    """An empty outbox with its link up."""
    box = Outbox(**{"max_messages": 100, "max_bytes": 1_000, "in_flight": 10, "ack_within": 5.0} | limits)
    box.link_up()
    return box


def entry(number: int, stream: str = "X") -> Entry:
    """The message with a number."""
    return Entry(number, f"ingress.x.{number}", b"%d" % number, stream)


def value(number: int, subject: str = "price") -> Entry:
    """The message with a number, of those that replace the older one of their subject."""
    return Entry(number, subject, b"%d" % number, "NEWEST", replaces=True)


def numbers(entries: list[Entry]) -> list[int]:
    """What the entries are called."""
    return [each.number for each in entries]


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

    assert numbers(box.settle(1)) == [1]
    assert box.settle(1) == []
    assert box.take(0.0, 10) == [b"2"]
    assert box.messages == 1


def test_an_overdue_ack_sends_everything_unacked_again():
    """A timeout means unknown. The first goes alone, as the stream may be in trouble."""
    box = filled(1, 2, ack_within=5.0)
    box.take(0.0, 10)

    assert not box.check(4.9)
    assert box.check(5.0)
    assert box.take(5.0, 10) == [b"1"]
    box.settle(1)
    assert box.take(5.0, 10) == [b"2"]


def test_a_stream_in_trouble_is_given_time_longer_each_time():
    """What follows the refused message waits with it, so that order is kept, until the stream took one."""
    box = filled(1, 2)
    box.take(0.0, 10)
    box.retry(1, 0.0)
    assert box.take(FIRST_PAUSE / 2, 10) == []
    assert box.take(FIRST_PAUSE, 10) == [b"1"]

    box.retry(1, 1.0)
    assert box.take(1.0 + FIRST_PAUSE, 10) == []
    assert box.take(1.0 + 2 * FIRST_PAUSE, 10) == [b"1"]
    box.settle(1)
    assert box.take(1.0 + 2 * FIRST_PAUSE, 10) == [b"2"]


def test_a_stream_in_trouble_holds_up_no_other():
    """Neither one that refuses nor one that never answers; and each keeps its own order."""
    box = outbox(in_flight=2)
    for number in range(1, 9):
        box.offer(entry(number, "AILING" if number % 2 else "WELL"))
    assert box.take(0.0, 10) == [b"1", b"2", b"3", b"4"]

    box.retry(1, 0.0)
    box.settle(2)
    box.settle(4)
    assert box.take(0.0, 10) == [b"6", b"8"]
    assert box.take(FIRST_PAUSE, 10) == [b"1"]
    box.settle(1)
    assert box.take(FIRST_PAUSE, 10) == [b"3", b"5"]


def test_messages_of_several_streams_leave_in_the_order_of_their_offers():
    """As long as every stream is well."""
    box = outbox()
    for number in range(1, 10):
        box.offer(entry(number, f"S{number % 3}"))

    assert box.take(0.0, 4) + box.take(0.0, 10) == [b"%d" % number for number in range(1, 10)]


def test_of_what_was_sent_only_the_newest_of_a_subject_is_sent_again():
    """The server may have forgotten the older one: its repeat would throw the newer one out."""
    box = outbox()
    for number in (1, 2, 3, 4):
        box.offer(value(number, "b" if number == 3 else "a"))
    box.take(0.0, 3)
    box.link_up()

    assert box.take(0.0, 10) == [b"2", b"3", b"4"]
    assert numbers(box.settle(4)) == [1, 2, 4]
    assert numbers(box.settle(3)) == [3]
    assert (box.messages, box.size) == (0, 0)


def test_the_ack_of_a_newer_value_settles_the_older_one():
    """Whose own ack was lost: it must not be sent any more."""
    box = outbox()
    box.offer(value(1))
    box.offer(value(2))
    box.take(0.0, 10)

    assert numbers(box.settle(2)) == [1, 2]
    box.link_up()
    assert box.take(0.0, 10) == []


def test_an_older_value_is_sent_again_when_the_newer_one_is_refused():
    """Nothing newer has taken its place then."""
    box = outbox()
    box.offer(value(1))
    box.offer(value(2))
    box.take(0.0, 10)
    box.link_up()
    assert box.take(0.0, 10) == [b"2"]

    dropped = box.drop(2)
    assert dropped is not None
    assert box.take(0.0, 10) == [b"1"]
    assert numbers(box.settle(1)) == [1]
    assert box.messages == 0


def test_what_the_stream_may_have_forgotten_is_not_sent_again_before_somebody_looked():
    """Other streams go on; what was not found goes then, and is not in doubt for as long again."""
    box = Outbox(max_messages=9, max_bytes=99, in_flight=9, ack_within=5.0, remembers={"X": 60.0})
    box.link_up()
    for number in (1, 2):
        box.offer(entry(number))
    box.take(0.0, 10)
    box.link_up()
    assert box.doubtful(61.0) == {}

    box.offer(entry(3))
    box.offer(entry(4, "Y"))
    assert box.take(61.0, 10) == [b"4"]
    assert {stream: numbers(sent) for stream, sent in box.doubtful(61.0).items()} == {"X": [1, 2]}
    box.postpone("X", 61.0)
    assert box.doubtful(62.0) == {}
    assert list(box.doubtful(64.0)) == ["X"]

    box.settle(1)
    box.assured("X", 64.0)
    assert box.take(64.0, 10) == [b"2", b"3"]
    box.link_up()
    assert box.take(100.0, 10) == [b"2", b"3", b"4"]


def test_the_oldest_message_tells_how_long_it_has_been_held():
    """Sent or not; nothing held is no age."""
    box = outbox()
    assert box.oldest_age(9.0) == 0.0

    for number in (1, 2):
        box.offer(Entry(number, "x", b"x", offered_at=float(number)))
    box.take(2.0, 1)
    assert box.oldest_age(9.0) == 8.0
    box.settle(1)
    assert box.oldest_age(9.0) == 7.0


def test_giving_up_returns_what_no_stream_is_known_to_have():
    """Oldest first, and the outbox is empty."""
    box = filled(1, 2, 3)
    box.take(0.0, 2)
    box.settle(1)

    assert [left.number for left in box.give_up()] == [2, 3]
    assert (box.messages, box.size) == (0, 0)


STREAMS = ("A", "B")


def stream_of(number: int) -> str:
    """Of three messages one is for B."""
    return STREAMS[number % 3 == 0]


class Publishes(RuleBasedStateMachine):
    """An outbox, a line that loses its end when cut, and two streams that dedupe."""

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
                self.box.offer(entry(self.number + 1, stream_of(self.number + 1)))
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

    @precondition(lambda self: self.line)
    @rule(count=st.integers(1, 6))
    def store(self, count: int) -> None:
        """The stream takes some from the line, each once, and acks."""
        for _ in range(min(count, len(self.line))):
            number = self.line.popleft()
            if number not in self.stream:
                self.stream.append(number)
            self.acks.append(number)

    @precondition(lambda self: self.acks)
    @rule(count=st.integers(1, 6))
    def ack(self, count: int) -> None:
        """Acks arrive."""
        for _ in range(min(count, len(self.acks))):
            self.settled += numbers(self.box.settle(self.acks.popleft()))

    @precondition(lambda self: self.acks)
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

    @precondition(lambda self: self.line)
    @rule()
    def refuse(self) -> None:
        """A stream is in trouble and takes nothing of what is on the line for it."""
        if self.line:
            ailing = stream_of(self.line[0])
            self.box.retry(self.line[0], self.now)
            self.line = deque(number for number in self.line if stream_of(number) != ailing)

    @rule(seconds=st.floats(0.1, 6))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.box.check(self.now)

    @invariant()
    def stored_once_in_order(self) -> None:
        """Whatever was sent how often."""
        for stream in STREAMS:
            stored = [number for number in self.stream if stream_of(number) == stream]
            assert stored == sorted(set(stored))

    @invariant()
    def settled_once_and_only_what_is_stored(self) -> None:
        """An ack is never made up."""
        assert len(self.settled) == len(set(self.settled))
        assert set(self.settled) <= set(self.stream)

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        """None is forgotten."""
        assert self.box.messages + len(self.settled) == self.number
        assert self.box.flying <= 5 * len(STREAMS)
        assert self.box.size >= self.box.messages

    def teardown(self) -> None:
        """In the end everything is stored."""
        self.restore()
        for _ in range(100):
            self.wait(6)
            self.send(100)
            self.store(100)
            self.ack(100)
        assert sorted(self.stream) == list(range(1, self.number + 1))
        assert self.box.messages == self.box.size == 0


class Replaces(RuleBasedStateMachine):
    """An outbox of values, and a server that keeps the newest of each subject and forgets what it evicted.

    It dedupes by what it remembers; killed, it remembers only what it keeps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.box = outbox(max_messages=30, max_bytes=10**6, in_flight=6, ack_within=5.0)
        self.now = 0.0
        self.number = 0
        self.newest: dict[int, int] = {}  # what was offered last, by subject
        self.line: deque[int] = deque()
        self.acks: deque[int] = deque()
        self.kept: dict[int, int] = {}
        self.known: set[int] = set()
        self.settled: list[int] = []

    @initialize(subjects=st.lists(st.integers(0, 2), min_size=3, max_size=6))
    def begin(self, subjects: list[int]) -> None:
        """Some values are on the line."""
        self.offer(subjects)
        self.send(6)

    @rule(subjects=st.lists(st.integers(0, 2), min_size=3, max_size=6))
    def offer(self, subjects: list[int]) -> None:
        """New values come."""
        for subject in subjects:
            with contextlib.suppress(OutboxFull):
                self.box.offer(value(self.number * 3 + subject + 3, str(subject)))
                self.number += 1
                self.newest[subject] = self.number * 3 + subject

    @precondition(lambda self: self.box.messages)
    @rule(limit=st.integers(1, 6))
    def send(self, limit: int) -> None:
        """Some leave for the line."""
        self.line.extend(map(int, self.box.take(self.now, limit)))

    @precondition(lambda self: self.line)
    @rule(count=st.integers(1, 6))
    def store(self, count: int) -> None:
        """The server takes some from the line, each that it knows not, and acks."""
        for _ in range(min(count, len(self.line))):
            number = self.line.popleft()
            if number not in self.known:
                self.known.add(number)
                self.kept[number % 3] = number
            self.acks.append(number)

    @precondition(lambda self: self.acks)
    @rule(count=st.integers(1, 6))
    def ack(self, count: int) -> None:
        """Acks arrive."""
        for _ in range(min(count, len(self.acks))):
            self.settled += numbers(self.box.settle(self.acks.popleft()))

    @precondition(lambda self: self.acks)
    @rule()
    def lose_an_ack(self) -> None:
        """One does not."""
        if self.acks:
            self.acks.popleft()

    @precondition(lambda self: self.box.flying)
    @rule(reached=st.integers(0, 6), killed=st.booleans())
    def cut(self, reached: int, *, killed: bool) -> None:
        """The line breaks, perhaps because the server was killed; some got there, and no ack came back."""
        self.store(reached)
        self.line.clear()
        self.acks.clear()
        if killed:
            self.known = set(self.kept.values())
        self.box.link_down()
        self.box.link_up()

    @precondition(lambda self: self.line)
    @rule()
    def refuse(self) -> None:
        """The stream is in trouble."""
        if self.line:
            self.box.retry(self.line[0], self.now)
            self.line.clear()

    @rule(seconds=st.floats(0.1, 6))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.box.check(self.now)

    @invariant()
    def what_is_settled_is_kept_or_outdone(self) -> None:
        """No settled value is newer than what the server keeps of its subject."""
        assert len(self.settled) == len(set(self.settled))
        assert all(self.kept[number % 3] >= number for number in self.settled)
        assert self.box.messages + len(self.settled) == self.number
        assert self.box.size >= self.box.messages

    def teardown(self) -> None:
        """After one more crash everything is settled and the newest of each subject is kept."""
        self.send(6)
        self.cut(6, killed=True)
        for _ in range(100):
            self.wait(6)
            self.send(100)
            self.store(100)
            self.ack(100)
        assert self.kept == self.newest
        assert self.box.messages == self.box.size == 0


Replaces.TestCase.settings = Publishes.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestPublishes = Publishes.TestCase
TestReplaces = Replaces.TestCase
