"""What decides about sessions: who may watch, what is shown again, how often somebody may order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import Delivered, Publisher, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.command import CommandReply, CommandRequest, session_subject
from baleen_contracts.session import SessionEvent, SessionType
from baleen_contracts.session_entry import SessionEntry
from ws_gateway.bus.tail import Tail
from ws_gateway.doors.rights import ANYBODY, NOBODY, Identity
from ws_gateway.event import Event
from ws_gateway.sessions import orders as carrying
from ws_gateway.sessions import past, replay
from ws_gateway.sessions.admission import may_watch, topic_of
from ws_gateway.sessions.allowance import Allowance
from ws_gateway.sessions.beats import Beats
from ws_gateway.sessions.past import Read, Window, read_past
from ws_gateway.sessions.replay import Ledger, joined, remembered

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOPIC = topic_of("s")


def identity(subject: str, *subscribe: str) -> Identity:
    """Somebody with a token."""
    return Identity(subject=subject, subscribe=subscribe, publish=(), admin=True, expires_at=None)


def entry(owner: str | None = "ann", kind: str = "backtest") -> SessionEntry:
    """A session that exists."""
    return SessionEntry(session_id="s.1", session_type=kind, owner=owner, updated_at=NOON)


def item(seq: int, kind: str = "candle", session: str = "s", size: int = 2) -> Delivered:
    """An event as the stream keeps it."""
    return Delivered(f"session.v1.{session}.{kind}", "SESSION", seq, {}, b"x" * size)


def event(seq: int, kind: str = "candle", session: str = "s") -> Event:
    """The same as the gateway heard it."""
    subject = f"session.v1.{session}.{kind}"
    return Event(subject, "session_event", "SESSION", seq, "", None, b"{}", frames={"other": b"x"})


def tail_of(*events: Event, begin: int = 0) -> Tail:
    """What was heard after number *begin*."""
    tail = Tail(1 << 20)
    tail.begin(begin)
    for one in events:
        tail.add(one)
    return tail


# Who may watch.


@pytest.mark.parametrize(
    ("who", "found", "may"),
    [
        (ANYBODY, entry(), True),
        (ANYBODY, entry(owner=None), True),
        (ANYBODY, None, False),
        (ANYBODY, entry(kind="forward"), False),
        (NOBODY, entry(), False),
        (identity("ann"), entry(), True),
        (identity("ann"), entry(owner=None), False),
        (identity("bob"), entry(), False),
        (identity("bob", ">"), entry(), False),
        (identity("ann", "session.v1.>"), entry(), True),
        (identity("ann", "session.v1.s%2E1.*"), entry(), True),
        (identity("ann", "uw.v1.>"), entry(), False),
        (identity("ann"), entry(kind="forward"), False),
    ],
)
def test_a_session_is_watched_by_its_owner_as_what_it_is(
    who: Identity, found: SessionEntry | None, *, may: bool
):
    """Without tokens by anybody; a token that names topics is held to them."""
    assert may_watch(who, found, SessionType.BACKTEST) is may


# How often.


@given(st.lists(st.floats(0, 3), max_size=60))
def test_nobody_may_more_often_than_the_allowance_says(waits: list[float]):
    """In any stretch of time at most the burst and the rate together."""
    allowance = Allowance(per_second=2.0, at_once=5, now=0.0)
    now, taken = 0.0, []
    for wait in waits:
        now += wait
        if allowance.take(now):
            taken.append(now)

    for place, since in enumerate(taken):
        for later, until in enumerate(taken[place:], 1):
            assert later <= 5 + 2.0 * (until - since) + 1e-6


@given(st.lists(st.integers(0, 70), max_size=20), st.integers(1, 40))
def test_everybody_is_due_once_a_round_from_when_it_came(arrivals: list[int], turns: int):
    """Whoever is gone is forgotten at its next turn."""
    wheel: Beats[int] = Beats(turns)
    came = dict(enumerate(sorted(arrivals)))
    for now in range(3 * turns + 80):
        for one, when in came.items():
            if when == now:
                wheel.join(one)
        due = wheel.turn(lambda _one: False)
        assert set(due) == {
            one for one, when in came.items() if when <= now and (now + 1 - when) % turns == 0
        }
    for _ in range(turns):
        wheel.turn(lambda _one: True)
    assert len(wheel) == 0


# What is shown again.


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_what_was_read_and_what_was_heard_join_without_a_hole_or_a_duplicate(
    mine: list[bool], data: st.DataObject
):
    """Whatever part of the stream each of them has, as long as the two overlap."""
    events = [event(seq, session="s" if own else "t") for seq, own in enumerate(mine, 1)]
    heard = data.draw(st.integers(0, len(events)))
    floor = data.draw(st.integers(0, heard))
    read_to = data.draw(st.integers(floor, len(events)))
    tail = tail_of(*events[floor:heard], begin=floor)
    read = Read(tuple(item(one.seq) for one in events[:read_to] if one.subject.startswith("session.v1.s")), 0)

    found = joined(read, tail, TOPIC, since=floor)
    assert found is not None
    assert [one.seq for one in found.events] == [seq for seq in range(1, heard + 1) if mine[seq - 1]]
    assert all(one.frames == {} for one in found.events)
    assert (found.heard, found.skipped) == (heard, 0)


def test_a_session_that_began_anew_is_shown_from_there():
    """Whether its beginning was read or heard."""
    old, new = item(3, "session_initialized"), event(7, "session_initialized")
    found = joined(Read((old, item(4)), 0), tail_of(new, event(8), begin=6), TOPIC, since=6)

    assert found is not None
    assert [one.seq for one in found.events] == [7, 8]


def test_a_session_whose_beginning_was_heard_is_not_read():
    """Else a storm of reconnects would be one of reads."""
    tail = tail_of(event(1), event(2, "session_initialized"), event(3, session="t"), event(4), begin=0)
    found = remembered(tail, TOPIC)

    assert found is not None
    assert [one.seq for one in found.events] == [2, 4]
    assert remembered(tail_of(event(4), begin=3), TOPIC) is None


def test_a_long_session_is_read_though_all_of_it_was_heard(monkeypatch: pytest.MonkeyPatch):
    """Reading leaves out what says nothing any more."""
    tail = tail_of(event(1, "session_initialized"), event(2), event(3), begin=0)
    monkeypatch.setattr(replay, "MOST_EVENTS", 3)
    assert remembered(tail, TOPIC) is not None
    monkeypatch.setattr(replay, "MOST_EVENTS", 2)
    assert remembered(tail, TOPIC) is None
    monkeypatch.setattr(replay, "MOST_EVENTS", 3)
    monkeypatch.setattr(replay, "MOST_BYTES", 5)
    assert remembered(tail, TOPIC) is None


def test_what_the_reading_of_a_long_session_left_out_stays_out():
    """Though the tail may have it; what is newer is shown."""
    found = joined(
        Read((item(1), item(4)), 2), tail_of(event(3), event(4), event(5), begin=2), TOPIC, since=4
    )

    assert found is not None
    assert [one.seq for one in found.events] == [1, 4, 5]
    assert found.skipped == 2


def test_what_was_read_is_not_joined_with_what_may_miss_something():
    """So much was heard meanwhile that the tail forgot, or the stream was made anew."""
    overrun = tail_of(event(9), begin=8)
    anew = tail_of(begin=0)

    assert joined(Read((item(1),), 0), overrun, TOPIC, since=7) is None
    assert joined(Read((item(1),), 0), anew, TOPIC, since=7) is None
    assert joined(Read((item(1),), 0), overrun, TOPIC, since=8) is not None


@given(
    st.lists(st.tuples(st.sampled_from(["candle", "session_initialized"]), st.integers(1, 40)), max_size=60)
)
def test_a_window_keeps_the_beginning_and_the_newest_within_its_bounds(said: list[tuple[str, int]]):
    """By number and by bytes."""
    window = Window(most=6, most_bytes=100)
    items = [item(seq, kind, size=size) for seq, (kind, size) in enumerate(said, 1)]
    for one in items:
        window.add(one)
    begun = max(
        (place for place, one in enumerate(items) if one.subject.endswith("initialized")), default=None
    )
    kept = window.items()

    since = items if begun is None else items[begun:]
    rest = kept if begun is None else kept[1:]
    assert begun is None or kept[0] is items[begun]
    assert rest == tuple(since[len(since) - len(rest) :])
    assert len(kept) <= 6
    assert sum(len(one.body) for one in rest) <= 100


def test_the_bytes_that_wait_for_clients_are_bounded_and_counted_until_they_are_read():
    """One is always served, however large; who was told to wait may come when others have read."""
    ledger = Ledger(10)
    one = ledger.shown([b"x" * 8])
    assert one is not None
    assert ledger.shown([b"y" * 3]) is None
    reading = iter(one)
    del one
    assert ledger.held == 8
    assert list(reading) == [b"x" * 8]
    del reading
    assert ledger.held == 0
    assert ledger.shown([b"z" * 99]) is not None


async def test_of_a_long_session_the_replay_has_what_still_says_something(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
):
    """The beginning, the newest of the lasting events, and the last price; how many are left out is known."""
    monkeypatch.setattr(past, "MOST_EVENTS", 20)
    async with (
        open_bus(url=nats_server.url, name="test") as bus,
        Publisher(bus, source="engine") as publisher,
    ):

        async def say(session_id: str, kind: str, number: int) -> None:
            await publisher.publish(
                SessionEvent(
                    session_id=session_id,
                    event=kind,
                    data={"n": number},
                    occurred_at=NOON,
                    id=f"{session_id}-{number}",
                )
            )

        await say("a", "candle", 1)
        await say("a", "session_initialized", 2)
        for number in range(3, 63, 3):
            await say("a", "candle", number)
            await say("a", "price_update", number + 1)
            await say("other", "candle", number + 2)
        await say("a", "stats_update", 99)

        read = await read_past(bus, "a")
        kinds = [(one.subject.rpartition(".")[2], orjson.loads(one.body)["data"]["n"]) for one in read.items]
        assert kinds[0] == ("session_initialized", 2)
        assert kinds[-2:] == [("price_update", 61), ("stats_update", 99)]
        assert [number for kind, number in kinds if kind == "candle"] == list(range(12, 63, 3))[-17:]
        assert read.skipped == 42 - len(read.items)
        assert len((await read_past(bus, "other")).items) == 20
        assert (await read_past(bus, "nobody's")).items == ()


# Orders.


async def test_orders_that_wait_are_bounded_and_answered_once(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
):
    """Whoever is too many, or finds no bus, is told so at once; on leaving nobody is waited for."""
    monkeypatch.setattr(carrying, "MOST_AT_ONCE", 2)
    orders, replies = carrying.Orders(), []
    request = CommandRequest(action="pause")

    async def keep_silent(_message: object) -> None:
        pass

    orders.give(None, "s", request, replies.append)
    async with open_bus(url=nats_server.url, name="test") as bus:
        await bus.nc.subscribe(session_subject("s"), cb=keep_silent)
        for _ in range(3):
            orders.give(bus, "s", request, replies.append)
        assert [reply.code for reply in replies] == ["bus_away", "busy"]
        await bus.request_json("$JS.API.INFO")
        assert len(orders) == 2
        orders.close()
        async with asyncio.timeout(2):
            while len(orders):  # noqa: ASYNC110 - tasks end in turns of the loop
                await asyncio.sleep(0)
    assert len(replies) == 2


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b'{"ok": "maybe"}'])
async def test_an_answer_that_cannot_be_read_is_a_refusal(nats_server: NatsServer, answer: bytes):
    """An engine of another hand may say anything."""
    replies: asyncio.Queue[CommandReply] = asyncio.Queue()

    async def respond(message: Any) -> None:
        await message.respond(answer)

    async with open_bus(url=nats_server.url, name="test") as bus:
        await bus.nc.subscribe(session_subject("s"), cb=respond)
        carrying.Orders().give(bus, "s", CommandRequest(action="pause"), replies.put_nowait)
        async with asyncio.timeout(5):
            assert (await replies.get()).code == "bad_answer"
