"""Leases over a real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from baleen_bus import AccessRefused, Bucket, Bus, Unreachable, open_bus
from baleen_bus.bootstrap import bootstrap, ensure_streams
from baleen_bus.buckets import BUCKETS, bucket_config
from baleen_bus.connection import end_task
from baleen_bus.lease_value import Before
from baleen_bus.leases import Grant, LeaseKeeper, LeaseView, seconds_since_boot, times_for
from baleen_bus.streams import StreamSettings
from baleen_bus.testing import NatsServer, eventually

TIMES = times_for(1.5)
KEY = "socket.1"


class Holder:
    """A keeper and what it was told."""

    def __init__(self, bus: Bus, owner: str, **more: Any) -> None:
        self.wanted = True
        self.told: dict[str, Any] = {"state": "connecting"}
        self.grants: list[Grant] = []
        self.losses: list[str] = []
        self.lost_at = 0.0
        self.keeper = LeaseKeeper(
            Bucket(bus, "leases"),
            KEY,
            owner=owner,
            times=TIMES,
            wanted=lambda: self.wanted,
            tell=lambda: self.told,
            on_held=self.grants.append,
            on_lost=self.on_lost,
            **more,
        )

    def on_lost(self, reason: str) -> None:
        """Closes its socket, as it were."""
        assert self.keeper.grant is None
        self.losses.append(reason)
        self.lost_at = asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def holding(bus: Bus, owner: str = "one", **more: Any) -> AsyncIterator[Holder]:
    """One that runs."""
    holder = Holder(bus, owner, **more)
    running = asyncio.create_task(holder.keeper.run(), name=f"keeper-{owner}")
    try:
        yield holder
    finally:
        await end_task(running)
        await holder.keeper.release(0.2)


@pytest.fixture
async def server(nats_server: NatsServer) -> NatsServer:
    """With short leases."""
    await bootstrap(url=nats_server.url, settings=StreamSettings(lease_ttl=TIMES.length))
    return nats_server


@pytest.fixture
async def other_bus(server: NatsServer) -> AsyncIterator[Bus]:
    """A second replica's connection."""
    async with open_bus(url=server.url, name="other", connect_within=5) as bus:
        yield bus


async def stored(bus: Bus) -> dict[str, Any]:
    """What the lease's key holds."""
    entry = await Bucket(bus, "leases").read(KEY)
    assert entry is not None
    return dict(orjson.loads(entry.value))


async def test_one_of_two_holds_it_and_tells(server, bus, other_bus):
    """The other waits; what the holder tells is on the bus, news at once."""
    async with holding(bus, "one") as one, holding(other_bus, "two") as two:
        await eventually(lambda: one.grants or two.grants)
        holder, other = (one, two) if one.grants else (two, one)
        await eventually(lambda: holder.keeper.stats.renewed > 8)
        assert (other.grants, holder.losses, len(holder.grants)) == ([], [], 1)
        assert holder.keeper.grant == holder.grants[0]
        assert 0 < holder.keeper.seconds_left <= TIMES.usable

        holder.told = {"state": "connected", "accepted": ["price:SPY"]}
        view = LeaseView(Bucket(bus, "leases"), every=0.05)
        watching = asyncio.create_task(view.run(), name="view")
        await eventually(lambda: KEY in view.seen)
        holder.keeper.touch()
        await eventually(lambda: view.seen[KEY].value["state"] == "connected", within=1)
        await end_task(watching)
        value = view.seen[KEY].value
        assert (value["epoch"], value["before"]) == (holder.grants[0].epoch, holder.grants[0].before)
        assert value["owner"] == ("one" if holder is one else "two")


async def test_a_released_lease_is_taken_at_once(server, bus, other_bus):
    """The one who waits hears of it."""
    async with holding(bus, "one") as one:
        await eventually(lambda: one.grants)
        async with holding(other_bus, "two") as two:
            await eventually(lambda: two.keeper.stats.conflicts == 0 and two.keeper.stats.taken == 0)
            await asyncio.sleep(TIMES.margin)  # it is watching by now
            loop = asyncio.get_running_loop()
            one.wanted = False
            released_at = loop.time()
            assert await one.keeper.release()
            assert one.keeper.grant is None
            await eventually(lambda: two.grants, within=2)
            assert loop.time() - released_at < 0.3
            assert two.grants[0].before is Before.RELEASED
            assert two.grants[0].epoch > one.grants[0].epoch
            assert one.losses == []


async def test_who_is_not_eager_lets_the_other_go_first(server, bus, other_bus):
    """Though both see it free at the same moment."""
    async with holding(bus, "one", eager=lambda: 0.5) as one, holding(other_bus, "two") as two:
        await eventually(lambda: one.grants or two.grants)
        assert two.grants


async def test_a_lost_answer_is_adopted(server, bus, monkeypatch):
    """The renewal was stored: reading shows whose it is, and the lease goes on under its epoch."""
    async with holding(bus) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        asked: Callable[..., Any] = bus.request
        lost: list[str] = []

        async def losing(subject: str, *arguments: Any, **named: Any) -> Any:
            answer = await asked(subject, *arguments, **named)
            if subject.startswith("$KV.") and not lost:
                lost.append(subject)
                raise Unreachable("the answer was lost")
            return answer

        monkeypatch.setattr(bus, "request", losing)
        await eventually(lambda: one.keeper.stats.conflicts == 1)
        renewed = one.keeper.stats.renewed
        await eventually(lambda: one.keeper.stats.renewed > renewed + 3)
        assert (len(one.grants), one.losses) == (1, [])


async def test_a_short_outage_of_the_bus_costs_no_lease(server, bus):
    """It is shorter than the lease less its margin."""
    async with holding(bus) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        server.restart()
        renewed = one.keeper.stats.renewed
        await eventually(lambda: one.keeper.stats.renewed > renewed + 3)
        assert (len(one.grants), one.losses) == (1, [])


async def test_a_long_outage_ends_the_lease_at_its_deadline_to_the_moment(server, bus):
    """And afterwards it is taken anew, with a greater epoch."""
    async with holding(bus) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        server.kill()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + one.keeper.seconds_left
        await eventually(lambda: one.losses)
        assert one.losses == ["it was not renewed in time"]
        assert abs(one.lost_at - deadline) < 0.1
        server.start()
        await eventually(lambda: len(one.grants) == 2)
        assert one.grants[1].epoch > one.grants[0].epoch


async def test_a_frozen_server_does_not_hold_up_the_deadline(server, bus):
    """No answer comes, and no word that the connection is lost."""
    async with holding(bus) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        server.freeze()
        try:
            await eventually(lambda: one.losses, within=TIMES.length)
        finally:
            server.thaw()
        await eventually(lambda: len(one.grants) == 2)


async def test_a_strangers_value_ends_the_lease_and_is_waited_out(server, bus, other_bus):
    """It is shown as nobody's, named once, and nothing else is disturbed."""
    bucket = Bucket(other_bus, "leases")
    view = LeaseView(bucket, every=0.05)
    async with holding(bus) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        watching = asyncio.create_task(view.run(), name="view")
        await bucket.put("planner", orjson.dumps({"owner": "two", "since": "2026-01-05T15:30:00Z"}))
        await bucket.put(KEY, b"mine now")
        await eventually(lambda: one.losses)
        await eventually(lambda: view.malformed == 1)
        assert view.seen[KEY].value == {"owner": "unknown"}
        assert view.seen["planner"].value["owner"] == "two"
        assert one.keeper.grant is None
        await eventually(lambda: len(one.grants) == 2)
        assert one.grants[1].before is Before.EXPIRED
        await end_task(watching)
        assert view.malformed == 1


async def test_a_strangers_deletion_lets_nobody_else_in_at_once(server, bus, other_bus):
    """Only a holder's own mark proves that it has stopped."""
    async with holding(bus, "one") as one, holding(other_bus, "two") as two:
        await eventually(lambda: one.grants or two.grants)
        holder = one if one.grants else two
        deleted_at = asyncio.get_running_loop().time()
        await Bucket(other_bus, "leases").delete(KEY)
        await eventually(lambda: holder.losses)
        await eventually(lambda: len(one.grants) + len(two.grants) == 2)
        assert asyncio.get_running_loop().time() - deleted_at > TIMES.length
        newest = max(one.grants + two.grants, key=lambda grant: grant.epoch)
        assert newest.before is Before.EXPIRED


async def test_a_view_forgets_what_has_expired(server, bus):
    """Which is told nowhere, so it looks."""
    bucket = Bucket(bus, "leases")
    changes: list[int] = []
    view = LeaseView(bucket, every=0.05, on_seen=lambda: changes.append(1))
    watching = asyncio.create_task(view.run(), name="view")
    await eventually(lambda: view.fresh_at is not None and not view.seen)  # marks of before the test
    changes.clear()
    await bucket.put("rest", orjson.dumps({"owner": "one", "since": "2026-01-05T15:30:00Z"}))
    await eventually(lambda: "rest" in view.seen)
    await eventually(lambda: not view.seen)
    await end_task(watching)
    assert len(changes) == 2


async def test_a_view_believes_a_bucket_that_was_made_anew(server, bus):
    """It counts from one again; one reading below what was seen may come from a server that is behind."""
    bucket = Bucket(bus, "leases")
    view = LeaseView(bucket)
    for owner in ("one", "two"):
        await bucket.put("rest", orjson.dumps({"owner": owner, "since": "2026-01-05T15:30:00Z"}))
    await view.refresh()
    assert view.seen["rest"].value["owner"] == "two"

    await bus.request_json("$JS.API.STREAM.DELETE.KV_leases", within=5)
    await ensure_streams(bus, [bucket_config(BUCKETS["leases"], StreamSettings(lease_ttl=60))])
    await bucket.put("rest", orjson.dumps({"owner": "three", "since": "2026-01-05T15:30:00Z"}))
    await view.refresh()
    assert view.seen["rest"].value["owner"] == "two"
    await view.refresh()

    assert (view.seen["rest"].value["owner"], view.seen["rest"].revision) == ("three", 1)


async def test_a_clock_that_goes_back_ends_the_lease(server, bus):
    """Whoever asks for the grant learns it even before the keeper does."""
    leap = 0.0
    async with holding(bus, clock=lambda: seconds_since_boot() - leap) as one:
        await eventually(lambda: one.keeper.stats.renewed > 1)
        leap = 60.0
        assert one.keeper.grant is None
        await eventually(lambda: one.losses)
        assert one.losses == ["the clock went back"]
        await eventually(lambda: len(one.grants) == 2)


async def test_a_cancelled_keeper_still_stops_at_its_deadline(server, bus):
    """As after a crash, it does not let go by itself."""
    async with holding(bus) as one:
        await eventually(lambda: one.grants)
    async with asyncio.timeout(1):
        assert (await stored(bus)).get("released") is True  # the helper of this test released it
    holder = Holder(bus, "two")
    running = asyncio.create_task(holder.keeper.run(), name="keeper")
    await eventually(lambda: holder.grants)
    await end_task(running)
    assert holder.keeper.grant is not None
    await eventually(lambda: holder.losses, within=TIMES.length)


async def test_release_without_a_bus_does_not_hang(server, bus):
    """The lease expires by itself."""
    async with holding(bus) as one:
        await eventually(lambda: one.grants)
        one.wanted = False
        server.kill()
        assert await asyncio.wait_for(one.keeper.release(0.3), 2) is False
        assert one.keeper.grant is None
        server.start()


async def test_a_lease_that_is_unwanted_is_left_to_others(server, bus, other_bus):
    """Until it is wanted."""
    async with holding(bus, "one") as one:
        one.wanted = False
        async with holding(other_bus, "two") as two:
            await eventually(lambda: two.grants)
            assert one.grants == []
            two.wanted = False
            await two.keeper.release()
        one.wanted = True
        await eventually(lambda: one.grants, within=2)


async def test_a_missing_permission_ends_the_keeper(nats_server_with_users):
    """The service must end, not try for ever."""
    server = nats_server_with_users
    async with open_bus(url=server.url, name="test", connect_within=5, **server.credentials("team")) as bus:
        holder = Holder(bus, "team")
        with pytest.raises(AccessRefused):
            await asyncio.wait_for(holder.keeper.run(), 5)


async def test_an_error_in_what_the_holder_tells_ends_the_keeper_and_the_lease(server, bus):
    """A holder that nobody renews for must not go on."""
    holder = Holder(bus, "one")
    running = asyncio.create_task(holder.keeper.run(), name="keeper")
    await eventually(lambda: holder.grants)
    holder.told = {"accepted": object()}
    with pytest.raises(TypeError):
        await asyncio.wait_for(running, 5)
    assert len(holder.losses) == 1
    assert holder.keeper.grant is None
