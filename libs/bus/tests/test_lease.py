"""The lease's deciding part: as transcripts, and against everything a bus and a clock can do."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from baleen_bus.lease import Lease
from baleen_bus.lease_talk import (
    Command,
    Delete,
    Event,
    Failed,
    Grant,
    Held,
    Hinted,
    Lost,
    Question,
    Quiet,
    Read,
    Refused,
    ReleaseAsked,
    Saw,
    Stored,
    TimePassed,
    Touched,
    Write,
    times_for,
)
from baleen_bus.lease_value import Before, Nothing, Ours, Released, Sight, Theirs

SIX = times_for(6.0)


def contender(*, wanted: bool = True, eager: float = 0.0) -> Lease:
    """One that wants the lease from second 0."""
    lease = Lease("socket.1", SIX)
    lease.want(wanted, eager, 0.0)
    return lease


def holder(at: float = 10.0) -> Lease:
    """One that took the lease at this time, long vacant, with revision 7."""
    lease = contender()
    assert lease.handle(Quiet(1000.0, at)) == [Read(1)]
    assert lease.handle(Saw(1, Nothing(), at)) == [Write(2, 0, Before.VACANT, 0)]
    assert lease.handle(Stored(2, 7, at)) == [Held(Grant("socket.1", 7, Before.VACANT))]
    return lease


@pytest.mark.parametrize(("length", "renew", "margin"), [(6, 1, 1.5), (15, 2, 3), (3, 0.5, 0.75)])
def test_times_follow_from_the_length(length, renew, margin):
    """Six seconds for one server, fifteen for a cluster, others in proportion."""
    times = times_for(float(length))

    assert (times.renew, times.margin) == (renew, margin)


def test_a_lease_that_never_expires_is_none():
    """Nobody could take it over."""
    with pytest.raises(ValueError, match="expire"):
        times_for(0.0)


def test_a_lease_found_vacant_is_taken_a_margin_later():
    """It may have expired a moment ago, its holder frozen with the socket open."""
    lease = contender()
    assert lease.handle(TimePassed(0.0)) == [Read(1)]
    assert lease.handle(Saw(1, Nothing(), 0.1)) == []
    assert lease.handle(TimePassed(0.6)) == [Read(2)]
    assert lease.handle(Saw(2, Nothing(), 0.6)) == []
    assert lease.handle(TimePassed(1.59)) == [Read(3)]
    assert lease.handle(Saw(3, Nothing(), 1.59)) == []
    assert lease.wake_at() == pytest.approx(1.6)
    assert lease.handle(TimePassed(1.6)) == [Write(4, 0, Before.VACANT, 0)]


def test_a_lease_of_a_quiet_bucket_is_taken_at_once():
    """Whoever held it has stopped long ago."""
    assert holder().grant_at(10.0) == Grant("socket.1", 7, Before.VACANT)


def test_a_bucket_quiet_for_less_than_a_lease_and_its_margin_says_nothing_yet():
    """The rest is waited for."""
    lease = contender()
    assert lease.handle(Quiet(7.0, 10.0)) == [Read(1)]
    assert lease.handle(Saw(1, Nothing(), 10.0)) == []
    assert lease.wake_at() == pytest.approx(10.5)
    assert lease.handle(TimePassed(10.5)) == [Read(2)]
    assert lease.handle(Saw(2, Nothing(), 10.5)) == [Write(3, 0, Before.VACANT, 0)]


def test_a_released_lease_is_taken_at_once_over_the_mark():
    """Its holder has stopped."""
    lease = contender()
    assert lease.handle(TimePassed(0.0)) == [Read(1)]
    assert lease.handle(Saw(1, Released(4), 0.1)) == [Write(2, 4, Before.RELEASED, 0)]
    assert lease.handle(Stored(2, 5, 0.2)) == [Held(Grant("socket.1", 5, Before.RELEASED))]


def test_an_expired_lease_is_taken_a_margin_after_it_was_first_seen_gone():
    """And the taker knows that the holder was not seen to let go."""
    lease = contender()
    lease.handle(TimePassed(0.0))
    assert lease.handle(Saw(1, Theirs(3), 0.0)) == []
    now, number, told = 0.0, 1, []
    while not told:
        now, number = lease.wake_at(), number + 1
        assert lease.handle(TimePassed(now)) == [Read(number)]
        told = lease.handle(Saw(number, Theirs(3) if now < 4.9 else Nothing(), now))
    assert told == [Write(number + 1, 0, Before.EXPIRED, 0)]
    assert now == pytest.approx(5.0 + 1.5)


def test_who_has_much_already_lets_others_go_first():
    """By so many seconds, counted from when the lease is both free and wanted."""
    lease = contender(wanted=False)
    lease.handle(Quiet(1000.0, 10.0))
    assert lease.handle(Saw(1, Nothing(), 10.0)) == []
    assert lease.handle(TimePassed(11.0)) == [Read(2)]
    assert lease.handle(Saw(2, Nothing(), 11.0)) == []
    lease.want(True, 0.3, 11.5)
    assert lease.wake_at() == pytest.approx(11.8)
    assert lease.handle(TimePassed(11.8)) == [Write(3, 0, Before.VACANT, 0)]


def test_a_renewal_counts_from_when_it_was_sent():
    """However long its answer took."""
    lease = holder(10.0)
    assert lease.deadline == 14.5
    assert lease.wake_at() == 11.0
    assert lease.handle(TimePassed(11.0)) == [Write(3, 7, Before.VACANT, 7)]
    assert lease.handle(Stored(3, 8, 13.0)) == [Write(4, 8, Before.VACANT, 7)]
    assert lease.deadline == 15.5


def test_a_holder_that_cannot_renew_stops_at_its_deadline():
    """Before anybody else can take the lease; and it may be asked without any event."""
    lease = holder(10.0)
    lease.handle(TimePassed(11.0))
    lease.handle(Failed(3, 12.0))
    assert lease.grant_at(14.4999) is not None
    assert lease.grant_at(14.5) is None
    assert lease.handle(TimePassed(14.5))[0] == Lost("it was not renewed in time")


def test_a_lost_answer_to_a_renewal_is_made_good_by_reading():
    """The repeat is refused, the value is ours: adopted, good from when it was sent."""
    lease = holder(10.0)
    lease.handle(TimePassed(11.0))
    assert lease.handle(Failed(3, 12.0)) == []
    assert lease.handle(TimePassed(12.25)) == [Write(4, 7, Before.VACANT, 7)]
    assert lease.handle(Refused(4, 12.3)) == [Read(5)]
    assert lease.handle(Saw(5, Ours(8, 3), 12.4)) == []
    assert lease.deadline == 15.5
    assert lease.handle(TimePassed(12.55)) == [Write(6, 8, Before.VACANT, 7)]


def test_a_lost_answer_to_the_taking_is_made_good_by_reading():
    """The lease was ours all the time."""
    lease = contender()
    lease.handle(Quiet(1000.0, 10.0))
    lease.handle(Saw(1, Nothing(), 10.0))
    assert lease.handle(Failed(2, 11.0)) == []
    assert lease.handle(TimePassed(11.25)) == [Read(3)]
    assert lease.handle(Saw(3, Ours(9, 2), 11.3)) == [
        Held(Grant("socket.1", 9, Before.VACANT)),
        Write(4, 9, Before.VACANT, 9),  # long due
    ]
    assert lease.deadline == 14.5


def test_a_holder_that_finds_anothers_value_stops_at_once():
    """Also when it was a stranger who wrote it."""
    lease = holder(10.0)
    assert lease.handle(Hinted(10.5)) == [Read(3)]
    assert lease.handle(Saw(3, Theirs(9), 10.6)) == [Lost("somebody else wrote it")]


def test_release_leaves_a_mark_over_exactly_the_own_value():
    """Nothing is lost: the holder said it had stopped."""
    lease = holder(10.0)
    assert lease.handle(ReleaseAsked(10.5)) == [Delete(3, 7)]
    assert lease.grant_at(10.5) is None
    lease.want(False, 0.0, 10.5)
    assert lease.handle(Stored(3, 8, 10.6)) == []
    assert not lease.leaving


def test_release_waits_for_the_write_that_is_out():
    """Its revision is the one to delete."""
    lease = holder(10.0)
    lease.handle(TimePassed(11.0))
    assert lease.handle(ReleaseAsked(11.1)) == []
    assert lease.handle(Stored(3, 8, 11.2)) == [Delete(4, 8)]


def test_a_lease_nobody_wants_any_more_when_it_arrives_is_given_back():
    """Without the owner hearing of it."""
    lease = contender()
    lease.handle(Quiet(1000.0, 10.0))
    lease.handle(Saw(1, Nothing(), 10.0))
    lease.want(False, 0.0, 10.1)
    assert lease.handle(Stored(2, 5, 10.2)) == [Delete(3, 5)]


def test_news_are_told_soon_but_not_each_at_once():
    """A holder whose state flutters does not flood the bus."""
    lease = holder(10.0)
    assert lease.handle(Touched(10.01)) == []
    assert lease.wake_at() == pytest.approx(10.05)
    assert lease.handle(TimePassed(10.05)) == [Write(3, 7, Before.VACANT, 7)]


def test_a_cooling_holder_keeps_the_lease_and_does_not_use_it():
    """A socket refused upstream must not be asked for by the next replica either."""
    lease = holder(10.0)
    lease.cool(12.0)
    assert not lease.usable_at(11.9)
    assert lease.grant_at(11.9) is not None
    assert lease.usable_at(12.0)


def test_a_clock_that_goes_back_ends_the_lease():
    """No deadline measured with it means anything."""
    lease = holder(10.0)
    assert lease.grant_at(9.9) is None
    assert lease.handle(TimePassed(9.9))[0] == Lost("the clock went back")


def test_a_clock_that_leaps_ahead_ends_the_lease_and_shortens_no_wait():
    """What was free before the leap may have been held meanwhile."""
    assert isinstance(holder(10.0).handle(TimePassed(100.0))[0], Lost)
    lease = contender()
    lease.handle(TimePassed(0.0))
    lease.handle(Saw(1, Nothing(), 0.0))
    assert lease.handle(TimePassed(50.0)) == [Read(2)]
    assert lease.handle(Saw(2, Nothing(), 50.0)) == []


def test_an_answer_to_a_question_given_up_is_not_taken_for_another():
    """Questions have numbers."""
    lease = holder(10.0)
    lease.handle(TimePassed(11.0))
    lease.handle(Failed(3, 12.0))
    lease.handle(TimePassed(12.25))
    assert lease.handle(Stored(3, 8, 12.3)) == []
    assert lease.deadline == 14.5


# --- against everything a bus and a clock can do

QUARTERS = st.sampled_from([1, 4, 8, 20, 32, 40])
"""Of a second; the longest is enough for a lease to expire and be taken by another."""


@dataclass
class Value:
    """What the server keeps: by whom, which write of theirs, under which revision, since when."""

    author: int | None
    number: int
    revision: int
    since: float
    mark: bool = False


@dataclass
class Server:
    """A key with a revision and a lifetime, as exact as the real one. It may forget late, never early."""

    lag: float
    revision: int = 0
    value: Value | None = None

    def at(self, now: float) -> Value | None:
        """What stands there now."""
        if self.value is not None and now >= self.value.since + SIX.length + self.lag:
            self.value = None
        return self.value

    def store(
        self, now: float, last: int | None, author: int | None, number: int, *, mark: bool
    ) -> int | None:
        """Stores over this revision (None: any); None if another one stands there."""
        value = self.at(now)
        if last is not None and last != (value.revision if value else 0):
            return None
        self.revision += 1
        self.value = Value(author, number, self.revision, now, mark)
        return self.revision


@dataclass
class Replica:
    """A contender with a clock of its own, which may be frozen, mute or deaf."""

    lease: Lease
    offset: float
    frozen: bool = False
    asks: bool = True
    """Whether its requests get through."""
    hears: bool = True
    """Whether answers get through to it."""
    question: Question | None = None
    held: list[int] = field(default_factory=list)


class Replicas(RuleBasedStateMachine):
    """Some replicas contend for one key while messages are delayed, lost, doubled and reordered."""

    kind: type[Lease] = Lease
    trusts_any_mark = False

    @initialize(
        lag=st.sampled_from([0.0, 0.3]), offsets=st.lists(st.integers(0, 1000), min_size=2, max_size=3)
    )
    def start(self, lag: float, offsets: list[int]) -> None:
        """Their clocks agree in pace and in nothing else."""
        self.now = 0.0
        self.server = Server(lag)
        self.replicas = [Replica(self.kind("socket.1", SIX), float(offset)) for offset in offsets]
        self.requests: list[tuple[int, Question]] = []
        self.answers: list[tuple[int, Event]] = []
        self.epochs: list[int] = []
        for replica in self.replicas:
            replica.lease.want(True, 0.0, replica.offset)
        self.poke()

    # what time does

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.6, 3.0, 5.0, 7.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing is delivered meanwhile."""
        self.now += seconds
        self.poke()

    @rule(quarters=QUARTERS)
    def all_is_well(self, quarters: int) -> None:
        """Whoever is neither frozen nor cut off talks to the server without delay."""
        for _ in range(quarters):
            self.now += 0.25
            self.poke()
            self.settle()

    @rule(which=st.integers(0, 2), seconds=st.sampled_from([-1000.0, -0.5, 0.5, 2.0, 1000.0]))
    def a_clock_leaps(self, which: int, seconds: float) -> None:
        """And its owner looks at it."""
        replica = self.replica(which)
        assume(not replica.frozen)
        replica.offset += seconds
        self.hand(replica, TimePassed(self.clock(replica)))

    # what the network does

    @rule(data=st.data(), doubled=st.booleans())
    def a_request_arrives(self, data: st.DataObject, doubled: bool) -> None:
        """Any of those under way, and perhaps once more later."""
        assume(self.requests)
        place = data.draw(st.integers(0, len(self.requests) - 1))
        request = self.requests[place] if doubled else self.requests.pop(place)
        self.serve(*request)

    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        """Any of those under way."""
        assume(self.answers)
        which, event = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        self.answer(which, event)

    @rule(data=st.data(), of_answers=st.booleans())
    def one_is_lost(self, data: st.DataObject, of_answers: bool) -> None:
        """A request or an answer."""
        lost = self.answers if of_answers else self.requests
        assume(lost)
        lost.pop(data.draw(st.integers(0, len(lost) - 1)))

    @rule(which=st.integers(0, 2), asks=st.booleans(), hears=st.booleans())
    def a_cable_is_pulled_or_put_back(self, which: int, asks: bool, hears: bool) -> None:
        """In either direction; what is under way stays so."""
        replica = self.replica(which)
        replica.asks, replica.hears = asks, hears

    @rule(which=st.integers(0, 2), quarters=QUARTERS)
    def its_answers_are_slow(self, which: int, quarters: int) -> None:
        """Its requests are served at once, and it hears of that much later."""
        replica = self.replica(which)
        replica.asks, replica.hears = True, False
        self.all_is_well(quarters)
        replica.hears = True
        self.settle()

    # what replicas do

    @rule(which=st.integers(0, 2))
    def one_waits_no_longer(self, which: int) -> None:
        """The deadline of its question has passed."""
        replica = self.replica(which)
        assume(replica.question is not None and not replica.frozen)
        assert replica.question is not None
        self.hand(replica, Failed(replica.question.number, self.clock(replica)))

    @rule(which=st.integers(0, 2), frozen=st.booleans())
    def one_is_frozen_or_thawed(self, which: int, frozen: bool) -> None:
        """Answers wait for it."""
        replica = self.replica(which)
        replica.frozen = frozen

    @rule(which=st.integers(0, 2), kind=st.sampled_from([ReleaseAsked, Touched, Hinted]))
    def one_acts(self, which: int, kind: type[ReleaseAsked | Touched | Hinted]) -> None:
        """It lets go, has news, or hears of a change."""
        replica = self.replica(which)
        assume(not replica.frozen)
        self.hand(replica, kind(self.clock(replica)))

    @rule(which=st.integers(0, 2), wanted=st.booleans())
    def one_changes_its_mind(self, which: int, wanted: bool) -> None:
        """It contends or does not."""
        replica = self.replica(which)
        replica.lease.want(wanted, 0.0, self.clock(replica))

    # what strangers do

    @rule(mark=st.booleans())
    def a_stranger_writes_or_deletes(self, mark: bool) -> None:
        """Over whatever stands there."""
        self.server.store(self.now, None, None, 0, mark=mark)

    # the promises

    @invariant()
    def one_holder_at_most(self) -> None:
        """By what each would say at this moment, the frozen ones too."""
        if not hasattr(self, "replicas"):
            return
        believing = [r for r in self.replicas if r.lease.grant_at(self.clock(r)) is not None]
        assert len(believing) <= 1, "two holders at one moment"

    def epochs_grow(self) -> None:
        """So that whoever sees a message of an older one knows it for a ghost's."""
        assert self.epochs == sorted(set(self.epochs)), "the epoch did not grow"

    def teardown(self) -> None:
        """When all is well again, somebody who wants the lease has it before long."""
        if not hasattr(self, "replicas"):
            return
        self.requests.clear()
        self.answers.clear()
        for replica in self.replicas:
            replica.frozen, replica.asks, replica.hears = False, True, True
            replica.lease.want(True, 0.0, self.clock(replica))
            if replica.question is not None:
                self.hand(replica, Failed(replica.question.number, self.clock(replica)))
        self.all_is_well(4 * 20)
        assert any(r.lease.grant_at(self.clock(r)) for r in self.replicas), "nobody took it"

    # how it works

    def replica(self, which: int) -> Replica:
        """One of them."""
        return self.replicas[which % len(self.replicas)]

    def clock(self, replica: Replica) -> float:
        """What its clock says."""
        return self.now + replica.offset

    def poke(self) -> None:
        """Time passes for all who are awake."""
        for replica in self.replicas:
            if not replica.frozen:
                self.hand(replica, TimePassed(self.clock(replica)))

    def hand(self, replica: Replica, event: Event) -> None:
        """Gives it an event, and sends what it asks."""
        if isinstance(event, (Saw, Stored, Refused, Failed)):
            replica.question = None
        for command in replica.lease.handle(event):
            self.obey(replica, command)
        self.one_holder_at_most()  # at once: the next answer may end what this one began

    def obey(self, replica: Replica, command: Command) -> None:
        """Sends a question; notes a grant."""
        match command:
            case Held(grant):
                self.epochs.append(grant.epoch)
                self.epochs_grow()
            case Lost():
                pass
            case question:
                assert replica.question is None, "two questions at once"
                replica.question = question
                self.requests.append((self.replicas.index(replica), question))

    def serve(self, which: int, question: Question) -> None:
        """The server does what it is asked, and answers."""
        number = question.number
        match question:
            case Read():
                event: Event = Saw(number, self.sight(which), 0.0)
            case Write(last=last) | Delete(last=last):
                mark = isinstance(question, Delete)
                revision = self.server.store(self.now, last, which, number, mark=mark)
                event = Refused(number, 0.0) if revision is None else Stored(number, revision, 0.0)
        self.answers.append((which, event))

    def answer(self, which: int, event: Event) -> None:
        """Hands on an answer if its question is still out; a frozen replica finds it later."""
        replica = self.replicas[which]
        if replica.frozen:
            self.answers.append((which, event))
            return
        assert isinstance(event, (Saw, Stored, Refused))
        if replica.question is None or replica.question.number != event.number:
            return
        at = self.clock(replica)
        match event:
            case Saw(number, sight):
                self.hand(replica, Saw(number, sight, at))
            case Stored(number, revision):
                self.hand(replica, Stored(number, revision, at))
            case Refused(number):
                self.hand(replica, Refused(number, at))

    def settle(self) -> None:
        """Serves and answers everybody who can be reached, until nobody asks."""
        for _ in range(8):
            reached = [r for r in self.requests if self.replicas[r[0]].asks]
            waiting = [a for a in self.answers if self.listens(a[0])]
            if not reached and not waiting:
                return
            self.requests = [r for r in self.requests if r not in reached]
            self.answers = [a for a in self.answers if a not in waiting]
            for which, event in waiting:
                self.answer(which, event)
            for which, question in reached:
                self.serve(which, question)

    def listens(self, which: int) -> bool:
        """Whether an answer would be heard."""
        return self.replicas[which].hears and not self.replicas[which].frozen

    def sight(self, which: int) -> Sight:
        """What a replica sees under the key."""
        value = self.server.at(self.now)
        if value is None:
            return Nothing()
        if value.mark and (value.author is not None or self.trusts_any_mark):
            return Released(value.revision)
        return Ours(value.revision, value.number) if value.author == which else Theirs(value.revision)


SEARCH = (Phase.generate,)
"""Finding is enough; making the example small takes long."""

ROUNDS = settings(
    max_examples=120,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def test_never_two_holders_and_never_nobody_for_long():
    """Whatever is delayed, lost, doubled, frozen, cut off, overwritten or leaps."""
    run_state_machine_as_test(Replicas, settings=ROUNDS)


class CountsFromTheAnswer(Lease):
    """A holder that trusts a slow answer as much as a quick one."""

    def _good_until(self, sent: float) -> float:
        return max(sent, self._at) + self.times.usable


class NeverStops(Lease):
    """A holder without a deadline."""

    def _good_until(self, sent: float) -> float:
        return sent + 1e9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "trusts_any_mark"), [(CountsFromTheAnswer, False), (NeverStops, False), (Lease, True)]
)
def test_a_faulty_holder_is_caught_by_the_same_promise(kind, trusts_any_mark):
    """The check is checked: each known fault shows within a bounded run."""
    other_promises = dict.fromkeys(("teardown", "epochs_grow"), lambda _machine: None)
    changed = {"kind": kind, "trusts_any_mark": trusts_any_mark, **other_promises}
    machine = type("Faulty", (Replicas,), changed)
    bounded = settings(ROUNDS, max_examples=2_000, derandomize=True, database=None, phases=SEARCH)
    with pytest.raises(AssertionError, match="two holders"):
        run_state_machine_as_test(machine, settings=bounded)
