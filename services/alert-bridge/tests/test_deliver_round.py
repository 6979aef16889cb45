"""Each alert that enters a round ends once, in the order of the stream, whatever happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alert_bridge.carried import Carried
from alert_bridge.changes import DELETES
from alert_bridge.deliver.ends import End, State
from alert_bridge.deliver.round import Round
from alert_bridge.destinations.destination import Delivered, Later, Rejected
from alert_bridge.reasons import Dead, Suppressed, Wait
from alert_bridge.rules.decide import Hold, Send, Suppress
from baleen_contracts.alert import Alert

NOW = datetime(2026, 4, 27, 14, tzinfo=UTC)


def carried(seq: int, at: datetime = NOW, **told) -> Carried:
    """One alert."""
    alert = Alert(alert_type="rally", source="test", occurred_at=at, **told)
    return Carried(seq, alert, at)


def a_round(**told) -> Round:
    """A round whose alerts live for a day."""
    return Round(**({"give_up_after": 86_400.0} | told))


def take(
    round_: Round, seq: int, decision=None, *, after: float = 0.0, at: datetime = NOW, **told
) -> list[End]:
    """Let a round take an alert so many seconds after *at*."""
    now = at.timestamp() + after
    return round_.take(carried(seq, at, **told), decision or Send("all"), size=100, now=now, came=now)


def hold(seconds: float, *, key: str = "k", most: int | None = None, why: Wait = Wait.GROUPED) -> Hold:
    """A decision to wait."""
    return Hold("all", key, NOW + timedelta(seconds=seconds), why, most)


def offered(round_: Round) -> list[int]:
    """What may be sent next."""
    offer = round_.offer()
    return [] if offer is None else [item.carried.seq for item in offer.items]


def test_a_suppressed_alert_ends_at_once_and_leaves_its_room():
    """It waits for nothing."""
    round_ = a_round(most=1)

    (end,) = take(round_, 1, Suppress(Suppressed.MUTED, "all", "by the mute"))

    assert (end.key, end.state, end.reason, end.route) == ((1, 0), State.SUPPRESSED, "muted", "all")
    assert (len(round_), round_.room) == (0, 1)


def test_a_message_that_failed_is_offered_again_as_it_was():
    """Even if more alerts wait meanwhile: the same message, so that a receiver can know it again."""
    round_ = a_round()
    take(round_, 1), take(round_, 2)
    round_.begin(2, 0.0)
    assert round_.later(Later(Wait.SERVER_ERROR)) == []
    take(round_, 3)

    assert offered(round_) == [1, 2]
    round_.begin(2, 0.0)
    ends = round_.delivered(Delivered(200, "m"))
    assert [(end.key[0], end.attempts, end.again) for end in ends] == [(1, 2, 0), (2, 2, 0)]
    assert offered(round_) == [3]


def test_only_what_was_told_alone_can_be_changed_later():
    """A message that says two alerts stays when one of them is edited."""
    round_ = a_round()
    take(round_, 1), take(round_, 2), take(round_, 3)
    round_.begin(2, 0.0)
    assert not any(end.alone for end in round_.delivered(Delivered(200, "m")))
    round_.begin(1, 0.0)
    assert [end.alone for end in round_.delivered(Delivered(200, "m"))] == [True]


def test_what_may_have_been_taken_counts_as_a_possible_duplicate_when_it_is_sent_again():
    """Not when a destination said that it was not taken."""
    round_ = a_round()
    take(round_, 1)
    for why in (Wait.NO_ANSWER, Wait.RATE_LIMITED, Wait.NO_ANSWER):
        round_.begin(1, 0.0)
        round_.later(Later(why))
    round_.begin(1, 0.0)

    (end,) = round_.delivered(Delivered())
    assert (end.attempts, end.again) == (4, 2)


def test_what_a_dead_sender_may_have_told_is_unknown_where_once_is_the_most():
    """It is not sent again."""
    round_ = a_round(at_most_once=True)

    (end,) = round_.take(carried(1), Send("all"), size=1, now=0.0, came=0.0, doubts=1)
    assert (end.state, end.reason, end.again) == (State.DEAD, Dead.UNKNOWN, 0)

    take(round_, 2)
    round_.begin(1, 0.0)
    (end,) = round_.later(Later(Wait.NO_ANSWER))
    assert (end.reason, offered(round_)) == (Dead.UNKNOWN, [])


def test_a_refused_message_of_several_is_told_one_by_one():
    """So that one bad alert costs no other."""
    round_ = a_round()
    take(round_, 1), take(round_, 2), take(round_, 3)
    round_.begin(2, 0.0)
    assert round_.rejected(Rejected(400)) == []

    assert offered(round_) == [1]
    round_.begin(1, 0.0)
    (end,) = round_.rejected(Rejected(400, "embed 0 is empty"))
    assert (end.key[0], end.reason, end.status, end.detail) == (1, Dead.REJECTED, 400, "embed 0 is empty")
    assert offered(round_) == [2]
    round_.begin(1, 0.0)
    round_.delivered(Delivered())
    assert offered(round_) == [3]


def test_a_group_goes_as_one_digest_when_it_is_due():
    """After what waited before, and others go ahead of it meanwhile."""
    round_ = a_round()
    take(round_, 1, hold(30)), take(round_, 2), take(round_, 3, hold(31))
    assert offered(round_) == [2]
    assert round_.next_due() == (NOW + timedelta(seconds=30)).timestamp()
    round_.begin(1, 0.0)
    round_.delivered(Delivered())
    assert round_.offer() is None
    assert round_.waiting_for is Wait.GROUPED

    assert round_.tick(NOW.timestamp() + 30) == []
    offer = round_.offer()
    assert offer is not None
    assert (offer.digest, offered(round_)) == (True, [1, 3])
    round_.begin(2, 0.0)
    assert all(end.digest for end in round_.delivered(Delivered()))


def test_a_group_goes_sooner_once_it_is_full():
    """And what comes after begins a new one."""
    round_ = a_round()
    take(round_, 1, hold(30, most=2)), take(round_, 2, hold(31, most=2)), take(round_, 3, hold(32, most=2))

    assert offered(round_) == [1, 2]
    assert round_.held == 1


def test_what_is_received_after_a_group_was_due_begins_a_new_one():
    """Though nobody has looked at the time in between."""
    round_ = a_round()
    take(round_, 1, hold(30))
    take(round_, 2, hold(90), after=60)

    assert (offered(round_), round_.held) == ([1], 1)


def test_a_night_of_quiet_does_not_fill_the_round():
    """The largest group goes early, in one digest, and that is counted; what comes meanwhile passes."""
    round_ = a_round(most=20)
    for seq in range(1, 19):
        take(round_, seq, hold(30_000, why=Wait.QUIET_HOURS))

    assert round_.released_early == 18
    assert offered(round_) == list(range(1, 19))
    assert round_.room == 2


def test_an_alert_that_is_too_old_dies_where_it_waits():
    """Before a message is made of it, never while one is on its way."""
    round_ = a_round(give_up_after=60.0)
    take(round_, 1), take(round_, 2, at=NOW + timedelta(seconds=30))
    round_.begin(1, 0.0)
    assert round_.tick(NOW.timestamp() + 61) == []
    round_.later(Later(Wait.UNREACHABLE))

    (end,) = round_.tick(NOW.timestamp() + 61)
    assert (end.key[0], end.reason) == (1, Dead.TOO_OLD)
    assert (offered(round_), round_.retries) == ([2], False)


def test_the_age_of_what_was_held_counts_from_when_it_was_due():
    """A night is no reason to give up."""
    round_ = a_round(give_up_after=60.0)
    take(round_, 1, hold(30_000, why=Wait.QUIET_HOURS))

    assert round_.tick(NOW.timestamp() + 30_000) == []
    assert offered(round_) == [1]
    assert [end.reason for end in round_.tick(NOW.timestamp() + 30_060)] == [Dead.TOO_OLD]


def test_a_change_is_told_alone():
    """It belongs to one message."""
    round_ = a_round()
    take(round_, 1), take(round_, 2, labels={DELETES: "17"}), take(round_, 3)

    assert offered(round_) == [1]
    round_.begin(1, 0.0)
    round_.delivered(Delivered())
    assert offered(round_) == [2]
    round_.begin(1, 0.0)
    (end,) = round_.nothing_to_change("no message")
    assert (end.state, end.reason) == (State.SUPPRESSED, Suppressed.NOTHING_TO_CHANGE)
    assert offered(round_) == [3]


def test_an_alert_that_is_held_can_be_withdrawn():
    """What waits in the queue cannot: its message may be made already."""
    round_ = a_round()
    take(round_, 1, hold(30)), take(round_, 2, hold(30)), take(round_, 3)

    (end,) = round_.withdraw(1)
    assert (end.key[0], end.state, end.reason) == (1, State.SUPPRESSED, Suppressed.WITHDRAWN)
    assert round_.withdraw(1) == round_.withdraw(3) == round_.withdraw(9) == []
    round_.withdraw(2)
    assert (round_.held, len(round_), round_.next_due()) == (0, 1, NOW.timestamp() + 86_400)


def test_bytes_bound_a_round_as_well():
    """One alert is taken whatever its size."""
    round_ = a_round(most_bytes=150)
    take(round_, 1)
    assert round_.room > 0
    take(round_, 2)
    assert round_.room == 0


class AnyRound(RuleBasedStateMachine):
    """Whatever is decided, answered, and how long it takes."""

    @initialize(once=st.booleans(), most=st.integers(1, 12))
    def begin_round(self, once: bool, most: int) -> None:
        """Take nothing yet."""
        self.round = Round(give_up_after=100.0, at_most_once=once, most=most)
        self.now, self.seq = NOW.timestamp(), 0
        self.entered: list[int] = []
        self.ended: dict[int, End] = {}
        self.arrived: list[int] = []
        self.at_once: set[int] = set()
        self.flying: list[int] = []
        self.doubted: set[int] = set()

    def end(self, ends: list[End]) -> None:
        """Each ends once."""
        for end in ends:
            assert end.key[0] not in self.ended
            self.ended[end.key[0]] = end

    @precondition(lambda self: self.round.room > 0)
    @rule(kind=st.sampled_from(["send", "send", "hold", "suppress", "doubt"]), key=st.sampled_from("ab"))
    def take(self, kind: str, key: str) -> None:
        """The next alert of the stream."""
        self.seq += 1
        self.entered.append(self.seq)
        at = datetime.fromtimestamp(self.now, UTC)
        decision = {
            "hold": Hold("all", key, at + timedelta(seconds=20), Wait.GROUPED, 3),
            "suppress": Suppress(Suppressed.DUPLICATE, "all"),
        }.get(kind, Send("all"))
        self.at_once |= {self.seq} if isinstance(decision, Send) else set()
        doubts = int(kind == "doubt")
        self.doubted |= {self.seq} if doubts else set()
        self.end(
            self.round.take(
                carried(self.seq, at), decision, size=1, now=self.now, came=self.now, doubts=doubts
            )
        )

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.end(self.round.tick(self.now))

    @precondition(lambda self: not self.flying and self.round.offer() is not None)
    @rule(share=st.floats(0, 1))
    def send(self, share: float) -> None:
        """A message of some of what is offered leaves."""
        offer = self.round.offer()
        assert offer is not None
        count = len(offer.items)
        if not offer.digest and not self.round.retries:
            count = max(1, round(share * count))
        self.flying = [item.carried.seq for item in self.round.begin(count, self.now)]
        assert not set(self.flying) & set(self.ended), "it has ended and is sent all the same"
        in_order = [seq for seq in self.flying if seq in self.at_once]
        assert in_order == sorted(in_order), "what was held may come later, nothing else"

    @precondition(lambda self: self.flying)
    @rule(answer=st.sampled_from(["delivered", "busy", "silent", "rejected", "stopped"]))
    def answer(self, answer: str) -> None:
        """The destination answers."""
        sent, self.flying = self.flying, []
        match answer:
            case "delivered":
                self.arrived += sent
                self.end(self.round.delivered(Delivered()))
            case "busy":
                self.end(self.round.later(Later(Wait.RATE_LIMITED, failed=False)))
            case "silent":
                self.doubted |= set(sent)
                self.end(self.round.later(Later(Wait.NO_ANSWER)))
            case "rejected":
                self.end(self.round.rejected(Rejected(400)))
            case _:
                self.round.stopped()

    @invariant()
    def nothing_is_lost_or_told_twice(self) -> None:
        """Every alert that entered is open or has ended, and arrived once at most."""
        if not hasattr(self, "round"):
            return
        still = {seq for seq in self.entered if (seq, 0) in self.round}
        assert still.isdisjoint(self.ended)
        assert still | set(self.ended) == set(self.entered)
        assert len(self.round) == len(still)
        assert len(self.arrived) == len(set(self.arrived))
        in_order = [seq for seq in self.arrived if seq in self.at_once]
        assert in_order == sorted(in_order)
        assert all(self.ended[seq].again == 0 for seq in self.ended if seq not in self.doubted)

    def teardown(self) -> None:
        """With patience and a destination that takes everything, all end."""
        if not hasattr(self, "round"):
            return
        if self.flying:
            self.round.stopped()
        self.end(self.round.tick(self.now + 30))
        while (offer := self.round.offer()) is not None:
            self.round.begin(len(offer.items), self.now)
            self.end(self.round.delivered(Delivered()))
        assert set(self.ended) == set(self.entered)
        assert (len(self.round), self.round.held) == (0, 0)


TestAnyRound = AnyRound.TestCase
TestAnyRound.settings = settings(max_examples=80, stateful_step_count=40)
