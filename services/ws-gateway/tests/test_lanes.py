"""Everyone gets each frame they want exactly once, in order, however clients come, go and change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ws_gateway.event import Event
from ws_gateway.hub.lanes import Lanes
from ws_gateway.hub.pens import COHORT_SIZE, Pen
from ws_gateway.hub.wishes import plain
from ws_gateway.topics import matches
from ws_gateway.wire.parcel import Parcel

SUBJECTS = ["p.A", "p.B", "q.A", "q.B.1"]
WISHES = st.frozensets(st.sampled_from(["p.A", "p.*", "q.>", "*.A", ">", "q.B.1"]), min_size=1, max_size=3)


class Words:
    """A dialect that nobody needs to understand."""

    seed = True

    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, event: Event) -> bytes:
        """Say the body."""
        return event.body

    def hear(self, _text: str, _now: datetime) -> tuple[bytes, ...]:
        """Answer nothing."""
        return ()

    def error(self, code: str, _message: str, _now: datetime) -> bytes:
        """Say the code."""
        return code.encode()


class Client:
    """What a lane sees of a client, with everything it was ever sent."""

    def __init__(self) -> None:
        self.pen: Pen | None = None
        self.lagging = False
        self.pack = None
        self.sent: list[bytes] = []
        self.expected: list[bytes] = []
        self.wishes: frozenset[str] = frozenset()
        self.write: Callable[[bytes], Any] = self.sent.append

    def defer(self, parcels: Iterable[Parcel]) -> None:
        """Keep what a slow client is owed, in order with the rest."""
        self.sent += list(parcels)

    give = defer


def parcel(frame: bytes) -> Parcel:
    """A frame on its way."""
    return Parcel(frame)


class Coming(RuleBasedStateMachine):
    """Clients come, change, lag and go while messages are published and cohorts flushed at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.dialects = [Words("one"), Words("two")]
        self.clients: list[Client] = []
        self.number = 0
        self.dirty: dict[Any, None] = {}

    @rule(wishes=WISHES, dialect=st.integers(0, 1), count=st.integers(1, 3))
    def come(self, wishes: frozenset[str], dialect: int, count: int) -> None:
        """A few clients with the same wishes arrive."""
        for _ in range(count):
            client = Client()
            client.wishes = wishes
            self.clients.append(client)
            self.lanes.join(client, self.dialects[dialect], plain(wishes))

    @rule(which=st.integers(0, 1000), wishes=WISHES)
    def change(self, which: int, wishes: frozenset[str]) -> None:
        """A client wants something else; what it is still owed comes first."""
        if self.clients:
            client = self.clients[which % len(self.clients)]
            assert client.pen is not None
            dialect = client.pen.lane.dialect
            owed, _ = self.lanes.leave(client)
            client.give(owed)
            client.wishes = wishes
            self.lanes.join(client, dialect, plain(wishes))

    @rule(which=st.integers(0, 1000))
    def lag(self, which: int) -> None:
        """A client falls behind or catches up."""
        if self.clients:
            client = self.clients[which % len(self.clients)]
            client.lagging = not client.lagging
            assert client.pen is not None
            client.pen.shuffle()

    @rule(which=st.integers(0, 1000))
    def go(self, which: int) -> None:
        """A client leaves."""
        if self.clients:
            client = self.clients.pop(which % len(self.clients))
            owed, _ = self.lanes.leave(client)
            client.give(owed)
            assert b"".join(client.sent) == b"".join(client.expected)
            assert client.pen is None

    @rule(subject=st.sampled_from(SUBJECTS))
    def publish(self, subject: str) -> None:
        """A message is published."""
        self.number += 1
        sent = parcel(f"{subject}#{self.number} ".encode())
        for client in self.clients:
            if any(matches(wish, subject) for wish in client.wishes):
                client.expected.append(sent)
        for _, appends, cohorts, _ in self.lanes.routes(subject):
            for append in appends:
                append(sent)
            self.dirty.update(dict.fromkeys(cohorts))

    @rule()
    def flush(self) -> None:
        """Everything dirty is flushed."""
        for cohort in self.dirty:
            cohort.flush()
        self.dirty.clear()
        for client in self.clients:
            assert b"".join(client.sent) == b"".join(client.expected)

    @invariant()
    def nobody_is_counted_twice(self) -> None:
        """Lanes exist only while they have clients."""
        assert bool(self.clients) == bool(len(self.lanes))


TestComing = Coming.TestCase
TestComing.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.integers(1, 400))
@settings(max_examples=20)
def test_a_cohort_never_grows_beyond_its_size(count: int):
    """However many clients share a wish, the bus is read after at most a cohort of them was written to."""
    lanes, dialect = Lanes(), Words("one")
    clients = [Client() for _ in range(count)]
    for client in clients:
        lanes.join(client, dialect, plain({"p.>"}))

    (route,) = lanes.routes("p.A")
    assert sum(cohort.size for cohort in route.cohorts) == count
    assert all(cohort.size <= COHORT_SIZE for cohort in route.cohorts)
    assert len(route.cohorts) == -(-count // COHORT_SIZE)


def test_clients_with_wishes_of_their_own_share_cohorts():
    """A watch-list client is a pen of one, yet a cohort holds many of them."""
    lanes, dialect = Lanes(), Words("one")
    for number in range(2 * COHORT_SIZE):
        lanes.join(Client(), dialect, plain({"p.A", f"q.{number}"}))

    (route,) = lanes.routes("p.A")
    assert (len(route.appends), len(route.cohorts)) == (2 * COHORT_SIZE, 2)


def test_clients_of_a_lane_are_written_the_same_buffer():
    """The frames of a lane are joined once, not once per client."""
    lanes, dialect = Lanes(), Words("one")
    one, two = Client(), Client()
    for client in (one, two):
        lanes.join(client, dialect, plain({"p.A"}))
    (route,) = lanes.routes("p.A")
    route.appends[0](parcel(b"first "))
    route.appends[0](parcel(b"second"))
    route.cohorts[0].flush()

    assert one.sent == [b"first second"]
    assert one.sent[0] is two.sent[0]
