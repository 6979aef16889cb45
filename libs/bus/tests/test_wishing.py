"""Wishes: what is one, and how they come and go on a real server."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import (
    AccessRefused,
    Bucket,
    Entry,
    Unreachable,
    Wish,
    Wishing,
    WishReason,
    WishRefused,
    demand,
    open_bus,
    read_wish,
    read_wishes,
    wishing,
)
from baleen_bus.connection import end_task
from baleen_bus.testing import eventually
from baleen_bus.wish import check_topic

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
WISH = Wish("uw.v1.gex.BRK%2EB", "team", "desk one", NOW + timedelta(minutes=1))


def entry(wish: Wish = WISH, *, key: str | None = None, **changed: Any) -> Entry:
    """What stands on the bus, changed perhaps."""
    value = orjson.loads(wish.to_json()) | changed
    return Entry(key or wish.key, orjson.dumps(value), 1, deleted=False)


def reason_of(strange: Entry) -> WishReason:
    """Why this is no wish."""
    with pytest.raises(WishRefused) as caught:
        read_wish(strange, NOW)
    return caught.value.reason


def test_a_wish_is_read_as_it_was_written():
    """Whatever letters its topic and its wisher hold."""
    assert WISH.key == "team.desk=20one.uw=2Ev1=2Egex=2EBRK=252EB"
    assert read_wish(entry(), NOW) == WISH


def test_a_wish_whose_time_is_over_is_still_one():
    """Whoever reads it decides by their own clock."""
    assert read_wish(entry(), NOW + timedelta(days=1)) == WISH


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        (entry(key="team.a"), WishReason.MALFORMED_KEY),
        (entry(key="team.a.b.c"), WishReason.MALFORMED_KEY),
        (entry(key="team.a.=2"), WishReason.MALFORMED_KEY),
        (entry(key="team._.a"), WishReason.MALFORMED_KEY),
        (entry(topic="uw..gex"), WishReason.MALFORMED_TOPIC),
        (entry(topic=5), WishReason.MALFORMED_BODY),
        (entry(until="tomorrow"), WishReason.MALFORMED_BODY),
        (entry(until="2026-01-05T15:31:00"), WishReason.MALFORMED_BODY),
        (entry(until=5), WishReason.MALFORMED_BODY),
        (entry(until="0001-01-01T00:00:00+23:00"), WishReason.MALFORMED_BODY),
        (entry(until="2026-01-05T15:40:01Z"), WishReason.TOO_LONG),
        (entry(wisher="another"), WishReason.CONTRADICTORY),
        (entry(kind="gateway"), WishReason.CONTRADICTORY),
        (entry(topic="uw.v1.gex.SPY"), WishReason.CONTRADICTORY),
        (entry(padding="x" * 5_000), WishReason.TOO_BIG),
    ],
)
def test_what_is_no_wish_says_why(strange, reason):
    """From a closed set of reasons, so that they can be counted."""
    assert reason_of(strange) is reason


@given(st.binary() | st.recursive(st.none() | st.integers(-9, 9) | st.text(), st.lists).map(orjson.dumps))
def test_any_bytes_are_refused_and_nothing_else_happens(body):
    """They come from strangers."""
    assert reason_of(Entry(WISH.key, body, 1, deleted=False)) in WishReason


@pytest.mark.parametrize("topic", ["uw.v1.>", "uw.v1.gex.*", "uw.*.gex.SPY", "a", ">", "uw.v1.raw.x._"])
def test_a_subject_or_a_pattern_is_a_topic(topic):
    """As NATS has them."""
    check_topic(topic)


@pytest.mark.parametrize(
    "topic", ["", ".", "a.", ".a", "a..b", "a b", "a.>.b", "a.b*", "a.>b", "a\nb", "\u00e9", "x" * 256]
)
def test_anything_else_is_none(topic):
    """It would match nothing, or everything."""
    with pytest.raises(WishRefused, match="malformed_topic"):
        check_topic(topic)


async def test_a_demand_lasts_as_long_as_its_block(bus):
    """And nobody need clean up after it."""
    async with demand("uw.v1.gex.SPY", "uw.v1.flow_alert.>", bus=bus):
        wishes, refused = await read_wishes(bus)
        assert sorted(wish.topic for wish in wishes) == ["uw.v1.flow_alert.>", "uw.v1.gex.SPY"]
        assert {wish.kind for wish in wishes} == {"team"}
        assert refused == []
    assert await read_wishes(bus) == ([], [])


async def test_a_demand_over_its_own_connection(nats_server_with_users, monkeypatch):
    """Told where to go by the environment, as the one-call publishing is."""
    server = nats_server_with_users
    monkeypatch.setenv("BALEEN_NATS_URL", server.url)
    monkeypatch.setenv("BALEEN_NATS_USER", "team")
    monkeypatch.setenv("BALEEN_NATS_PASSWORD", server.passwords["team"])
    async with (
        open_bus(url=server.url, name="test", connect_within=5, **server.credentials("uw-ingest")) as ingest,
        demand("uw.v1.gex.SPY"),
    ):
        [wish], _ = await read_wishes(ingest)
        assert wish.wisher.startswith("team-")
    monkeypatch.setenv("BALEEN_NATS_URL", "nats://127.0.0.1:9")
    monkeypatch.setattr("baleen_bus.wishing.CONNECT_WITHIN", 0.2)
    with pytest.raises(Unreachable):
        async with demand("uw.v1.gex.SPY"):
            pytest.fail("nobody was told")


async def test_a_wish_is_renewed_before_its_time_is_over(bus):
    """A third of the time it lasts after it was written."""
    async with demand("uw.v1.gex.SPY", lasting=1.0, bus=bus):
        [first], _ = await read_wishes(bus)
        told: list[Entry] = []
        await Bucket(bus, "demand").on_change(told.append)
        await eventually(lambda: len(told) > 4)
        [later], _ = await read_wishes(bus)
        assert later.until > first.until


async def test_wishes_change_while_they_are_told(bus):
    """What is wanted no more goes at once, the rest stays."""
    wishing = Wishing(bus, kind="gateway", wisher="g1")
    running = asyncio.create_task(wishing.run(), name="wishing")
    told: list[str] = []
    await Bucket(bus, "demand").on_change(lambda entry: told.append(f"{entry.key} {entry.deleted}"))
    wishing.want("a", "b")
    await eventually(lambda: len(told) == 2)
    wishing.want("b", "c")
    await eventually(lambda: len(told) == 4)
    await end_task(running)
    assert told == ["gateway.g1.a False", "gateway.g1.b False", "gateway.g1.a True", "gateway.g1.c False"]
    await wishing.leave()
    assert (await read_wishes(bus))[0] == []


async def test_wishes_are_told_when_the_bus_is_back(bus, nats_server):
    """The wisher need not care."""
    async with demand("a", bus=bus):
        pass
    wishing = Wishing(bus, kind="team", wisher="t")
    running = asyncio.create_task(wishing.run(), name="wishing")
    nats_server.kill()
    await eventually(lambda: not bus.connected)
    wishing.want("uw.v1.gex.SPY")
    nats_server.start()
    await eventually(lambda: bus.connected)
    for _ in range(100):
        try:
            wishes, _ = await read_wishes(bus)
        except Unreachable:
            wishes = []
        if wishes:
            break
        await asyncio.sleep(0.05)
    await end_task(running)
    assert [wish.topic for wish in wishes] == ["uw.v1.gex.SPY"]


async def test_strange_wishes_are_named_and_disturb_no_other(bus):
    """By key and reason; delete marks are none."""
    bucket = Bucket(bus, "demand")
    await bucket.put("team.a.b", b"<html>")
    await bucket.put("nonsense", b"{}")
    await bucket.put("team.gone.x", b"")
    await bucket.delete("team.gone.x")
    async with demand("uw.v1.gex.SPY", bus=bus):
        wishes, refused = await read_wishes(bucket)
    assert [wish.topic for wish in wishes] == ["uw.v1.gex.SPY"]
    assert refused == [("team.a.b", "malformed_body"), ("nonsense", "malformed_key")]


async def test_a_wish_that_is_over_counts_no_more(bus):
    """Though the bucket still keeps it."""
    over = Wish("a", "team", "t", datetime.now(UTC) - timedelta(seconds=1))
    await Bucket(bus, "demand").put(over.key, over.to_json())
    assert await read_wishes(bus) == ([], [])


async def test_what_makes_no_sense_is_said_at_once(bus):
    """Before anything is told."""
    with pytest.raises(WishRefused):
        async with demand("a..b", bus=bus):
            pytest.fail("no such topic")
    for lasting in (0.0, 301.0):
        with pytest.raises(ValueError, match="lasts"):
            async with demand("a", lasting=lasting, bus=bus):
                pytest.fail("no such time")


async def test_a_user_wishes_only_in_its_own_name(nats_server_with_users):
    """A team not as a gateway, and neither takes anything from the leases."""
    server = nats_server_with_users
    for user, own, foreign in (("team", "team", "gateway"), ("ws-gateway", "gateway", "team")):
        async with open_bus(url=server.url, name="test", connect_within=5, **server.credentials(user)) as bus:
            async with demand("a", kind=own, bus=bus):
                pass
            with pytest.raises(AccessRefused):
                async with demand("a", kind=foreign, bus=bus):
                    pytest.fail("not allowed")


async def test_too_many_wishes_are_refused_and_counted_and_gateways_are_heard(bus, monkeypatch):
    """The oldest are left out, and whoever floods the bucket leaves a gateway's wishes alone."""
    monkeypatch.setattr(wishing, "MOST", 3)
    gateway = Wishing(bus, kind="gateway", wisher="g")
    gateway.want("uw.v1.news.a", "uw.v1.news.b")
    await gateway.tell()
    flood = Wishing(bus, kind="team", wisher="flood")
    flood.want(*(f"uw.v1.gex.T{number}" for number in range(8)))
    await flood.tell()

    wishes, refused = await read_wishes(bus)

    assert sorted(wish.topic for wish in wishes) == [
        *(f"uw.v1.gex.T{number}" for number in (5, 6, 7)),
        "uw.v1.news.a",
        "uw.v1.news.b",
    ]
    assert refused == [(">", "too_many")] * 5


@pytest.mark.parametrize(("kind", "wisher"), [("team", "w" * 81), ("k" * 21, "w")])
async def test_a_wisher_with_a_long_name_is_refused(bus, kind, wisher):
    """Its name is told on with every topic it wishes for; both sides say so."""
    with pytest.raises(WishRefused, match="too_big"):
        Wishing(bus, kind=kind, wisher=wisher)

    assert reason_of(entry(Wish(WISH.topic, kind, wisher, WISH.until))) is WishReason.TOO_BIG


async def test_a_machine_with_a_long_name_may_wish(bus, monkeypatch):
    """The name that a demand makes up is cut."""
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 200)
    async with demand("uw.v1.gex.SPY", bus=bus):
        (wish,), _ = await read_wishes(bus)

    assert len(wish.wisher) == 80
