"""Watches over a real nats-server: real messages in, alerts out, through restarts and changes of hands."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from alert_bridge.rules.model import Once, Rules, Watch
from alert_bridge.rules.subjects import fields_under
from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.position import PositionBook
from alert_bridge.watch.reader import WRITE_EVERY
from alert_bridge.watch.speaker import Speaker
from alert_bridge.watch.watcher import Watcher
from baleen_bus import Bucket, Publisher, Unreachable, fetch_newest, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.buckets import DELIVERY, LEASES
from baleen_bus.lease_value import release_mark
from baleen_bus.streams import StreamSettings
from baleen_contracts.alert import Alert, Severity
from baleen_contracts.catalogue import by_name, example
from baleen_filters import compile_filter
from baleen_runtime.clock import SystemClock

FLOW = "uw.v1.flow_alert.>"
SOURCES = ("watch:each", "watch:big flow")


def watch(name="big flow", *, subject=FLOW, where="premium >= 500000", title="{symbol} {premium}", **rest):
    """A watch as a rules file would give it."""
    compiled = compile_filter(where, fields_under(subject)) if where else None
    return Watch(name, subject, compiled, rest.pop("alert_type", "big_flow"), title, **rest)


def flow(number, *, premium=1_250_000.0, symbol="SPY", **rest):
    """A flow alert as the ingest publishes it."""
    entity = by_name("flow_alert")
    now = datetime.now(UTC).isoformat()
    fields = {
        "id": f"f-{number}",
        "premium": premium,
        "symbol": symbol,
        "occurred_at": now,
        "received_at": now,
    }
    return entity.model.model_validate({**example(entity), **fields, **rest})


class Holder:
    """Rules that a test may change."""

    def __init__(self, *watches):
        self.rules = Rules(watches=watches)
        self._callbacks = []

    def on_change(self, callback):
        """As the real one."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def become(self, *watches):
        """Let these be the watches from now on."""
        self.rules = Rules(watches=watches)
        for callback in list(self._callbacks):
            callback()


class Replica:
    """A watcher of its own connection, and what it counts."""

    def __init__(self, holder, name="one", most=20):
        self.registry = CollectorRegistry()
        self.watcher = Watcher(
            holder, figures=WatchFigures(self.registry), clock=SystemClock(), replica=name, most=most
        )

    def value(self, name, **labels):
        """The value of a metric."""
        return self.registry.get_sample_value(f"baleen_alert_bridge_{name}", labels) or 0

    @property
    def watches(self):
        """Whether it has begun on every stream."""
        round_ = self.watcher._round
        return round_ is not None and all(
            reader._follower is not None and reader._follower.current
            for reader, _ in round_._readers.values()
        )


@asynccontextmanager
async def replica(nats, holder, *, leaves=True, user=None, password=None, **settings):
    """A replica that watches; leaves in order, or as a crash would."""
    one = Replica(holder, **settings)
    async with open_bus(url=nats.url, name="replica", connect_within=5, user=user, password=password) as bus:
        running = asyncio.create_task(one.watcher.run(bus), name="replica")
        try:
            yield one
            if leaves:
                await one.watcher.leave()
        finally:
            running.cancel()
            await asyncio.wait({running})


async def until(fits, within=15):
    """Wait until it fits."""
    async with asyncio.timeout(within):
        while not fits():  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.01)


@pytest.fixture
async def bus(nats_server):
    """The test's own connection; nobody holds the lease to watch."""
    async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
        await Bucket(bus, LEASES).delete("watch", value=release_mark("test"))
        yield bus


@pytest.fixture
async def publish(bus):
    """Publishes messages and waits until they are stored."""
    async with Publisher(bus, source="uw-simulator") as publisher:

        async def publish(*messages):
            await asyncio.gather(*(publisher.publish(message) for message in messages))

        yield publish


@pytest.fixture
def told(bus):
    """Waits for so many alerts and returns all there are, in order."""

    async def told(count):
        async with asyncio.timeout(20):
            while True:
                with suppress(Unreachable):  # some tests restart the server
                    found = await fetch_newest(bus, "ALERT", ">", 100_000)
                    if len(found) >= count:
                        return [Alert.model_validate_json(item.body) for item in found]
                await asyncio.sleep(0.02)

    return told


async def test_a_match_becomes_an_alert(nats_server, bus, publish, told):
    """It has the watch's type, words and severity, the message's symbol and time, and says whence it is."""
    async with replica(nats_server, Holder(watch(severity=Severity.WARNING))) as one:
        await until(lambda: one.watches)
        match = flow(1, symbol="NVDA")
        await publish(flow(0, premium=100.0), match)
        [alert] = await told(1)

    assert (alert.alert_type, alert.source, alert.symbol, alert.severity) == (
        "big_flow",
        "watch:big flow",
        "NVDA",
        "warning",
    )
    assert alert.title == "NVDA 1.25 M"
    assert alert.occurred_at == match.occurred_at
    assert alert.labels["watch.subject"] == "uw.v1.flow_alert.NVDA"
    assert alert.labels["watch.message"] == match.message_id == "flow_alert:f-1"
    assert alert.id == "watch:big%20flow:flow_alert:f-1"
    assert {"name": "premium", "value": "1.25 M", "inline": True} in alert.embed["fields"]
    assert one.value("watch_matches_total", rule="big flow", outcome="told") == 1


def messages_of(alerts):
    """Which message each alert is about, in order."""
    return [alert.labels.get("watch.message") for alert in alerts]


async def test_a_new_watch_is_told_nothing_of_the_past(nats_server, bus, publish, told):
    """The first time it begins with what comes next, a second watch too when the rules bring it later."""
    holder = Holder(watch())
    await publish(flow(0))
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        await publish(flow(1))
        await told(1)
        holder.become(
            watch(), watch("halts", subject="uw.v1.trading_halt.>", where=None), watch("all", where=None)
        )
        await until(lambda: one.value("watch_matches_total", rule="all", outcome="told") == 0 and one.watches)
        await until(lambda: len(one.watcher._round._readers["TAPE"][0]._sentries.standing) == 3)
        await publish(flow(2, premium=5.0), flow(3))
        found = await told(4)

    assert sorted((a.source, a.labels["watch.message"]) for a in found) == [
        ("watch:all", "flow_alert:f-2"),
        ("watch:all", "flow_alert:f-3"),
        ("watch:big flow", "flow_alert:f-1"),
        ("watch:big flow", "flow_alert:f-3"),
    ]


async def test_patterns_may_come_and_go_without_a_message_lost(nats_server, bus, publish, told):
    """While the rules change under a flow of matches, the watch that stays tells of each once."""
    holder = Holder(watch())
    async with replica(nats_server, holder, most=10_000) as one:
        await until(lambda: one.watches)
        for number in range(60):
            await publish(flow(number))
            if number % 10 == 0:
                extra = watch("trades", subject="uw.v1.option_trade.>", where="premium > 1e12")
                holder.become(watch(), extra) if number % 20 else holder.become(watch())
        found = await told(60)

    assert messages_of(found) == [f"flow_alert:f-{number}" for number in range(60)]


async def test_a_stream_that_nobody_watches_is_forgotten(nats_server, bus, publish, told):
    """A watch that was removed and comes back is told nothing of the time between, and the lease is free."""
    holder = Holder(watch())
    book = Bucket(bus, DELIVERY)
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        assert (await book.read("watch.TAPE")).deleted is False
        holder.become()
        await until(lambda: not one.value("watching"))
        await publish(flow(1))
        assert (await book.read("watch.TAPE")).deleted
        holder.become(watch())
        await until(lambda: one.watches)
        await publish(flow(2))
        found = await told(1)

    assert messages_of(found) == ["flow_alert:f-2"]


async def test_who_takes_over_goes_on_where_the_other_stopped(nats_server, bus, publish, told):
    """Matches of the time without any replica are told; cooldowns go on; nothing is told twice."""
    holder = Holder(watch(cooldown=Once(("symbol",), 3_600.0)), watch("each"))
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        await publish(flow(1), flow(2, symbol="QQQ"))
        await told(4)
    await publish(flow(3), flow(4, symbol="IWM"))
    async with replica(nats_server, holder, name="two") as two:
        await until(lambda: two.watches)
        await publish(flow(5, symbol="IWM"), flow(6, symbol="DIA"))
        found = await told(10)
        cooled = two.value("watch_matches_total", rule="big flow", outcome="cooldown")

    by = {name: [a.labels["watch.message"][-1] for a in found if a.source == name] for name in SOURCES}
    assert by == {"watch:each": list("123456"), "watch:big flow": list("1246")}
    assert cooled == 2


@pytest.mark.slow
async def test_a_crash_loses_and_repeats_nothing(nats_server, bus, publish, told):
    """Whoever takes over reads again what may not be stored, and skips what is."""
    holder = Holder(watch(cooldown=Once(("symbol",), 0.0)))
    async with replica(nats_server, holder, leaves=False, most=10_000) as one:
        await until(lambda: one.watches)
        publishing = asyncio.create_task(_flow_on(publish, 200), name="flow")
        await told(60)
    async with replica(nats_server, holder, name="two", leaves=False, most=10_000):
        await publishing
        found = await told(200)
    async with replica(nats_server, holder, name="three") as three:
        await until(lambda: three.watches)

    assert messages_of(found) == [f"flow_alert:f-{number}" for number in range(200)]


async def _flow_on(publish, count):
    for number in range(count):
        await publish(flow(number))


async def test_a_position_waits_for_its_alerts(nats_server, bus, publish, told):
    """While the alert of a match is not stored, no position beyond it is written: who comes next tells it."""
    holder = Holder(watch())
    async with replica(nats_server, holder, leaves=False) as one:
        await until(lambda: one.watches)
        await bus.request_json("$JS.API.STREAM.DELETE.ALERT")
        await publish(flow(1), flow(2, premium=1.0), flow(3))
        await until(lambda: one.value("watch_messages_total") == 3)
        await asyncio.sleep(1.5 * WRITE_EVERY)  # more than one position was due
        assert one.value("watch_open_messages") == 2
    await bootstrap(url=nats_server.url)
    await Bucket(bus, LEASES).delete("watch", value=release_mark("test"))
    async with replica(nats_server, holder, name="two"):
        found = await told(2)

    assert messages_of(found) == ["flow_alert:f-1", "flow_alert:f-3"]


async def test_a_restart_of_the_bus_loses_and_repeats_nothing(nats_server, bus, publish, told):
    """Matches around a kill -9 of the server are told once each, in order."""
    async with replica(nats_server, Holder(watch()), most=10_000) as one:
        await until(lambda: one.watches)
        publishing = asyncio.create_task(_flow_on(publish, 200), name="flow")
        for after in (40, 100):
            await told(after)
            nats_server.restart()
        await publishing
        found = await told(200)

    assert messages_of(found) == [f"flow_alert:f-{number}" for number in range(200)]


async def test_of_two_replicas_one_watches(nats_server, bus, publish, told):
    """The other stands by, and takes over at once when the first leaves."""
    holder = Holder(watch())
    async with replica(nats_server, holder, name="two") as two:
        await until(lambda: two.watches)
        async with replica(nats_server, holder, name="one") as one:
            await publish(flow(1))
            await told(1)
            assert (one.value("watching"), two.value("watching")) == (0, 1)
            await two.watcher.leave()
            await until(lambda: one.watches, within=5)
            await publish(flow(2))
            found = await told(2)

    assert messages_of(found) == ["flow_alert:f-1", "flow_alert:f-2"]


async def test_who_finds_another_in_its_place_looks_again(nats_server, bus, publish, told):
    """A replica whose position somebody else wrote does not write over it: it begins again from there."""
    bucket = Bucket(bus, DELIVERY)
    async with replica(nats_server, Holder(watch())) as one:
        await until(lambda: one.watches)
        before = one.watcher._round
        await publish(flow(1))
        await told(1)
        stood = json.loads((await bucket.read("watch.TAPE")).value)
        await bucket.put("watch.TAPE", json.dumps({**stood, "writer": "another"}).encode())
        await publish(flow(2))
        await until(lambda: one.watcher._round not in (None, before) and one.watches)
        await publish(flow(3))
        found = await told(3)

    assert messages_of(found) == [f"flow_alert:f-{number}" for number in (1, 2, 3)]


async def test_a_storm_is_bounded_and_summed_up(nats_server, bus, publish, told):
    """Of 5,000 matches at most 20 a second are told one by one, and one alert says how many were not."""
    await bootstrap(url=nats_server.url, settings=StreamSettings(lease_ttl=60.0))  # however busy the machine
    async with replica(nats_server, Holder(watch())) as one:
        await until(lambda: one.watches)
        for first in range(0, 5_000, 1_000):
            await publish(*(flow(number) for number in range(first, first + 1_000)))
        await until(lambda: one.value("watch_messages_total") == 5_000)
        above = one.value("watch_matches_total", rule="big flow", outcome="ceiling")
        singly = one.value("watch_matches_total", rule="big flow", outcome="told")
    found = await told(singly + 1)

    seconds = Counter(int(a.received_at.timestamp()) for a in found if "watch.message" in a.labels)
    assert above + singly == 5_000
    assert max(seconds.values()) == 20
    assert sum(int(a.labels["watch.above"]) for a in found if "watch.above" in a.labels) == above
    assert len(found) <= singly + 2  # a minute may have turned meanwhile


async def test_a_full_outbox_drops_no_match(nats_server, bus, publish, told, monkeypatch):
    """What found no room is read again and told, in order; no more than one message waits in memory."""
    monkeypatch.setattr("alert_bridge.watch.watcher.OUTBOX_MESSAGES", 7)
    say, waiting = Speaker.say, []

    def say_and_look(self, *said):
        say(self, *said)
        waiting.append(len(self._unsaid))

    monkeypatch.setattr(Speaker, "say", say_and_look)
    async with replica(nats_server, Holder(watch()), most=10_000) as one:
        await until(lambda: one.watches)
        await publish(*(flow(number) for number in range(100)))
        found = await told(100)

    assert messages_of(found) == [f"flow_alert:f-{number}" for number in range(100)]
    assert max(waiting) == 1


async def test_what_the_stream_has_let_go_is_said(nats_server, bus, publish, told):
    """When messages went before anybody heard them, an alert says which."""
    holder = Holder(watch())
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        await publish(flow(1))
        await told(1)
    await publish(flow(2), flow(3), flow(4))
    await bus.request_json("$JS.API.STREAM.PURGE.TAPE", {"seq": 4})
    async with replica(nats_server, holder, name="two"):
        found = await told(3)

    by_type = {alert.alert_type: alert for alert in found}
    assert by_type["watch_gap"].source == "alert-bridge"
    assert "2 to 3" in by_type["watch_gap"].embed["description"]
    assert "flow_alert:f-4" in messages_of(found)


async def test_a_stream_made_anew_is_read_from_its_beginning(nats_server, bus, publish, told):
    """Its numbers mean something else now; that is said, and nothing of it is skipped."""
    holder = Holder(watch())
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        await publish(flow(1), flow(2), flow(3))
        await told(3)
    await bus.request_json("$JS.API.STREAM.DELETE.TAPE")
    await bootstrap(url=nats_server.url)
    await publish(flow(4))
    async with replica(nats_server, holder, name="two"):
        found = await told(5)

    assert "flow_alert:f-4" in messages_of(found)
    assert [alert.labels["reason"] for alert in found if alert.alert_type == "watch_gap"] == [
        "stream_recreated"
    ]


@pytest.mark.slow
async def test_a_quiet_watch_does_not_fall_behind(nats_server, bus, publish, told):
    """Its position moves over what it does not look for, so that retention is no loss to it."""
    holder = Holder(watch(subject="uw.v1.flow_alert.NVDA"))
    book = PositionBook(Bucket(bus, DELIVERY), "TAPE")
    async with replica(nats_server, holder) as one:
        await until(lambda: one.watches)
        await publish(*(flow(number) for number in range(50)))
        async with asyncio.timeout(20):
            while (await book.read()).seq < 50:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.1)
        await publish(flow(50, symbol="NVDA"))
        found = await told(1)

    assert messages_of(found) == ["flow_alert:f-50"]


async def test_nobody_is_woken_by_alerts(nats_server, bus, publish, told):
    """A watch over everything leaves the bridge's own words alone, whatever its rules were read from."""
    async with replica(nats_server, Holder(watch("all", subject=">", where=None))) as one:
        await until(lambda: one.watches)
        assert not {"ALERT", "DEAD"} & set(one.watcher._round._readers)
        await publish(flow(1))
        await told(1)
        await publish(flow(2))
        await told(2)

    assert messages_of(await told(2)) == ["flow_alert:f-1", "flow_alert:f-2"]


async def test_the_bridges_user_may_watch(nats_server_with_users):
    """With the permissions of its user a bridge may follow, keep positions and hold the lease."""
    nats = nats_server_with_users
    async with (
        open_bus(url=nats.url, name="test", connect_within=5, **nats.credentials("uw-ingest")) as ingest,
        Publisher(ingest, source="uw-simulator") as publisher,
        replica(nats, Holder(watch()), **nats.credentials("alert-bridge")) as one,
    ):
        await until(lambda: one.watches)
        await publisher.publish(flow(1))
        await until(lambda: one.value("watch_matches_total", rule="big flow", outcome="told") == 1)
        await until(lambda: one.watcher._round.open == 0)
