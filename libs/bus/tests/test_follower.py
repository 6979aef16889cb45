"""Following a stream of a real server."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import orjson
import pytest

from baleen_bus import (
    ApiRefused,
    Delivered,
    Follower,
    FromSequence,
    Gap,
    GapReason,
    LastPerSubject,
    Live,
    Publisher,
    open_bus,
)
from baleen_bus.streams import StreamSettings, stream_config
from baleen_bus.testing import eventually
from baleen_contracts.bridge import BridgeEvent, BridgeState
from baleen_contracts.catalogue import streams

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


class Heard:
    """What a follower said."""

    def __init__(self) -> None:
        self.items: list[Delivered] = []
        self.gaps: list[Gap] = []
        self.caught_up = asyncio.Event()

    @property
    def seqs(self) -> list[int]:
        """The sequences heard, in order of delivery."""
        return [item.seq for item in self.items]

    def follow(self, bus, stream, patterns, start) -> Follower:
        """A follower that tells us."""
        return Follower(bus, stream, patterns, start, self.items.append, self.gaps.append, self.caught_up.set)


@pytest.fixture
def heard() -> Heard:
    """Nothing heard yet."""
    return Heard()


def event(number: int) -> BridgeEvent:
    """An event of the bridge."""
    return BridgeEvent(event_type="fill", data={"n": number}, occurred_at=NOW)


def state(number: int) -> BridgeState:
    """A value of one path of the bridge's state."""
    return BridgeState(path="engine.mode", value=number, occurred_at=NOW)


async def say(bus, *messages) -> None:
    """Publishes and waits until everything is stored."""
    async with Publisher(bus, source="test") as publisher:
        for message in messages:
            publisher.offer(message)
        assert await publisher.drain(10) == 0


@asynccontextmanager
async def deaf(follower):
    """Live messages are lost on the way, as when a server dies between storing and republishing."""
    handlers = follower._bus.nc._straight
    ours = {sid: handler for sid, handler in handlers.items() if handler == follower._hear}
    assert ours
    handlers.update(dict.fromkeys(ours, lambda *_: None))
    yield
    handlers.update(ours)


async def test_a_message_arrives_under_its_public_subject_with_its_identity(bus, signal, heard):
    """Subject, stream, sequence, CloudEvents headers and the bare body."""
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()):
        await say(bus, signal(7))
        await eventually(lambda: heard.items)

    [item] = heard.items
    assert (item.subject, item.stream, item.seq) == ("signal.v1.QQQ", "SIGNAL", 1)
    assert orjson.loads(item.body)["id"] == "s7"
    assert {name: value for name, value in item.headers.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": "signal:s7",
        "ce-type": "signal.v1.signal",
        "ce-source": "test",
        "ce-time": "2026-01-05T15:30:00Z",
    }


async def test_a_live_start_gives_what_is_stored_from_now_on(bus, signal, heard):
    """Nothing older, and caught up at once."""
    await say(bus, signal(1), signal(2))
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()):
        await say(bus, signal(3))
        await eventually(lambda: heard.items)

    assert heard.seqs == [3]
    assert heard.caught_up.is_set()


async def test_a_start_from_a_sequence_gives_history_then_live_without_a_seam(
    nats_server, bus, signal, heard
):
    """While others publish."""
    await say(bus, *(signal(n) for n in range(2_500)))
    async with open_bus(url=nats_server.url, name="other") as other:
        saying = asyncio.create_task(say(other, *(signal(n) for n in range(2_500, 5_000))))
        async with heard.follow(bus, "SIGNAL", ["signal.>"], FromSequence(500)):
            await saying
            await eventually(lambda: heard.seqs[-1:] == [5_000])

    assert heard.seqs == list(range(500, 5_001))
    assert heard.gaps == []


async def test_a_start_from_a_sequence_follows_a_part_of_a_stream(nats_server, bus, signal, heard):
    """Two of three tickers, merged in stream order."""
    await say(bus, *(signal(n) for n in range(3_500)))
    async with open_bus(url=nats_server.url, name="other") as other:
        saying = asyncio.create_task(say(other, *(signal(n) for n in range(3_500, 6_000))))
        async with heard.follow(bus, "SIGNAL", ["signal.v1.SPY", "signal.v1.IWM"], FromSequence(1)):
            await saying
            await eventually(lambda: heard.seqs[-1:] == [6_000])

    assert heard.seqs == [seq for seq in range(1, 6_001) if seq % 3 != 2]
    assert heard.gaps == []


@pytest.mark.parametrize("subjects", [5, 1_500])
async def test_a_snapshot_gives_the_last_of_every_subject_then_live(
    nats_server, bus, signal, heard, subjects
):
    """For few subjects by one direct get, for many by a consumer; in stream order."""
    await say(bus, *(signal(n, symbol=f"T{n % subjects}") for n in range(2 * subjects)))
    async with heard.follow(bus, "SIGNAL", ["signal.>"], LastPerSubject()):
        assert heard.seqs == list(range(subjects + 1, 2 * subjects + 1))
        await say(bus, signal(-1))
        await eventually(lambda: heard.seqs[-1] == 2 * subjects + 1)

    assert len(heard.items) == subjects + 1
    assert heard.gaps == []
    consumers = await bus.request_json("$JS.API.CONSUMER.NAMES.SIGNAL")
    assert consumers["consumers"] is None or consumers["consumers"] == []


async def test_a_snapshot_under_load_joins_on_without_a_hole(nats_server, bus, signal, heard):
    """Every message after the snapshot's end comes, once."""
    await say(bus, *(signal(n) for n in range(3)))
    async with open_bus(url=nats_server.url, name="other") as other:
        saying = asyncio.create_task(say(other, *(signal(n) for n in range(3, 5_000))))
        async with heard.follow(bus, "SIGNAL", ["signal.>"], LastPerSubject()):
            await saying
            await eventually(lambda: heard.seqs[-1:] == [5_000])

    snapshot, live = heard.seqs[:3], heard.seqs[3:]
    assert snapshot == sorted(snapshot)
    assert live == list(range(snapshot[-1] + 1, 5_001))


async def test_a_lost_message_is_repaired_when_the_next_one_shows_the_hole(bus, signal, heard):
    """The next one waits for it."""
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()) as follower:
        await heard.caught_up.wait()
        async with deaf(follower):
            await say(bus, signal(1), signal(2))
        await say(bus, signal(3))
        await eventually(lambda: len(heard.items) == 3, within=1.5)

    assert heard.seqs == [1, 2, 3]
    assert heard.gaps == []


async def test_the_lost_end_of_a_quiet_subject_is_repaired_without_a_successor(bus, signal, heard):
    """Nothing shows the hole; the follower asks when it has been quiet."""
    async with heard.follow(bus, "SIGNAL", ["signal.v1.SPY"], Live()) as follower:
        await heard.caught_up.wait()
        async with deaf(follower):
            await say(bus, signal(0))
        await eventually(lambda: heard.seqs == [1], within=5)

    assert follower.stats.repaired == 1


async def test_what_retention_no_longer_holds_is_announced(nats_server, bus, signal, heard):
    """The follower was away for longer than the stream keeps."""
    await say(bus, *(signal(n) for n in range(10)))
    async with heard.follow(bus, "SIGNAL", ["signal.>"], FromSequence(1)) as follower:
        await heard.caught_up.wait()
        async with deaf(follower):
            await say(bus, *(signal(n) for n in range(10, 20)))
            await bus.request_json("$JS.API.STREAM.PURGE.SIGNAL", {"seq": 16})
        await say(bus, signal(20))
        await eventually(lambda: heard.seqs[-1] == 21)

    assert heard.seqs == [*range(1, 11), *range(16, 22)]
    assert heard.gaps == [Gap("SIGNAL", 11, 15, GapReason.EXPIRED)]


@pytest.mark.parametrize("before", [0, 5], ids=["heard_all", "heard_nothing_yet"])
async def test_a_stream_made_anew_is_announced_and_followed_from_its_start(bus, signal, heard, before):
    """Its numbers go back, which would otherwise look like duplicates."""
    await say(bus, *(signal(n) for n in range(before)))
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()) as follower:
        await say(bus, *(signal(n) for n in range(before, 5)))
        await eventually(lambda: len(heard.items) == 5 - before)
        epoch = follower.epoch
        await bus.request_json("$JS.API.STREAM.DELETE.SIGNAL")
        config = stream_config("SIGNAL", streams()["SIGNAL"], StreamSettings())
        await bus.request_json("$JS.API.STREAM.CREATE.SIGNAL", config)
        await say(bus, signal(0), signal(1))
        await eventually(lambda: len(heard.items) == 7 - before)

    assert heard.seqs == [*range(before + 1, 6), 1, 2]
    assert heard.gaps == [Gap("SIGNAL", 1, 5, GapReason.STREAM_RECREATED)]
    assert follower.epoch != epoch


async def test_a_position_of_the_future_is_announced(bus, signal, heard):
    """It was never this stream's."""
    await say(bus, signal(1))
    async with heard.follow(bus, "SIGNAL", ["signal.>"], FromSequence(100)):
        await heard.caught_up.wait()

    assert heard.gaps == [Gap("SIGNAL", 2, 99, GapReason.WENT_BACK)]


async def test_forgeries_are_dropped_and_counted(bus, signal, heard):
    """A message on a public subject that no stream stored is not followed."""
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()) as follower:
        await bus.nc.publish("signal.v1.SPY", b"{}")
        await bus.nc.publish("signal.v1.SPY", b"{}", headers={"ce-id": "x"})
        await say(bus, signal(1))
        await eventually(lambda: heard.items)

    assert heard.seqs == [1]
    assert follower.stats.forged == 2


async def test_headers_of_a_publisher_cannot_pass_for_the_streams(bus, heard):
    """The stream's own stand last, and the last ones count."""
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()):
        forged = {"Nats-Stream": "TAPE", "Nats-Sequence": "99", "Nats-Msg-Id": "a"}
        await bus.js.publish("ingress.signal.v1.SPY", b"{}", headers=forged)
        await eventually(lambda: heard.items)

    assert heard.seqs == [1]
    assert heard.items[0].headers["Nats-Stream"] == "SIGNAL"


async def test_another_streams_messages_under_the_same_pattern_are_not_ours(bus, heard):
    """Two streams share the domain uw."""
    async with heard.follow(bus, "TAPE", ["uw.>"], Live()):
        await bus.js.publish("ingress.uw.v1.price.SPY", b"{}", headers={"Nats-Msg-Id": "a"})
        await bus.js.publish("ingress.uw.v1.lit_trade.SPY", b"{}", headers={"Nats-Msg-Id": "b"})
        await eventually(lambda: heard.items)

    assert [item.subject for item in heard.items] == ["uw.v1.lit_trade.SPY"]


async def test_overlapping_patterns_deliver_once(bus, signal, heard):
    """Whether one covers another or they merely cross."""
    patterns = ["signal.v1.*", "signal.v1.SPY", "signal.*.SPY"]
    async with heard.follow(bus, "SIGNAL", patterns, Live()):
        await say(bus, *(signal(n) for n in range(30)))
        await eventually(lambda: len(heard.items) == 30)

    assert heard.seqs == list(range(1, 31))
    assert heard.gaps == []


async def test_following_a_stream_that_is_not_there_says_so(bus, heard):
    """At the start, not by silence."""
    with pytest.raises(ApiRefused, match="stream not found"):
        async with heard.follow(bus, "NONE", ["signal.>"], Live()):
            pytest.fail("followed nothing")


async def test_state_of_a_thinning_stream_is_followed_without_gaps(bus, heard):
    """A newest-only stream drops what was replaced; that is no loss."""
    for n in range(10):
        await bus.js.publish("ingress.uw.v1.price.SPY", b"%d" % n, headers={"Nats-Msg-Id": f"{n}"})
    async with heard.follow(bus, "LATEST", ["uw.v1.price.*"], FromSequence(1)):
        await heard.caught_up.wait()

    assert [item.body for item in heard.items] == [b"9"]
    assert heard.gaps == []


@pytest.mark.parametrize(
    ("pattern", "gaps"),
    [("bridge.v1.>", [Gap("BRIDGE", 4, 7, GapReason.EXPIRED)]), ("bridge.v1.state.>", [])],
)
async def test_events_beside_state_are_missed_aloud(bus, heard, pattern, gaps):
    """What left the front while nobody heard may have been an event; of state alone nothing can be missed."""
    await say(bus, event(1), state(1), event(2))
    async with heard.follow(bus, "BRIDGE", [pattern], Live()) as follower:
        await heard.caught_up.wait()
        async with deaf(follower):
            await say(bus, event(3), state(2), event(4), state(3), event(5))
            await bus.request_json("$JS.API.STREAM.PURGE.BRIDGE", {"seq": 8})
        await say(bus, state(4))
        await eventually(lambda: heard.seqs[-1:] == [9])

    assert heard.gaps == gaps
    assert heard.seqs == ([8, 9] if gaps else [9])


async def test_replaced_state_is_no_gap_between_events(bus, heard):
    """Events all come, of state the newest, and no number that is missing among them is announced."""
    await say(bus, event(1))
    async with heard.follow(bus, "BRIDGE", ["bridge.v1.>"], Live()) as follower:
        await heard.caught_up.wait()
        async with deaf(follower):
            await say(bus, state(1), event(2), state(2), event(3), state(3), event(4))
        await say(bus, event(5))
        await eventually(lambda: heard.seqs[-1:] == [8])

    assert heard.seqs == [3, 5, 6, 7, 8]
    assert heard.gaps == []


async def test_leaving_ends_the_subscription_and_the_task(bus, signal, heard):
    """Nothing of the follower stays behind."""
    async with heard.follow(bus, "SIGNAL", ["signal.>"], Live()):
        pass
    await say(bus, signal(1))

    assert heard.items == []
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("follow-")]
