"""Keys and values on a real server."""

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import (
    AccessRefused,
    ApiRefused,
    Bucket,
    Bus,
    Conflict,
    Entry,
    Unreachable,
    key_token,
    key_untoken,
    open_bus,
)
from baleen_bus.bootstrap import ensure_streams
from baleen_bus.buckets import BUCKETS, bucket_config
from baleen_bus.streams import StreamSettings
from baleen_bus.testing import eventually


async def short_lived(bus: Bus, seconds: float) -> Bucket:
    """The bucket of the leases, its values living this long."""
    settings = StreamSettings(lease_ttl=seconds)
    await ensure_streams(bus, [bucket_config(BUCKETS["leases"], settings)])
    return Bucket(bus, "leases")


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_is_one_token_of_a_key_and_back(text):
    """Of the letters that a key may hold."""
    written = key_token(text)

    assert key_untoken(written) == text
    assert set(written) <= set("-_=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


@pytest.mark.parametrize("written", ["", "_", "a=2", "a%2E", "=41", "a.b"])
def test_what_no_text_is_written_as_is_refused(written):
    """So that one text has one key."""
    with pytest.raises(ValueError, match="token"):
        key_untoken(written)


async def test_what_was_written_is_read(bus):
    """Newest first come, newest read, with its revision."""
    bucket = Bucket(bus, "budget")
    assert await bucket.read("plan") is None

    first = await bucket.put("plan", b"1")
    second = await bucket.put("plan", b"2")
    await bucket.put("rest", b"3")

    assert second > first
    assert await bucket.read("plan") == Entry("plan", b"2", second, deleted=False)
    assert [(entry.key, entry.value) for entry in await bucket.read_all()] == [("plan", b"2"), ("rest", b"3")]


async def test_an_empty_bucket_has_no_entries(bus):
    """Which is no error."""
    assert await Bucket(bus, "demand").read_all() == []


async def test_create_takes_only_what_is_free(bus):
    """Never seen, or deleted: nothing in between."""
    bucket = Bucket(bus, "leases")
    revision = await bucket.create("socket.1", b"a")
    with pytest.raises(Conflict):
        await bucket.create("socket.1", b"b")

    await bucket.delete("socket.1", last=revision, value=b"bye")
    assert await bucket.read("socket.1") == Entry("socket.1", b"bye", revision + 1, deleted=True)
    assert await bucket.create("socket.1", b"b") == revision + 2


async def test_of_many_that_create_at_once_one_succeeds(bus):
    """Over nothing and over a delete mark alike."""
    bucket = Bucket(bus, "leases")
    for _ in range(2):
        outcomes = await asyncio.gather(
            *(bucket.create("rest", b"%d" % n) for n in range(20)), return_exceptions=True
        )
        assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19
        await bucket.delete("rest")


async def test_update_and_delete_replace_exactly_the_revision_they_name(bus):
    """Any other one is a conflict, and nothing changes."""
    bucket = Bucket(bus, "budget")
    first = await bucket.put("plan", b"1")
    second = await bucket.update("plan", b"2", last=first)

    for stale in (first, second + 1, 0):
        with pytest.raises(Conflict):
            await bucket.update("plan", b"3", last=stale)
    with pytest.raises(Conflict):
        await bucket.delete("plan", last=first)
    assert await bucket.read("plan") == Entry("plan", b"2", second, deleted=False)


async def test_a_value_expires_and_its_key_is_free_again(bus):
    """What a lease is built upon; the revision that was there counts no more."""
    bucket = await short_lived(bus, 0.3)
    revision = await bucket.create("socket.1", b"a")

    for _ in range(100):
        if await bucket.read("socket.1") is None:
            break
        await asyncio.sleep(0.02)  # expiry is told nowhere

    with pytest.raises(Conflict):
        await bucket.update("socket.1", b"a", last=revision)
    assert await bucket.create("socket.1", b"b") > revision


async def test_the_server_says_how_long_values_live_and_since_when_it_is_quiet(bus):
    """Both by its own clock, so that two machines need not agree on the time."""
    bucket = await short_lived(bus, 1.5)
    assert await bucket.ttl() == 1.5
    await bucket.put("rest", b"")
    assert (await bucket.state()).quiet_for < 1.0
    assert await Bucket(bus, "budget").ttl() == 0.0


async def test_changes_are_told_as_they_are_stored_and_refused_ones_are_not(bus):
    """With the revision they got; delete marks too."""
    bucket = Bucket(bus, "leases")
    told: list[Entry] = []
    cancel = await bucket.on_change(told.append)
    only: list[Entry] = []
    await bucket.on_change(only.append, key="socket.2")

    first = await bucket.create("socket.1", b"a")
    with pytest.raises(Conflict):
        await bucket.create("socket.1", b"b")
    await bucket.delete("socket.1", last=first)
    other = await bucket.put("socket.2", b"c")

    await eventually(lambda: len(told) == 3)
    assert told == [
        Entry("socket.1", b"a", first, deleted=False),
        Entry("socket.1", b"", first + 1, deleted=True),
        Entry("socket.2", b"c", other, deleted=False),
    ]
    assert only == told[2:]

    cancel()
    cancel()
    await bucket.read("socket.1")  # the connection has carried the farewell when this is answered
    await bucket.put("socket.2", b"d")
    await eventually(lambda: len(only) == 2)
    assert len(told) == 3


async def test_changes_are_told_again_after_the_server_was_gone(bus, nats_server):
    """The subscription outlives the connection."""
    bucket = Bucket(bus, "budget")
    told: list[Entry] = []
    await bucket.on_change(told.append)
    back = asyncio.Event()
    bus.on_reconnected(back.set)

    nats_server.restart()
    await asyncio.wait_for(back.wait(), 10)
    async with asyncio.timeout(10):
        while not told:
            try:
                await bucket.put("plan", b"1")
            except Unreachable:
                await asyncio.sleep(0.05)
    assert told[0].value == b"1"


async def test_a_forged_change_is_not_told(bus):
    """Only a stream can say under which number it stored something."""
    told: list[Entry] = []
    await Bucket(bus, "budget").on_change(told.append)

    await bus.nc.publish("kv.budget.plan", orjson.dumps({"joins": {}}))
    revision = await Bucket(bus, "budget").put("plan", b"true")

    await eventually(lambda: told)
    assert [entry.revision for entry in told] == [revision]


async def test_what_is_no_key_is_refused_before_it_is_sent(bus):
    """A wildcard would be somebody else's subject."""
    for key in ("", "a..b", ".a", "a.", "a b", "a.*", "a.>", "a%2E"):
        with pytest.raises(ValueError, match="key"):
            await Bucket(bus, "budget").put(key, b"")


async def test_a_value_that_is_too_big_is_refused_with_a_reason(bus):
    """Wishes come from strangers."""
    with pytest.raises(ApiRefused, match="exceed"):
        await Bucket(bus, "demand").put("team.a.b", b"x" * 5_000)


async def test_a_bucket_that_is_not_there_is_unreachable(bus):
    """It may be made any time."""
    bucket = Bucket(bus, "nowhere")
    for call in (bucket.read("a"), bucket.put("a", b""), bucket.read_all()):
        with pytest.raises(Unreachable):
            await call


async def test_a_frozen_server_does_not_hold_a_call_for_ever(bus, nats_server):
    """Each ends within the time it was given."""
    bucket = Bucket(bus, "budget", within=0.2)
    nats_server.freeze()
    try:
        for call in (bucket.read("plan"), bucket.put("plan", b""), bucket.read_all(), bucket.ttl()):
            with pytest.raises(Unreachable):
                await asyncio.wait_for(call, 1.0)
    finally:
        nats_server.thaw()


async def test_a_missing_permission_shows_at_once(nats_server_with_users):
    """Not after a deadline that looks like a slow server."""
    server = nats_server_with_users
    async with open_bus(url=server.url, name="test", connect_within=5, **server.credentials("team")) as bus:
        leases = Bucket(bus, "leases", within=30)
        for call in (leases.read("socket.1"), leases.put("socket.1", b""), leases.read_all(), leases.ttl()):
            with pytest.raises(AccessRefused):
                await asyncio.wait_for(call, 2)


async def test_a_cancellation_that_meets_the_answer_is_not_lost(bus):
    """Whoever asks in a loop can be stopped at any moment."""
    bucket = Bucket(bus, "budget")
    await bucket.put("plan", b"1")
    met = 0
    for round_ in range(600):
        asking = asyncio.create_task(bucket.read("plan"), name="asking")
        for _ in range(round_ % 12):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0001 * (round_ % 7))
        if asking.cancel():
            met += 1
            with pytest.raises(asyncio.CancelledError):
                await asking
    assert met > 100


@pytest.mark.parametrize(
    ("most", "read", "more"), [(2, ["b.2", "a.1"], 2), (9, ["a.3", "b.1", "b.2", "a.1"], 0)]
)
async def test_the_newest_keys_are_read_and_the_others_counted(bus, most, read, more):
    """Of a bucket that strangers may fill; a key that is written again is new."""
    bucket = Bucket(bus, "budget")
    for key in ("a.1", "a.3", "b.1", "b.2", "a.1"):
        await bucket.put(key, b"")

    entries, left = await bucket.read_newest(most)

    assert ([entry.key for entry in entries], left) == (read, more)
    assert [entry.key for entry in (await bucket.read_newest(9, key="b.>"))[0]] == ["b.1", "b.2"]
    assert await Bucket(bus, "demand").read_newest(9) == ([], 0)
