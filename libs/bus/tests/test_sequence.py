"""What comes out of a follower: each sequence once, in order, or a gap. No loop, no server."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from baleen_bus.sequence import GapReason, Hole, Sequence, Thins


def following(
    *, whole: bool = True, thins: Thins = Thins.NEVER, last: int = 0, hold_limit: int = 100
) -> Sequence[int]:
    """A sequence past its first repair."""
    sequence: Sequence[int] = Sequence(whole=whole, thins=thins, hold_limit=hold_limit)
    sequence.move_to(last)
    assert list(sequence.release(final=False)) == []
    return sequence


def test_messages_in_a_row_come_out_at_once():
    """Nothing is held while nothing is missing."""
    sequence = following()

    assert [sequence.live(seq, "a", seq - 1, seq) for seq in (1, 2, 3)] == [True, True, True]
    assert not sequence.repairing


def test_a_number_left_out_starts_a_repair_that_puts_it_in_its_place():
    """The message after the hole waits until the missing one was read."""
    sequence = following()
    assert sequence.live(1, "a", 0, 1)

    assert not sequence.live(3, "a", 2, 3)
    assert sequence.repairing
    assert sequence.fetched(2, "a")
    assert list(sequence.release(final=False)) == [3]
    assert not sequence.repairing
    assert sequence.holes == []


def test_what_the_stream_no_longer_has_is_announced_before_what_follows():
    """Only a final reading gives up; until then a replica may merely lag."""
    sequence = following()
    sequence.live(3, "a", 2, 3)

    assert list(sequence.release(final=False)) == []
    assert sequence.repairing
    for item in sequence.release(final=True):
        assert item == 3
        assert sequence.holes == [Hole(1, 2, GapReason.EXPIRED)]
    assert not sequence.repairing


def test_in_a_part_of_a_stream_others_numbers_are_no_holes():
    """Only a predecessor of the same subject that was not seen is one."""
    sequence = following(whole=False)

    assert sequence.live(5, "a", 0, 5)
    assert sequence.live(9, "a", 5, 9)
    assert not sequence.live(12, "a", 11, 12)


def test_zero_as_predecessor_means_unknown_never_first():
    """A message that names no predecessor proves nothing either way."""
    sequence = following(whole=False, last=7)

    assert sequence.live(9, "a", 0, 9)
    assert sequence.holes == []


def test_a_loss_noticed_only_after_newer_ones_went_out_is_announced():
    """Order is kept: the late one is not delivered out of turn."""
    sequence = following(whole=False)
    sequence.live(1, "a", 0, 1)
    sequence.live(3, "b", 0, 3)  # 2, of subject a, was lost

    assert sequence.live(4, "a", 2, 4)
    assert sequence.holes == [Hole(2, 2, GapReason.NOTICED_LATE)]


def test_too_many_held_messages_are_let_go_and_read_again():
    """Memory is bounded; the stream has them all."""
    sequence: Sequence[int] = Sequence(whole=True, thins=Thins.NEVER, hold_limit=2)
    for seq in (4, 5, 6, 7):
        sequence.live(seq, "a", seq - 1, seq)

    assert sequence.held == 0
    assert list(sequence.release(final=True)) == []
    assert sequence.repairing, "one more reading is needed"
    assert all(sequence.fetched(seq, "a") for seq in range(1, 8))
    assert list(sequence.release(final=False)) == []
    assert not sequence.repairing


def test_a_stream_made_anew_is_announced_and_read_from_its_start():
    """What was delivered of the old one stands; numbers begin again."""
    sequence = following(last=40)
    sequence.restart(GapReason.STREAM_RECREATED, 0)

    assert sequence.holes == [Hole(1, 40, GapReason.STREAM_RECREATED)]
    assert sequence.fetched(1, "a")


def test_a_thinning_stream_has_no_gaps():
    """Where older values make room for newer ones, a missing number means nothing."""
    sequence = following(thins=Thins.EVERYWHERE)

    assert sequence.fetched(17, "a")
    sequence.kept_from(30)
    assert sequence.holes == []


def test_a_stream_that_thins_singly_announces_what_left_at_its_front():
    """A number missing among others was replaced; at the front anything may have left with it."""
    sequence = following(thins=Thins.SINGLY)

    assert sequence.fetched(17, "a")
    assert sequence.holes == []
    sequence.kept_from(30)
    assert sequence.holes == [Hole(18, 29, GapReason.EXPIRED)]
    assert sequence.last == 29


@pytest.mark.parametrize("thins", list(Thins))
def test_what_is_held_is_not_lost_though_the_stream_has_dropped_it(thins: Thins):
    """A replaced message left the stream while the answer travelled; it was heard, and comes out."""
    sequence = following(last=10, thins=thins)
    sequence.doubt()
    for seq in (11, 12, 13):
        assert not sequence.live(seq, "a", seq - 1, seq)
    sequence.kept_from(13)

    assert sequence.holes == []
    assert list(sequence.release(final=True)) == [11, 12, 13]
    assert sequence.holes == []


class Follows(RuleBasedStateMachine):
    """A stream, a lossy live line and repairs in any interleaving."""

    whole: bool
    sequence: Sequence[int]

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.line: deque[int] = deque()
        self.first = 1
        self.delivered: list[int] = []
        self.gaps: list[Hole] = []
        self.connected = True
        self.lossless = True

    @initialize(whole=st.booleans(), hold_limit=st.integers(1, 8))
    def start(self, whole: bool, hold_limit: int) -> None:
        """A follower of all or of a part."""
        self.whole = whole
        self.sequence = Sequence(whole=whole, thins=Thins.NEVER, hold_limit=hold_limit)

    def wanted(self, seq: int) -> bool:
        """Whether the follower wants this message."""
        return self.whole or self.log[seq - 1] != "other"

    def previous(self, seq: int) -> int:
        """What the stream says came before in the same subject."""
        subject = self.log[seq - 1]
        return max((n for n in range(1, seq) if self.log[n - 1] == subject), default=0)

    def deliver(self, seq: int) -> None:
        """A message comes out."""
        self.announce()
        self.delivered.append(seq)

    def announce(self) -> None:
        """Holes come out first."""
        self.gaps += self.sequence.holes
        self.sequence.holes = []

    @rule(subject=st.sampled_from(["a", "b", "other"]), count=st.integers(1, 4))
    def store(self, subject: str, count: int) -> None:
        """The stream stores and republishes."""
        for _ in range(count):
            self.log.append(subject)
            if self.connected and self.wanted(len(self.log)):
                self.line.append(len(self.log))

    @rule(count=st.integers(1, 5))
    def hear(self, count: int) -> None:
        """Messages arrive."""
        for _ in range(min(count, len(self.line))):
            self.hear_one(self.line.popleft())

    def hear_one(self, seq: int) -> None:
        """One arrives."""
        if self.sequence.live(seq, self.log[seq - 1], self.previous(seq), seq):
            self.deliver(seq)

    @rule()
    def lose(self) -> None:
        """One does not."""
        if self.line:
            self.line.popleft()
            self.lossless = False

    @rule()
    def hear_twice(self) -> None:
        """One arrives again."""
        if self.line:
            self.hear_one(self.line[0])

    @rule()
    def disconnect(self) -> None:
        """Everything on the line is lost."""
        self.connected = False
        self.line.clear()
        self.sequence.interrupt()

    @rule()
    def expire(self) -> None:
        """The stream drops its oldest."""
        self.first = min(self.first + 2, len(self.log) + 1)

    @rule()
    def repair(self) -> None:
        """A follower reads to the stream's end."""
        self.connected = True
        self.sequence.doubt()
        for _ in range(3):
            end = len(self.log)
            self.sequence.kept_from(self.first)
            self.announce()
            for seq in range(max(self.first, self.sequence.last + 1), end + 1):
                if self.wanted(seq) and self.sequence.fetched(seq, self.log[seq - 1]):
                    self.deliver(seq)
            self.announce()
            self.sequence.checked(end)
            for item in self.sequence.release(final=True):
                self.deliver(item)
            self.announce()
            if not self.sequence.repairing:
                return
        raise AssertionError("a repair did not end")

    @invariant()
    def delivered_once_and_in_order(self) -> None:
        """Always."""
        assert self.delivered == sorted(set(self.delivered))

    @invariant()
    def nothing_is_missing_in_silence(self) -> None:
        """What did not come out was announced."""
        if not self.whole and not self.lossless:
            return  # a loss in a part of a stream shows when its subject speaks again: see teardown
        seen = set(self.delivered)
        for seq in range(1, (self.delivered or [0])[-1] + 1):
            if self.wanted(seq) and seq not in seen:
                assert any(gap.first <= seq <= gap.last for gap in self.gaps), (seq, self.gaps)

    def teardown(self) -> None:
        """Every subject speaks once more: by then nothing may be missing in silence."""
        if not hasattr(self, "sequence"):
            return
        self.hear(len(self.line))
        self.repair()
        for subject in ("a", "b"):
            self.store(subject, 1)
        self.hear(len(self.line))
        self.lossless = True
        self.nothing_is_missing_in_silence()
        assert self.delivered[-1] == len(self.log)


Follows.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestFollows = Follows.TestCase
