"""Watches over a real nats-server: real messages in, alerts out, through restarts and changes of hands."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from alert_bridge.rules.model import Rules, Watch
from alert_bridge.rules.subjects import fields_under
from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.watcher import Watcher
from baleen_bus import Bucket, Publisher, open_bus
from baleen_bus.buckets import LEASES
from baleen_bus.lease_value import release_mark
from baleen_contracts.alert import Severity
from baleen_contracts.catalogue import by_name, example
from baleen_filters import compile_filter
from baleen_runtime.clock import SystemClock

FLOW = "uw.v1.flow_alert.>"


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
async def replica(nats, holder, *, leaves=True, **settings):
    """A replica that watches; leaves in order, or as a crash would."""
    one = Replica(holder, **settings)
    async with open_bus(url=nats.url, name="replica", connect_within=5) as bus:
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
def told(alerts):
    """Waits for so many alerts of watches and returns all there are."""

    async def told(count):
        async with asyncio.timeout(15):
            while len(found := await alerts()) < count:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.02)
        return found

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
