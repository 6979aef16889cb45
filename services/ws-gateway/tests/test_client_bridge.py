"""The Streamlit bridge as its own client meets it: real sockets, real gateway processes, a real nats-server.

The client below is written from the bridge's contract alone and shares no code with the gateway.
"""

import asyncio
import copy
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from baleen_bus import Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts.bridge import BridgeEvent, BridgeState
from ws_gateway.testing import GatewayProcess

WITHIN = 15.0
RETRY = 0.05


class Client:
    """A dashboard's client: pings, queues what comes, keeps a copy of the state, comes back for ever."""

    def __init__(self, url: str, name: str | None = None) -> None:
        self.url = url
        self.headers = {} if name is None else {"x-client-id": name}
        self.queue: list[dict[str, Any]] = []
        self.state: Any = None
        self.revision = -1
        self.connections = 0
        self._changed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: self.state is not None)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            with suppress(OSError, ConnectionClosed):
                async with connect(
                    self.url, ping_interval=None, additional_headers=self.headers
                ) as self._socket:
                    self.connections += 1
                    await self.say(type="ping", timestamp=datetime.now(UTC).replace(tzinfo=None).isoformat())
                    async for text in self._socket:
                        self._take(json.loads(text))
            await asyncio.sleep(RETRY)

    def _take(self, message: dict[str, Any]) -> None:
        self.queue.append(message)
        if message["type"] == "state_snapshot":
            self.state = copy.deepcopy(message["data"]["state"])
            self.revision = message["revision"]
        elif message["type"] in ("event", "state_update"):
            assert message["revision"] > self.revision, "older than what was told before, or told twice"
            self.revision = message["revision"]
        if message["type"] == "state_update":
            put(self.state, message)
        self._changed.set()

    async def say(self, **message: Any) -> None:
        """Send a message."""
        assert self._socket is not None
        await self._socket.send(json.dumps(message))

    async def text(self, text: str | bytes) -> None:
        """Send whatever."""
        assert self._socket is not None
        await self._socket.send(text)

    async def ask(self) -> None:
        """Ask for the state, if there is a connection."""
        if self._socket is not None:
            await self.say(type="request_state")

    async def cut(self) -> None:
        """Lose the connection, as in a tunnel."""
        if self._socket is not None:
            self._socket.transport.abort()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the queued messages of one type."""
        return [message for message in self.queue if message["type"] == kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what came makes *condition* true."""
        async with asyncio.timeout(WITHIN):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def put(state: dict[str, Any], message: dict[str, Any]) -> None:
    """Do to a copy of the state what an update says, as the application's own store does."""
    *parents, last = message["path"].split(".")
    for segment in parents:
        below = state.get(segment)
        if not isinstance(below, dict):
            below = state[segment] = {}
        state = below
    if message.get("deleted"):
        state.pop(last, None)
    else:
        state[last] = copy.deepcopy(message["new_value"])


@pytest.fixture(scope="module")
def other(bus_url: str) -> Iterator[GatewayProcess]:
    """A second gateway on the same bus."""
    with GatewayProcess(bus_url) as running:
        yield running


def url(gateway: GatewayProcess) -> str:
    """Where the client connects; only host and port differ from what it was made for."""
    return f"{gateway.ws}/ws"


def event(kind: str, **data: Any) -> BridgeEvent:
    """Make an event of now."""
    return BridgeEvent(event_type=kind, data=data, occurred_at=datetime.now(UTC))


def state(path: str, value: Any = None, **more: Any) -> BridgeState:
    """Make a change of state of now."""
    return BridgeState(path=path, value=value, occurred_at=datetime.now(UTC), **more)


def is_utc(timestamp: str) -> bool:
    """Whether a client reads *timestamp* the same in every zone."""
    return timestamp.endswith("Z") and datetime.fromisoformat(timestamp).tzinfo is not None


async def test_the_first_message_is_the_whole_state_then_what_happens(
    gateway: GatewayProcess, publisher: Publisher
):
    """A snapshot on connect, then events and state updates, each with its fields and its revision."""
    table = {
        "data": [{"open": 1.5, "close": None}],
        "columns": ["open", "close"],
        "index": [0],
        "shape": [1, 2],
    }
    await publisher.publish(state("first.table", table, metadata={"source": "feed"}))
    async with Client(url(gateway)) as client:
        await publisher.publish(event("trade_executed", order_id="7", entry_price=132.5, signal={}))
        await publisher.publish(state("first.status", "running", old_value="stopped"))
        await client.until(lambda: bool(client.of("state_update")))

        first = client.queue[0]
        assert first["type"] == "state_snapshot"
        assert first["data"]["state"]["first"] == {"table": table}
        assert first["data"]["metadata"]["first.table"]["source"] == "feed"
        assert first["data"]["version"] == 1
        assert is_utc(first["timestamp"])
        assert is_utc(first["data"]["snapshot_at"])
        assert is_utc(first["data"]["metadata"]["first.table"]["updated_at"])
        (told,) = client.of("event")
        assert is_utc(told.pop("timestamp"))
        assert told == {
            "type": "event",
            "event_type": "trade_executed",
            "data": {"order_id": "7", "entry_price": 132.5, "signal": {}},
            "revision": first["revision"] + 1,
        }
        (changed,) = client.of("state_update")
        assert is_utc(changed.pop("timestamp"))
        assert changed == {
            "type": "state_update",
            "path": "first.status",
            "new_value": "running",
            "old_value": "stopped",
            "revision": first["revision"] + 2,
        }


async def test_a_ping_is_answered_with_a_pong(gateway: GatewayProcess):
    """The client pings on connect; the pong is one message of its type with a time."""
    async with Client(url(gateway)) as client:
        await client.until(lambda: bool(client.of("pong")))
        (pong,) = client.of("pong")
        assert sorted(pong) == ["timestamp", "type"]
        assert is_utc(pong["timestamp"])


async def test_a_removed_path_is_null_for_those_here_and_absent_for_those_who_come(
    gateway: GatewayProcess, publisher: Publisher
):
    """A tombstone is told as an update to null, with the old value; a later snapshot has no such path."""
    await publisher.publish(state("removed.position", {"qty": 1}))
    await publisher.publish(state("removed.kept", 1))
    async with Client(url(gateway)) as early:  # whoever comes after it is not told of these as updates
        await early.until(lambda: early.state.get("removed") == {"position": {"qty": 1}, "kept": 1})
    async with Client(url(gateway)) as client:
        await publisher.publish(state("removed.position", deleted=True, old_value={"qty": 1}))
        await client.until(lambda: bool(client.of("state_update")))
        (told,) = client.of("state_update")
        assert (told["path"], told["new_value"], told["old_value"]) == ("removed.position", None, {"qty": 1})
        async with Client(url(gateway)) as later:
            data = later.queue[0]["data"]
            assert data["state"]["removed"] == {"kept": 1} == client.state["removed"]
            assert "removed.position" not in data["metadata"]


async def test_a_subscription_really_filters(gateway: GatewayProcess, publisher: Publisher):
    """Only events of the named types and changes at, below or above the named paths arrive."""
    async with Client(url(gateway)) as everything, Client(url(gateway)) as some:
        await some.say(type="subscribe", events=["wanted"], paths=["filter.a"])
        await some.say(type="ping")
        await some.until(lambda: len(some.of("pong")) == 2)
        for message in (
            event("wanted", n=1),
            event("unwanted", n=2),
            state("filter.b", 3),
            state("filter.a.deep.er", 4),
            state("filter.ab", 5),
            state("filter.a", 6),
            state("filter", {"a": 7}),
            event("wanted", n=8),
        ):
            await publisher.publish(message)
        await everything.until(lambda: len(everything.of("event")) == 3)
        await some.until(lambda: len(some.of("event")) == 2)
        assert [told["data"]["n"] for told in some.of("event")] == [1, 8]
        assert [told["path"] for told in some.of("state_update")] == [
            "filter.a.deep.er",
            "filter.a",
            "filter",
        ]
        assert len(everything.of("state_update")) == 5

        await some.say(type="subscribe")
        await some.say(type="request_state")
        await some.until(lambda: len(some.of("state_snapshot")) == 2)
        await publisher.publish(event("unwanted", n=9))
        await some.until(lambda: some.of("event")[-1]["data"]["n"] == 9)
        assert some.state == everything.state


async def test_what_cannot_be_read_is_counted_told_and_harmless(gateway: GatewayProcess):
    """Bad JSON, things that are no object, unknown types and bad lists leave the socket open."""
    async with Client(url(gateway)) as client:
        for text in ("{", "[]", "3", '{"type":"fly"}', '{"type":"subscribe","events":"a"}', b"\x00"):
            await client.text(text)
        await client.say(type="ping")
        await client.until(lambda: len(client.of("pong")) == 2)
        codes = [told["code"] for told in client.of("error")]
        assert codes == [
            "bad_json",
            "bad_json",
            "bad_json",
            "unknown_op",
            "bad_request",
            "binary_not_supported",
        ]
        assert client.connections == 1


async def test_the_health_counts_the_clients_of_the_bridge(gateway: GatewayProcess):
    """The document's three fields, readable from any page."""
    async with httpx.AsyncClient(base_url=gateway.http) as http, Client(url(gateway), "dash board\t1"):
        answer = await http.get("/health")
        body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert is_utc(body.pop("timestamp"))
    assert body == {"status": "healthy", "connections": 1}


class Churn:
    """A trading process that changes its state and tells events as fast as they are stored."""

    PATHS = ("churn.a", "churn.b", "churn.a.x", "churn.a.y", "churn.c.x.y", "churn.c", "churn")

    def __init__(self, publisher: Publisher, seed: int) -> None:
        self._publisher = publisher
        self._chance = random.Random(seed)  # noqa: S311 - reproducible, guards nothing
        self.events = 0

    async def run(self, count: int) -> None:
        """Publish *count* messages, some at a time."""
        for number in range(count):
            if self._chance.random() < 0.3:
                self.events += 1
                await self._publisher.publish(event("tick_update", n=self.events))
                continue
            path = self._chance.choice(self.PATHS)
            gone = self._chance.random() < 0.2
            value: Any = number if self._chance.random() < 0.6 else {"x": number, "y": {"z": number}}
            await self._publisher.publish(state(path, None if gone else value, deleted=gone))


async def settle(publisher: Publisher, clients: list[Client]) -> None:
    """Publish a last change and wait until every client has it."""
    mark = state("last.word", random.getrandbits(60))
    stored = await publisher.publish(mark)
    for client in clients:
        await client.until(lambda: client.revision >= stored.seq)  # noqa: B023 - awaited here


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_interleaving_snapshot_and_updates_are_the_state(
    gateway: GatewayProcess, other: GatewayProcess, publisher: Publisher, seed: int
):
    """Clients that come, ask anew and are cut off while everything changes end with the same state."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, guards nothing
    churn = Churn(publisher, seed)
    async with AsyncExitStack() as closing:
        here = await closing.enter_async_context(Client(url(gateway)))
        there = await closing.enter_async_context(Client(url(other)))
        clients = [here, there]
        changing = asyncio.create_task(churn.run(600))
        rounds = 0
        while not changing.done() or rounds < 10:
            rounds += 1
            if len(clients) < 10:
                clients.append(
                    await closing.enter_async_context(Client(url(chance.choice([gateway, other]))))
                )
            await here.say(type="request_state")
            chosen = there if rounds == 1 else chance.choice(clients[1:])
            with suppress(ConnectionClosed):
                await (chosen.cut() if chance.random() < 0.3 or rounds == 1 else chosen.ask())
            await asyncio.sleep(chance.random() * 0.02)
        await changing
        await settle(publisher, clients)

        kept = Client(url(gateway))
        late = await closing.enter_async_context(kept)
        for client in clients:
            assert client.state == late.state
        assert [told["data"]["n"] for told in here.of("event")] == list(range(1, churn.events + 1))
        assert there.connections > 1
        assert len(here.of("state_snapshot")) > here.connections == 1


async def test_two_dashboards_on_different_gateways_see_the_same(
    gateway: GatewayProcess, other: GatewayProcess, publisher: Publisher
):
    """Revisions, order and words are those of the stream, not of a gateway."""
    async with Client(url(gateway)) as here, Client(url(other)) as there:
        await Churn(publisher, 99).run(100)
        await settle(publisher, [here, there])
        assert here.queue[0]["data"]["state"] == there.queue[0]["data"]["state"]
        told = [
            [message for message in client.queue if message["type"] in ("event", "state_update")]
            for client in (here, there)
        ]
        assert told[0] == told[1]
        assert len(told[0]) == 101


async def test_a_dashboard_that_comes_back_has_the_state_of_now(
    gateway: GatewayProcess, publisher: Publisher
):
    """What changed while it was away is in the snapshot it begins with again."""
    async with Client(url(gateway)) as client:
        await client.cut()
        stored = await publisher.publish(state("away.value", "changed"))
        await client.until(lambda: client.connections == 2 and client.revision >= stored.seq)
        assert client.state["away"] == {"value": "changed"}


async def test_a_thread_of_the_trading_process_is_heard_like_any_other(gateway: GatewayProcess, bus_url: str):
    """Changes published from another thread and loop arrive in the order in which they were stored."""

    async def publish() -> None:
        async with open_bus(url=bus_url, name="thread") as bus, Publisher(bus, source="thread") as publishing:
            for number in range(50):
                await publishing.publish(event("from_thread", n=number))

    async with Client(url(gateway)) as client:
        thread = threading.Thread(target=lambda: asyncio.run(publish()))
        thread.start()
        await client.until(lambda: len(client.of("event")) == 50)
        await asyncio.to_thread(thread.join)
        assert [told["data"]["n"] for told in client.of("event")] == list(range(50))


POSITION = {
    "event": "sl_hit",
    "level": 92.0,
    "reason": "SL",
    "qty_lots": 1,
    "qty_units": 75,
    "exit_price": 91.5,
    "entry_price": 132.5,
    "pnl": -3075.0,
    "total_pnl": -3075.0,
    "order_id": "1",
    "symbol": "NIFTY",
    "strike": 22500,
    "direction": "CE",
    "remaining_qty_lots": 1,
    "remaining_qty_units": 75,
    "timestamp": "2026-04-27T10:01:00",
}
STATE_CHANGE = {
    "path": "trading.daily_pnl",
    "new_value": 1,
    "old_value": None,
    "timestamp": "2026-04-27T10:00:00",
}
MISMATCH = {"order_id": "1", "tradingsymbol": "X", "local_qty": 75, "broker_qty": 150, "difference": 75}
TOPICS: dict[str, dict[str, Any]] = {
    "trade_executed": {"order_id": "1", "symbol": "NIFTY", "sl": 92.0, "tp": None, "signal": {"strike": 1}},
    "position_updated": POSITION,
    "position_event": POSITION,
    "position_closed": {"order_id": "1", "exit_price": 91.5, "total_pnl": -1.0, "reason": "SL", "update": {}},
    "signal_detected": {"signal": {"direction": "CE"}, "timestamp": "2026-04-27T10:00:00"},
    "daily_loss_breached": {
        "daily_pnl": -5000,
        "daily_loss_limit_pct": 2.5,
        "timestamp": "2026-04-27T10:00:00",
    },
    "runner_started": {"timestamp": "2026-04-27T10:00:00"},
    "runner_stopped": {"timestamp": "2026-04-27T15:30:00"},
    "trade_logged": {"trade": {"row": 1}, "original_trade": {"order_id": "1"}},
    "trade_exit_updated": {"order_id": "1", "exit_price": 91.5, "pnl": -1.0, "outcome": "loss"},
    "market_data_updated": {"1h_candles": 48, "15m_candles": 96, "timestamp": "2026-04-27T10:00:00"},
    "tick_update": {
        "tradingsymbol": "X",
        "ltp": 1.05,
        "timestamp": 1777282261.25,
        "is_index": False,
        "old_ltp": 1,
    },
    "state_changed": STATE_CHANGE,
    "state_stale": {"path": "trading.daily_pnl", "age_seconds": 31.5, "max_age_seconds": 30},
    "position_mismatch_detected": {"mismatches": [MISMATCH], "timestamp": "2026-04-27T10:00:00"},
    "position_reconciliation_success": {"broker_positions": 1, "local_positions": 1, "timestamp": "t"},
    "position_reconciliation_error": {"error": "broker away", "timestamp": "2026-04-27T10:00:00"},
}


async def test_every_topic_of_the_trading_process_arrives_as_it_was_published(
    gateway: GatewayProcess, publisher: Publisher
):
    """Types keep their spelling, data are not touched, whatever kind of time they hold."""
    async with Client(url(gateway)) as client:
        for kind, data in TOPICS.items():
            await publisher.publish(BridgeEvent(event_type=kind, data=data, occurred_at=datetime.now(UTC)))
        await client.until(lambda: len(client.of("event")) == len(TOPICS))
        assert {told["event_type"]: told["data"] for told in client.of("event")} == TOPICS


async def test_what_happens_is_pushed_at_once(gateway: GatewayProcess, publisher: Publisher):
    """Critical events and changes of state arrive long before the two seconds that the document allows."""
    async with Client(url(gateway)) as client:
        for number in range(20):
            began = time.monotonic()
            last = await publisher.publish(
                event("daily_loss_breached", n=number) if number % 2 else state("at.once", number)
            )
            await client.until(lambda: client.revision >= last.seq)  # noqa: B023 - awaited here
            assert time.monotonic() - began < 2.0


async def test_state_outlives_the_gateway(bus_url: str, publisher: Publisher):
    """The state is on the bus: a gateway that starts later shows it, and what was removed stays removed."""
    await publisher.publish(state("outlives.kept", {"a": 1}))
    await publisher.publish(state("outlives.gone", 1))
    await publisher.publish(state("outlives.gone", deleted=True))
    with GatewayProcess(bus_url) as later:
        async with Client(url(later)) as client:
            assert client.queue[0]["data"]["state"]["outlives"] == {"kept": {"a": 1}}


async def test_a_bus_made_anew_is_told_and_its_state_is_the_new_one():
    """Dashboards hear of it, forget what is not there any more, and go on with the new numbers."""
    with NatsServer() as server:
        await bootstrap(url=server.url)
        async with open_bus(url=server.url, name="test") as bus, Publisher(bus, source="test") as publisher:
            await publisher.publish(state("before", 1))
            await publisher.publish(event("before"))
            with GatewayProcess(server.url) as running:
                async with Client(url(running)) as client:
                    assert client.state == {"before": 1}
                    await bus.request_json("$JS.API.STREAM.DELETE.BRIDGE")
                    await bootstrap(url=server.url)
                    await publisher.publish(state("after", 2))
                    await client.until(lambda: client.state == {"after": 2})
                    (gap,) = client.of("gap")
                    assert (gap["from"], gap["to"], gap["reason"]) == (1, 2, "stream_recreated")
                    assert client.revision == 1
                    assert client.connections == 1


async def test_the_bus_may_restart_under_the_dashboards():
    """Whoever stays connected to the gateway misses nothing of what was stored, and hears nothing twice."""
    with NatsServer() as server:
        await bootstrap(url=server.url)
        async with open_bus(url=server.url, name="test") as bus, Publisher(bus, source="test") as publisher:
            churn = Churn(publisher, 7)
            with GatewayProcess(server.url) as running:
                async with Client(url(running)) as client:
                    for _ in range(3):
                        await churn.run(40)
                        await asyncio.to_thread(server.restart)
                    await churn.run(40)
                    await settle(publisher, [client])
                    async with Client(url(running)) as late:
                        assert client.state == late.state
                    assert [told["data"]["n"] for told in client.of("event")] == list(
                        range(1, churn.events + 1)
                    )
                    assert client.connections == 1
                    assert not client.of("gap")
