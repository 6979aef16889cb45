"""History over a real bus: found by id, by message id and by time, whole, and only what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from alert_bridge.account import history
from alert_bridge.account.archive import Archive
from alert_bridge.account.bodies import runs
from alert_bridge.account.index import Index
from alert_bridge.account.wanted import Filters, Wanted
from alert_bridge.receive.mint import snowflake_of
from alert_bridge.receive.shape import BridgedAlert
from baleen_bus import Bus, Publisher, Unreachable, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts.alert import Alert, Severity


def an_alert(name: str, **fields: object) -> BridgedAlert:
    """An alert as the bridge makes it."""
    given = {"alert_type": "flow", "source": "bot", "occurred_at": datetime.now(UTC)}
    return BridgedAlert(id=name, **{**given, **fields})


async def publish(bus: Bus, *alerts: Alert) -> list[int]:
    """Stores them in order, and says under which numbers."""
    async with Publisher(bus, source="test") as publisher:
        return [(await publisher.publish(alert)).seq for alert in alerts]


@asynccontextmanager
async def archive_over(bus: Bus, newest: int = 1_000) -> AsyncIterator[Archive]:
    """An archive that has read what was stored."""
    archive = Archive(newest)
    async with archive.over(bus):
        await until_ready(archive)
        yield archive


async def until_ready(archive: Archive) -> None:
    """Wait until it knows what was stored before."""
    async with asyncio.timeout(10):
        while not archive.ready:  # noqa: ASYNC110 - it shows as a property alone
            await asyncio.sleep(0.01)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a bus with its streams."""
    async with open_bus(url=nats_server.url, name="archive", connect_within=10) as opened:
        yield opened


async def test_what_was_stored_before_and_after_the_start_is_found_by_its_id(bus):
    """Old and new alike, whole, under the number the stream gave it."""
    [before] = await publish(bus, an_alert("before", content="I was first"))
    async with archive_over(bus) as archive:
        [after] = await publish(bus, an_alert("after"))
        await archive.settle()

        assert archive.seqs_of("before") == [before]
        assert archive.seqs_of("after") == [after]
        found = await archive.read(before)
        assert found is not None
        assert (found.seq, found.alert.content) == (before, "I was first")
        assert abs((datetime.now(UTC) - found.stored_at).total_seconds()) < 60
        assert await archive.read(after + 1) is None
        assert await archive.read(0) is None


async def test_a_sender_finds_its_message_by_the_id_it_was_answered(bus):
    """A minted id is the alert's own; one with a key goes by the snowflake of what the bus dedupes on."""
    fresh, keyed = an_alert("1441234567890123456"), an_alert("order-7")
    seqs = await publish(bus, fresh, keyed)
    async with archive_over(bus) as archive:
        assert archive.seq_of_snowflake("1441234567890123456") == seqs[0]
        assert archive.seq_of_snowflake(snowflake_of(keyed.identity)) == seqs[1]
        assert archive.seq_of_snowflake(snowflake_of(keyed.identity), source="somebody else") is None
        assert archive.seq_of_snowflake("1441234567890123457") is None


async def test_an_alert_without_an_id_goes_by_the_one_under_which_the_bus_knows_it(bus):
    """A program that publishes by itself may give no id."""
    alert = Alert(alert_type="flow", source="bot", occurred_at=datetime.now(UTC))
    seqs = await publish(bus, alert)
    async with archive_over(bus) as archive:
        assert archive.seqs_of(alert.identity) == seqs


async def test_only_the_newest_are_known_by_id_and_older_ones_are_still_read(bus):
    """What the index no longer knows, the stream still has."""
    seqs = await publish(bus, *(an_alert(f"a{n}") for n in range(30)))
    async with archive_over(bus, newest=10) as archive:
        assert archive.known == 10
        assert archive.seqs_of("a5") == []
        assert archive.seqs_of("a25") == [seqs[25]]
        assert [one.alert.id for one in await archive.since(seqs[3], 4)] == ["a3", "a4", "a5", "a6"]
        await publish(bus, *(an_alert(f"b{n}") for n in range(5)))
        await archive.settle()
        assert archive.known == 10
        assert archive.seqs_of("a24") == []


async def test_the_newest_come_newest_last(bus):
    """Without a moment to begin with, the last of all."""
    await publish(bus, *(an_alert(f"a{n}") for n in range(7)))
    async with archive_over(bus) as archive:
        page = await archive.page(Wanted(limit=3))

        assert [one.alert.id for one in page.alerts] == ["a4", "a5", "a6"]
        assert (page.next, page.more) == (8, False)


@pytest.mark.parametrize("newest", [1_000, 5])
async def test_following_the_pages_tells_every_alert_once(bus, newest):
    """From a number or a moment on, by the index or by reading, to the end and on from there."""
    await publish(bus, *(an_alert(f"a{n}") for n in range(10)))
    await asyncio.sleep(0.01)  # a moment between two alerts
    middle = datetime.now(UTC)
    await publish(bus, *(an_alert(f"a{n}") for n in range(10, 25)))
    async with archive_over(bus, newest) as archive:
        for since, first in ((1, 0), (middle, 10), (3, 2)):
            told, place, more = [], since, True
            while more:
                page = await archive.page(Wanted(place, limit=4))
                told += [one.alert.id for one in page.alerts]
                place, more = page.next, page.more
            assert told == [f"a{n}" for n in range(first, 25)]
            assert place == 26
        await publish(bus, an_alert("late"))
        await archive.settle()
        assert [one.alert.id for one in (await archive.page(Wanted(place))).alerts] == ["late"]
        assert (await archive.page(Wanted(1_000))).next == 1_000


@pytest.mark.parametrize("newest", [1_000, 5])
async def test_filters_tell_the_same_by_the_index_and_by_reading(bus, newest):
    """By kind and by text, each page only what fits."""
    await publish(
        bus,
        an_alert("1", symbol="SPY", severity="error"),
        an_alert("2", alert_type="Halt", symbol="BRK.B"),
        an_alert("3", source="desk", severity="warning", content="the Fed"),
        an_alert("4", symbol="SPY"),
        *(an_alert(f"{n}", alert_type="news", source="desk") for n in range(5, 20)),
    )
    wishes = {
        Filters(symbols=frozenset({"spy"})): ["1", "4"],
        Filters(types=frozenset({"halt"})): ["2"],
        Filters(types=frozenset({"halt", "flow"}), symbols=frozenset({"brk.b"})): ["2"],
        Filters(sources=frozenset({"desk"}), severity=Severity.WARNING): ["3"],
        Filters(text="fed"): ["3"],
        Filters(types=frozenset({"none"})): [],
    }
    async with archive_over(bus, newest) as archive:
        for filters, ids in wishes.items():
            assert [one.alert.id for one in await archive.since(1, 100, filters)] == ids
        assert [one.alert.id for one in await archive.since(None, 1, Filters(text="the fed"))] == (
            ["3"] if newest == 1_000 else []
        )


async def test_an_alert_that_comes_meanwhile_is_on_the_next_page(bus):
    """Where to go on is what was looked at, whatever is stored before the answer leaves."""
    index = Index()
    index.begin(0)
    for seq in range(1, 4):
        index.add(seq, seq, f"a{seq}", seq, ("flow", "bot", "", ""))
    asyncio.get_running_loop().call_soon(index.add, 4, 4, "a4", 4, ("flow", "desk", "", ""))

    page = await history.page_by_index(bus, index, Wanted(1, filters=Filters(sources=frozenset({"desk"}))))

    assert (page.alerts, page.next, page.more) == ([], 4, False)


async def test_a_page_ends_where_it_becomes_too_much(bus, monkeypatch):
    """Bounded in bytes and in what is looked at; it says where to go on."""
    await publish(bus, *(an_alert(f"a{n}", content="x" * 1_000) for n in range(10)))
    async with archive_over(bus) as archive:
        monkeypatch.setattr(history, "PAGE_BYTES", 2_500)
        page = await archive.page(Wanted(1))
        assert [one.seq for one in page.alerts] == [1, 2, 3]
        assert (page.next, page.more) == (4, True)

        monkeypatch.setattr(history, "LOOKED_AT", 4)
        page = await archive.page(Wanted(1, filters=Filters(text="nowhere")))
        assert (page.alerts, page.next, page.more) == ([], 5, True)
    async with archive_over(bus, newest=2) as archive:
        page = await archive.page(Wanted(1, filters=Filters(text="nowhere")))
        assert (page.alerts, page.next, page.more) == ([], 5, True)


async def test_what_is_no_alert_keeps_nobody_from_reading_on(bus):
    """A body that cannot be read has a number, and is no alert."""
    await publish(bus, an_alert("1"))
    await bus.request("ingress.alert.v1.flow._", b"no json", headers={"Nats-Msg-Id": "alert:odd"})
    await publish(bus, an_alert("2"))
    async with archive_over(bus) as archive:
        assert archive.seqs_of("odd") == [2]
        assert await archive.read(2) is None
        assert [one.alert.id for one in await archive.since(1, 10)] == ["1", "2"]


async def test_a_bus_that_went_and_came_back_leaves_nothing_out(nats_server):
    """What was stored while the connection was down is read when it is back."""
    async with open_bus(url=nats_server.url, name="archive", connect_within=10) as bus:
        await publish(bus, an_alert("before"))
        async with archive_over(bus) as archive:
            nats_server.restart()
            async with open_bus(url=nats_server.url, name="other", connect_within=10) as other:
                await publish(other, an_alert("meanwhile"))
            async with asyncio.timeout(15):
                while not archive.seqs_of("meanwhile"):  # noqa: ASYNC110 - on the other side of a socket
                    await asyncio.sleep(0.02)
            assert archive.seqs_of("before") == [1]


async def test_a_stream_made_anew_takes_the_old_alerts_with_it(nats_server, bus):
    """Its numbers begin again, and mean other alerts."""
    async with archive_over(bus) as archive:
        await publish(bus, *(an_alert(f"old{n}") for n in range(5)))
        await archive.settle()
        await bus.request_json("$JS.API.STREAM.DELETE.ALERT")
        await bootstrap(url=nats_server.url)
        await publish(bus, an_alert("new"))
        async with asyncio.timeout(15):
            while archive.seqs_of("new") != [1]:  # noqa: ASYNC110 - on the other side of a socket
                await asyncio.sleep(0.02)

        assert archive.seqs_of("old0") == []
        assert archive.known == 1


async def test_without_a_bus_it_says_so():
    """Nothing is told that is not known."""
    archive = Archive()

    assert not archive.ready
    with pytest.raises(Unreachable):
        await archive.read(1)
    with pytest.raises(Unreachable):
        await archive.page(Wanted())
    await archive.settle()


async def test_a_stream_that_is_not_there_yet_is_waited_for():
    """The bridge may start before the streams are made."""
    with NatsServer() as server:
        async with open_bus(url=server.url, name="archive", connect_within=10) as bus:
            archive = Archive()
            async with archive.over(bus):
                await bootstrap(url=server.url)
                await until_ready(archive)
                await publish(bus, an_alert("first"))
                await archive.settle()
                assert archive.seqs_of("first") == [1]


def test_numbers_near_one_another_are_read_at_one_go():
    """And those far apart each for themselves."""
    assert list(runs([1, 2, 5, 100, 101, 2_000])) == [[1, 2, 5], [100, 101], [2_000]]
    assert all(run[-1] - run[0] < 500 for run in runs(range(1, 2_000)))
    assert list(runs([])) == []
