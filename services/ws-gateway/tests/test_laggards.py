"""However clients stall, drain, come, change and go, each hears what it is due or is told what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ws_gateway.errors import Behind, Farewell
from ws_gateway.event import Event
from ws_gateway.hub.hub import Hub
from ws_gateway.hub.laggards import Patience
from ws_gateway.hub.wishes import plain
from ws_gateway.topics import matches
from ws_gateway.wire.speaker import Speaker

TOPICS = ["signal.v1.*", "uw.v1.price.*", "signal.v1.A", "uw.v1.price.A"]
WISHES = st.frozensets(st.sampled_from(TOPICS), min_size=1)
SUBJECTS = ["signal.v1.A", "signal.v1.B", "uw.v1.price.A", "uw.v1.price.B"]
STREAMS = {"signal": "SIGNAL", "price": "QUOTES"}
CLIENT_BYTES, TOTAL_BYTES = 300, 400
PATIENCE = Patience(client_bytes=CLIENT_BYTES, total_bytes=TOTAL_BYTES, lag_seconds=8, stuck_seconds=30)
Said = tuple[str, int]


class Socket:
    """A transport that takes as much as its client reads."""

    def __init__(self) -> None:
        self.open_for = 0
        self.held = b""
        self.read = b""
        self.closed = False
        self.wire: Any = None

    def write(self, data: bytes) -> None:
        """Take what fits and keep the rest, as a transport does, and say so."""
        self.held += data
        self._pass_on()
        if self.held and not self.wire._full:
            self.wire.pause_writing()

    def take(self, size: int) -> None:
        """The client reads *size* bytes."""
        self.open_for += size
        self._pass_on()
        if not self.held and self.wire._full:
            self.wire.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Return what is kept."""
        return len(self.held)

    def _pass_on(self) -> None:
        went, self.held = self.held[: self.open_for], self.held[self.open_for :]
        self.open_for -= len(went)
        self.read += went


class Tongue:
    """A dialect whose texts are `<subject> <number>;` or, of what was passed over, `~<subject> <count>;`."""

    name, seed = "tongue", False

    def encode(self, event: Event) -> bytes:
        """Say place and number."""
        return f"{event.subject} {event.seq};".encode()

    def conflated(self, topic: str, count: int) -> bytes:
        """Say what was passed over."""
        return f"~{topic} {count};".encode()


class Talk:
    """A conversation that catches up by itself from a perfect memory of the streams, or cannot."""

    dialect, label = Tongue(), "talk"

    def __init__(self, catches_up: bool, machine: Stalling | Alone, client: Client) -> None:
        self.catches_up = catches_up
        self.machine = machine
        self.client = client
        self.since: dict[str, int] | None = None

    def fell_behind(self, wire: Any, since: Mapping[str, int]) -> bool:
        """Judge, where the hub does not catch what is wrong."""
        with self.machine.judging():
            return self.falls(wire, since)
        return False

    def drained(self, wire: Any) -> None:
        """Judge, where the hub does not catch what is wrong."""
        with self.machine.judging():
            self.catch_up(wire)

    def falls(self, wire: Any, since: Mapping[str, int]) -> bool:
        """Note from where on everything is missing: all before was written, and nothing after."""
        assert self.since is None
        assert wire.pen is None
        client = self.client
        self.since = {stream: since.get(stream, number) for stream, number in self.machine.numbers.items()}
        client.fell += 1
        given = client.given()
        before = [said for said in client.due if said[1] <= self.since[stream_of(said[0])]]
        assert [said for said in given if "signal" in said[0]] == [
            said for said in before if "signal" in said[0]
        ]
        assert set(given) <= set(before)
        return self.catches_up

    def catch_up(self, wire: Any) -> None:
        """Say what is missing, and go on live."""
        assert self.since is not None
        assert not wire.lagging
        since, self.since = self.since, None
        missed = [said for said in self.client.due if said[1] > since[stream_of(said[0])]]
        self.machine.hub.move(wire, plain(self.client.wishes), [frame(said) for said in missed])

    def farewell(self, _reason: Farewell, _now: datetime, _words: str | None) -> tuple[int, str, bytes]:
        """Close without a word."""
        return 1013, "", b""


class Line(Speaker):
    """A client's connection without its hearing half."""

    __slots__ = ("connected_at", "counted_from", "fell_at", "fell_since", "id", "moved_at", "number",
                 "patient_from", "said", "times_behind")  # fmt: skip

    def __init__(self, hub: Any, session: Talk) -> None:
        super().__init__(hub, session)
        self.transport: Any = Socket()
        self.transport.wire = self
        self.write: Callable[[bytes], object] = self.transport.write
        self.said = self.counted_from = self.number = self.times_behind = 0
        self.connected_at = self.moved_at = self.patient_from = self.fell_at = 0.0
        self.fell_since = None
        self.id = ""

    def _read_all(self) -> None:
        self.keeper.drained(self)

    def _overflowed(self) -> None:
        self.keeper.overflowed(self)

    def close(self, _code: int, _words: str, _last: bytes) -> None:
        """Say nothing more."""
        self.closing = True
        self.backlog.clear()


def stream_of(subject: str) -> str:
    """Return the stream that stores *subject*."""
    return "QUOTES" if "price" in subject else "SIGNAL"


def wanted(wishes: frozenset[str], subject: str) -> bool:
    """Return whether any of *wishes* means *subject*."""
    return any(matches(wish, subject) for wish in wishes)


def frame(said: Said) -> bytes:
    """Return a message as a client reads it, in a frame of text."""
    text = f"{said[0]} {said[1]};".encode()
    return bytes((0x81, len(text))) + text


def read(data: bytes) -> tuple[list[Said], list[Said]]:
    """Return the messages, and what was passed over, of whole frames."""
    messages: list[Said] = []
    passed: list[Said] = []
    place = 0
    while place + 1 < len(data) and place + 2 + data[place + 1] <= len(data):
        text = data[place + 2 : place + 2 + data[place + 1]].decode()
        place += 2 + data[place + 1]
        topic, number = text.rstrip(";").split(" ")
        (passed if topic.startswith("~") else messages).append((topic.lstrip("~"), int(number)))
    return messages, passed


class Client:
    """One client, and what it is due."""

    def __init__(self, machine: Stalling | Alone, wishes: frozenset[str], catches_up: bool) -> None:
        self.talk = Talk(catches_up, machine, self)
        self.wire: Any = Line(machine.hub, self.talk)
        self.socket = self.wire.transport
        self.wishes = wishes
        self.due: list[Said] = []
        self.stalls = False
        self.fell = 0

    def given(self) -> list[Said]:
        """Return every message that was ever written to it."""
        return read(self.socket.read + self.socket.held)[0]


class Stalling(RuleBasedStateMachine):
    """Clients stall, read a little, catch up, come, change and go while messages are published."""

    @initialize(wishes=st.lists(WISHES, max_size=4))
    def begin(self, wishes: list[frozenset[str]]) -> None:
        """Some are there who do not read, of whom every second one catches up."""

        async def hub() -> Hub:
            return Hub(PATIENCE, clock=lambda: self.now)

        self.now = 100.0
        self.loop = asyncio.new_event_loop()
        self.hub: Any = self.loop.run_until_complete(hub())
        self.clients: list[Client] = []
        self.wrong: list[BaseException] = []
        self.number = 0
        self.numbers = {"SIGNAL": 0, "QUOTES": 0}
        for place, wanted_by_one in enumerate(wishes):
            self.come(wanted_by_one, up=place % 2 == 0, stalls=True)

    def teardown(self) -> None:
        """Everyone who is left reads everything, and nothing is missing."""
        if not hasattr(self, "hub"):
            return
        for client in self.clients:
            client.stalls = False
        for _ in range(4):
            self.settle()
        for client in self.clients:
            if not client.wire.closing:
                assert not client.wire.lagging
                self.check_whole(client)
            self.hub.lost(client.wire)
        assert not self.wrong
        assert self.hub.books.held == 0
        assert len(self.hub.lanes) == 0
        self.hub.close()
        self.loop.close()

    def settle(self) -> None:
        """Flush, relieve a crowd, and let those read who read."""
        self.hub.sweep.flush_all()
        self.relieve()
        for client in self.clients:
            if not client.stalls:
                client.socket.take(1_000_000)

    def relieve(self) -> None:
        """Do what is due when more waits than may."""
        if self.hub.laggards._relief is not None:
            self.hub.laggards._relief.cancel()
            self.hub.laggards._relieve()
        assert self.hub.books.held <= TOTAL_BYTES

    def check_whole(self, client: Client) -> None:
        """Of `every` messages all came, of `latest` ones the last, and the rest was announced."""
        heard, passed = read(client.socket.read)
        assert [said for said in heard if "signal" in said[0]] == [
            said for said in client.due if "signal" in said[0]
        ]
        for subject in SUBJECTS:
            due = [said for said in client.due if said[0] == subject]
            came = [said for said in heard if said[0] == subject]
            assert came[-1:] == due[-1:]
            passed_over = sum(count for topic, count in passed if topic == subject)
            if client.fell:  # some of what was passed over may have been told from the stream
                assert len(due) - len(came) <= passed_over
            else:
                assert len(due) - len(came) == passed_over
        for stream in self.numbers:
            numbers = [number for subject, number in heard if stream_of(subject) == stream]
            assert numbers == sorted(set(numbers))
        if not client.fell:
            assert [number for _, number in heard] == sorted(number for _, number in heard)
            assert self.hub.message_count(client.wire) == len(heard)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Keep what is found wrong while the hub, which outlives its conversations' errors, is at work."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised by the next invariant
            self.wrong.append(error)

    def one(self, which: int) -> Client:
        """Return a client."""
        return self.clients[which % len(self.clients)]

    @rule(wishes=WISHES, up=st.booleans(), stalls=st.booleans())
    def come(self, wishes: frozenset[str], up: bool, stalls: bool) -> None:
        """A client comes, perhaps one that does not read."""
        client = Client(self, wishes, up)
        client.stalls = stalls
        if not stalls:
            client.socket.take(1_000_000)
        self.clients.append(client)
        self.hub.admit(client.wire, plain(wishes), [])

    @rule(subjects=st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=8))
    def publish(self, subjects: list[str]) -> None:
        """Messages are published."""
        for subject in subjects:
            self.number += 1
            entity, stream = ("price", "QUOTES") if "price" in subject else ("signal", "SIGNAL")
            self.numbers[stream] = self.number
            for client in self.clients:
                if not client.wire.closing and wanted(client.wishes, subject):
                    client.due.append((subject, self.number))
            self.hub.publish(Event(subject, entity, stream, self.number, "", None, b"{}"))

    @rule()
    def flush(self) -> None:
        """What is pending is written."""
        self.hub.sweep.flush_all()

    @rule()
    def turn(self) -> None:
        """The loop turns once more."""
        self.hub.sweep.flush_all()
        self.relieve()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 99))
    def stall(self, which: int) -> None:
        """A client stops reading."""
        client = self.one(which)
        client.stalls = True
        client.socket.open_for = 0

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 99), size=st.integers(1, 120))
    def read_some(self, which: int, size: int) -> None:
        """A client reads a little."""
        self.one(which).socket.take(size)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 99))
    def read_on(self, which: int) -> None:
        """A client reads all there is and goes on reading."""
        client = self.one(which)
        client.stalls = False
        client.socket.take(1_000_000)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 99), wishes=st.frozensets(st.sampled_from(TOPICS)))
    def change(self, which: int, wishes: frozenset[str]) -> None:
        """A client wants something else."""
        client = self.one(which)
        client.wishes = wishes
        if not client.wire.closing:
            self.hub.move(client.wire, plain(wishes))

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 99), politely=st.booleans())
    def go(self, which: int, politely: bool) -> None:
        """A client leaves, saying goodbye first or not."""
        client = self.one(which)
        self.clients.remove(client)
        if politely:
            self.hub.parted(client.wire)
            client.wire.close(1000, "", b"")
        client.wire.close(1006, "", b"")
        self.hub.lost(client.wire)

    @rule(seconds=st.sampled_from([1, 1, 5, 9]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds
        self.hub.laggards.visit()

    @invariant()
    def books_are_right(self) -> None:
        """What waits is counted once however many wait for it, and is bounded."""
        if not hasattr(self, "hub"):
            return
        for error in self.wrong:
            raise error
        held: dict[int, int] = {}
        for client in self.clients:
            backlog = client.wire.backlog
            sizes = {id(item): len(item) for item in backlog._waiting.values() if isinstance(item, bytes)}
            assert backlog.live == sum(
                len(item) for item in backlog._waiting.values() if isinstance(item, bytes)
            )
            assert backlog.live <= CLIENT_BYTES
            held |= sizes
        assert self.hub.books.held == sum(held.values())

    @invariant()
    def nobody_lost_its_place(self) -> None:
        """Who is not behind and wants something stands on a lane; who is behind or gone does not."""
        for client in getattr(self, "clients", ()):
            wire = client.wire
            assert (wire.pen is not None) == bool(client.wishes and not wire.behind and not wire.closing)


TestStalling = Stalling.TestCase
TestStalling.settings = settings(max_examples=100, stateful_step_count=50)


class Alone:
    """A hub whose clock stands still until it is told, and clients of it."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.now = 100.0
        self.hub: Any = Hub(patience, clock=lambda: self.now)
        self.numbers = {"SIGNAL": 0, "QUOTES": 0}
        self.number = 0

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Let what is wrong be raised."""
        yield

    def client(self, *wishes: str, catches_up: bool = False) -> Client:
        """Admit a client that reads nothing."""
        client: Any = Client(self, frozenset(wishes), catches_up)
        client.talk.falls = lambda _wire, _since: catches_up
        self.hub.admit(client.wire, plain(wishes), [])
        client.wire.write(frame(("x", 0)))
        return client

    def say(self, subject: str) -> None:
        """Publish a message, and flush."""
        self.number += 1
        stream = stream_of(subject)
        entity = "price" if stream == "QUOTES" else "signal"
        self.hub.publish(Event(subject, entity, stream, self.number, "", None, b"{}"))
        self.hub.sweep.flush_all()

    def wait(self, seconds: int) -> None:
        """Let seconds pass one by one, each with a look at those who lag."""
        for _ in range(seconds):
            self.now += 1
            self.hub.laggards.visit()


async def test_a_message_that_waits_too_long_is_not_kept():
    """A client that cannot catch up is closed after the time that a message may wait, and not before."""
    alone = Alone()
    client = alone.client("signal.v1.*")
    alone.say("signal.v1.A")
    alone.wait(8)
    assert not client.wire.closing
    alone.wait(1)
    assert client.wire.closing
    assert alone.hub.laggards.fallen == {Behind.AGE: 1}


async def test_a_price_that_waits_long_is_still_the_newest():
    """Where only the newest counts, age alone drops nothing; a socket that takes nothing is closed."""
    alone = Alone()
    client = alone.client("uw.v1.price.*")
    alone.say("uw.v1.price.A")
    alone.wait(31)
    assert not client.wire.closing
    alone.wait(1)
    assert client.wire.closing
    assert not alone.hub.laggards.fallen


async def test_who_takes_a_little_now_and_then_is_not_stuck():
    """Every byte that the socket takes is progress, however long it takes for all."""
    alone = Alone()
    client = alone.client("uw.v1.price.*")
    client.wire.write(b"x" * 10)
    for _ in range(5):
        alone.wait(29)
        client.socket.take(1)
    assert not client.wire.closing
    alone.wait(32)
    assert client.wire.closing


async def test_the_time_that_a_snapshot_takes_is_no_lateness():
    """Messages behind a snapshot count as waiting from the moment it has been read."""
    alone = Alone()
    client = alone.client("signal.v1.*")
    client.wire.show([b"s" * 70_000] * 3)
    alone.say("signal.v1.A")
    for _ in range(3):
        alone.wait(20)
        assert not client.wire.closing
        client.socket.take(70_005)
    assert not client.wire.backlog.showing
    assert not client.wire.closing


async def test_of_a_crowd_the_one_with_the_most_falls_first():
    """The bound for all together costs those who have most waiting, and nobody more than it must."""
    alone = Alone(Patience(client_bytes=10_000, total_bytes=90))
    little, much = alone.client("signal.v1.A"), alone.client("signal.v1.B")
    alone.say("signal.v1.A")
    for _ in range(5):
        alone.say("signal.v1.B")
    assert alone.hub.laggards._relief is not None
    await asyncio.sleep(0)
    assert (little.wire.closing, much.wire.closing) == (False, True)
    assert 0 < alone.hub.books.held <= 90


async def test_what_waits_for_many_counts_once():
    """A thousand clients that miss the same messages hold no more than one of them does."""
    alone = Alone()
    clients = [alone.client("signal.v1.*") for _ in range(1_000)]
    for _ in range(5):
        alone.say("signal.v1.A")
    assert alone.hub.books.held == clients[0].wire.backlog.live


async def test_answers_that_nobody_reads_are_bounded_too():
    """A client that asks and asks and reads no answer is closed, though no message waits for it."""
    alone = Alone()
    client = alone.client("signal.v1.*", catches_up=True)
    for _ in range(CLIENT_BYTES // 10 + 1):
        client.wire.say(b"y" * 10)
    assert client.wire.closing
    assert alone.hub.books.held == 0


async def test_a_conversation_that_stumbles_when_it_falls_behind_is_closed():
    """Whatever goes wrong in one conversation, the client is not left waiting for what never comes."""
    alone = Alone()
    client = alone.client("signal.v1.*", catches_up=True)

    def stumble(_wire: Any, _since: Mapping[str, int]) -> bool:
        raise RuntimeError("on purpose")

    client.talk.falls = stumble  # type: ignore[method-assign]
    while not client.wire.closing:
        assert alone.number < 100
        alone.say("signal.v1.A")


async def test_one_that_stumbles_when_it_catches_up_is_closed():
    """The same once it has read the rest."""
    alone = Alone()
    client = alone.client("signal.v1.*", catches_up=True)
    while not client.wire.behind:
        assert alone.number < 100
        alone.say("signal.v1.A")
    client.talk.since = None  # so that it finds nothing to catch up from
    client.socket.take(1_000)
    assert client.wire.closing


async def test_what_was_not_yet_flushed_is_named_too():
    """Messages that a client is owed when it falls behind belong to what it was not given."""
    alone = Alone()
    client = alone.client("signal.v1.*", "uw.v1.price.*", catches_up=True)
    named: list[Mapping[str, int]] = []
    client.talk.falls = lambda _wire, since: not named.append(since)  # type: ignore[method-assign]
    alone.say("signal.v1.A")
    alone.now += 9
    alone.hub.publish(Event("uw.v1.price.A", "price", "QUOTES", 7, "", None, b"{}"))
    alone.hub.laggards.visit()
    assert named == [{"SIGNAL": 0, "QUOTES": 6}]


async def test_one_that_is_behind_is_seated_nowhere_until_it_has_read_the_rest():
    """What it asks for meanwhile is answered in its turn; messages come when it has been told the others."""
    alone = Alone()
    client = alone.client("signal.v1.*", catches_up=True)
    while not client.wire.behind:
        assert alone.number < 100
        alone.say("signal.v1.A")
    client.talk.catch_up = lambda wire: alone.hub.move(wire, plain(["signal.v1.B"]))  # type: ignore[method-assign]
    alone.hub.move(client.wire, plain(["signal.v1.B"]), [frame(("answer", 1))])
    alone.say("signal.v1.B")
    assert client.wire.pen is None
    client.socket.take(100_000)
    alone.say("signal.v1.B")
    assert client.given()[-2:] == [("answer", 1), ("signal.v1.B", alone.number)]
