"""AlphaLab's front end, written anew from what its documents and its code say, against a real gateway.

The hooks below read a frame as the application's do: the same fields, the same fallbacks, the same way of
telling events apart. Nothing of the gateway's own code judges here. Engines are played through the bus.
"""

import asyncio
import itertools
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.sessions import announce_session
from baleen_bus.testing import NatsServer
from baleen_contracts.session import SessionEvent
from baleen_contracts.session_entry import SessionEntry
from ws_gateway.testing import GatewayProcess

WITHIN: Final = 10.0
AT: Final = datetime(2026, 4, 27, 14, 0, tzinfo=UTC)
ZULU: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
Frame = dict[str, Any]


# The hooks: a frame in, the screen's state out.


def parse(text: str | bytes) -> Frame:
    """`JSON.parse` of a frame, which must be the one shape that all frames have."""

    def refuse(constant: str) -> None:
        raise ValueError(f"Unexpected token {constant} in JSON")

    assert isinstance(text, str), "a text frame"
    frame: Frame = json.loads(text, parse_constant=refuse)
    assert frame.keys() == {"type", "data", "timestamp"}
    assert isinstance(frame["data"], dict)
    assert ZULU.fullmatch(frame["timestamp"]), frame["timestamp"]
    return frame


def first_of(*values: Any) -> Any:
    """`a ?? b ?? c`."""
    return next((value for value in values if value is not None), None)


def new_date(text: object) -> datetime:
    """`new Date(text)`, which reads a time without a zone as local and is therefore refused."""
    assert isinstance(text, str)
    read = datetime.fromisoformat(text)
    assert read.tzinfo is not None, "a browser elsewhere would show another time"
    return read


class BacktestHook:
    """The hook of a backtest's screen: the state it keeps, and what it passes on once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.passed_on: list[Frame] = []
        self.status = "initializing"
        self.current = self.total = 0
        self.equity = self.trades = 0.0
        self.position: Frame | None = None
        self.error: str | None = None
        self.candles: dict[datetime, float] = {}

    def take(self, frame: Frame) -> None:
        """Handle one message, unless it looks like one that was handled."""
        kind, data = frame["type"], frame["data"]
        candle = first_of(data.get("candle_index"), data.get("candle_number"), -1)
        if kind == "stats_update":
            candle = first_of(data.get("current_candle"), -1)
        key = f"{kind}-{candle}-{frame['timestamp']}"
        if key in self.seen:
            return
        self.seen.add(key)
        self.passed_on.append(frame)
        handle: Callable[[Frame], None] | None = getattr(self, f"on_{kind}", None)
        if handle is not None:
            handle(data)

    def on_session_initialized(self, data: Frame) -> None:
        """The session is ready."""
        self.status = "running"
        self.total = first_of(data.get("total_candles"), data.get("config", {}).get("total_candles"), 0)

    def on_candle(self, data: Frame) -> None:
        """A candle was processed."""
        self.current = first_of(data.get("candle_index"), data.get("candle_number"), self.current + 1)
        self.candles[new_date(data["timestamp"])] = data["close"]

    def on_stats_update(self, data: Frame) -> None:
        """The figures changed."""
        self.equity = first_of(data.get("current_equity"), self.equity)
        self.trades = first_of(data.get("total_trades"), self.trades)
        self.current = first_of(data.get("current_candle"), self.current)

    def on_position_opened(self, data: Frame) -> None:
        """A position was opened; its line in the narrator reads `data.type`."""
        assert data["type"] is not None, "Position opened: undefined"
        side = "short" if data["type"].lower() == "short" else "long"
        self.position = {"type": side, "entry_price": data.get("entry_price") or 0}

    def on_position_closed(self, _data: Frame) -> None:
        """It was closed."""
        self.position = None

    def on_session_completed(self, data: Frame) -> None:
        """The session ended; the screen goes to its result."""
        assert data["result_id"]
        self.status = "completed"

    def on_session_paused(self, _data: Frame) -> None:
        """The session stands still."""
        self.status = "paused"

    def on_session_resumed(self, _data: Frame) -> None:
        """It goes on."""
        self.status = "running"

    def on_error(self, data: Frame) -> None:
        """Something is wrong."""
        self.error = data.get("message") or "WebSocket error occurred"


class ForwardView:
    """The screen of a forward test: candles by time, thoughts newest first, positions."""

    def __init__(self) -> None:
        self.candles: dict[datetime, float] = {}
        self.thoughts: list[tuple[str, str]] = []
        self.positions: list[str] = []
        self.analyzing = ""
        self.minutes: int | None = None

    def take(self, frame: Frame) -> None:
        """Handle one message."""
        data = frame["data"]
        match frame["type"]:
            case "candle":
                self.candles[new_date(data["timestamp"])] = data["close"]
            case "ai_thinking":
                self.analyzing = first_of(data.get("text"), "Analyzing market structure...")
            case "ai_decision":
                name = f"thought-{first_of(data.get('candle_number'), 0)}"
                if name not in [seen for seen, _ in self.thoughts]:
                    self.thoughts.insert(0, (name, first_of(data.get("reasoning"), "AI decision")))
            case "position_opened":
                side = "short" if (data.get("action") or "").lower() == "short" else "long"
                self.positions.insert(0, side)
                new_date(data["entry_time"])
            case "countdown_update":
                self.minutes = -(-first_of(data.get("seconds_remaining"), 0) // 60)
                new_date(data["next_candle_time"])


# The engine, and the gateway it speaks through.


class Engine:
    """Runs one session: says its events, obeys orders."""

    def __init__(self, bus: Bus, publisher: Publisher, kind: str, owner: str | None) -> None:
        self.id = f"{kind} {uuid4()}"
        self.kind = kind
        self.owner = owner
        self.orders: asyncio.Queue[Frame] = asyncio.Queue()
        self.said: list[str] = []
        self._bus, self._publisher = bus, publisher

    async def announce(self) -> None:
        """Say that the session exists."""
        entry = SessionEntry(
            session_id=self.id, session_type=self.kind, owner=self.owner, updated_at=datetime.now(UTC)
        )
        await announce_session(self._bus, entry)

    async def say(self, kind: str, at: datetime | None = None, **data: Any) -> None:
        """Say one event, and return once it is stored."""
        number = len(self.said)
        self.said.append(kind)
        event = SessionEvent(
            session_id=self.id,
            session_type=self.kind,
            event=kind,
            data=data,
            occurred_at=at or AT + timedelta(seconds=number),
            id=f"{self.id.replace(' ', '-')}-{number}",
        )
        await self._publisher.publish(event)

    async def obey(self, answer: Callable[[Frame], Frame | None]) -> None:
        """Hear orders from now on, and reply what *answer* makes of each; None is no reply."""

        async def hear(message: Any) -> None:
            order = json.loads(message.data)
            self.orders.put_nowait(order)
            reply = answer(order)
            if reply is not None:
                await message.respond(json.dumps(reply).encode())

        subject = SessionEvent(session_id=self.id, event="x", occurred_at=AT).subject
        await self._bus.nc.subscribe(f"command.v1.session.{subject.split('.')[2]}", cb=hear)
        await self._bus.request_json("$JS.API.INFO")

    @property
    def path(self) -> str:
        """Where clients watch it."""
        return f"/ws/{self.kind}/{self.id.replace(' ', '%20')}"


class World:
    """A bus with engines, and a gateway process."""

    def __init__(self, nats: NatsServer, gateway: GatewayProcess) -> None:
        self.nats = nats
        self.gateway = gateway

    @asynccontextmanager
    async def engine(self, kind: str = "backtest", owner: str | None = None) -> AsyncIterator[Engine]:
        """Run an engine whose session is announced."""
        async with (
            open_bus(url=self.nats.url, name="engine", connect_within=10) as bus,
            Publisher(bus, source="engine") as publisher,
        ):
            running = Engine(bus, publisher, kind, owner)
            await running.announce()
            yield running

    def connect(self, path: str, **options: Any) -> connect:
        """Open a WebSocket as a browser does."""
        return connect(self.gateway.ws + path, **{"compression": None, "max_queue": None, **options})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One bus and one gateway for all tests; each has sessions of its own."""
    with NatsServer() as nats:
        asyncio.run(bootstrap(url=nats.url))
        with GatewayProcess(nats.url) as gateway:
            yield World(nats, gateway)


async def hear(client: ClientConnection) -> Frame:
    """Return the next frame."""
    async with asyncio.timeout(WITHIN):
        return parse(await client.recv())


async def hear_until(client: ClientConnection, kind: str) -> list[Frame]:
    """Return the frames up to the first of that kind, that one included."""
    frames = [await hear(client)]
    while frames[-1]["type"] != kind:
        frames.append(await hear(client))
    return frames


async def ask(client: ClientConnection, **message: Any) -> Frame:
    """Say something and return the next frame."""
    await client.send(json.dumps(message))
    return await hear(client)


async def goodbye(client: ClientConnection) -> tuple[Frame, int, str]:
    """Return the last frame before the close, and the code and the reason that a browser sees."""
    frame = await hear(client)
    with pytest.raises(ConnectionClosed):
        await hear(client)
    assert client.close_code is not None
    return frame, client.close_code, client.close_reason or ""


async def run_backtest(engine: Engine, candles: int = 12) -> None:
    """Say a whole backtest as the engines say it."""
    await engine.say(
        "session_initialized", agent_name="a", asset="BTC/USDT", timeframe="1h", total_candles=candles
    )
    for index in range(candles):
        naive = f"2026-04-2{index // 24}T{index % 24:02}:00:00"
        await engine.say(
            "candle", candle_index=index, timestamp=naive, open=1, high=2, low=1, close=index, volume=5,
            indicators={"rsi": None},
        )  # fmt: skip
    await engine.say("ai_thinking", status="analyzing")
    await engine.say("ai_decision", action="SHORT", reasoning="why", candle_index=candles - 1)
    await engine.say(
        "position_opened", trade_number=1, action="SHORT", entry_price=9.5, entry_time="2026-04-20T01:00:00"
    )
    await engine.say("stats_update", total_trades=1, current_equity=10_500.5, equity_change_pct=5.0)


async def test_a_backtest_is_shown_from_its_beginning_to_its_end(world: World):
    """Whoever comes late sees what was, then what comes; the screen's state is right throughout."""
    async with world.engine() as engine:
        await run_backtest(engine)
        async with world.connect(engine.path) as client:
            hook = BacktestHook()
            for frame in await hear_until(client, "stats_update"):
                hook.take(frame)
            assert (hook.status, hook.current, hook.total) == ("running", 11, 12)
            assert (hook.equity, hook.trades) == (10_500.5, 1)
            assert hook.position == {"type": "short", "entry_price": 9.5}
            assert len(hook.candles) == 12

            await engine.say("session_paused", session_id=engine.id, current_candle=11)
            hook.take(await hear(client))
            assert hook.status == "paused"
            await engine.say("session_resumed")
            await engine.say("position_closed", trade_number=1, pnl=4.0)
            await engine.say("session_completed", result_id="r-1", total_pnl=4.0)
            for frame in await hear_until(client, "session_completed"):
                hook.take(frame)
            assert (hook.status, hook.position, hook.error) == ("completed", None, None)
            assert [frame["type"] for frame in hook.passed_on] == engine.said


async def test_the_documents_shapes_show_the_same(world: World):
    """An engine that keeps to the documents nests what others send flat."""
    async with world.engine() as engine:
        await engine.say("session_initialized", session_id=engine.id, config={"total_candles": 3})
        candle = {
            "timestamp": "2026-04-20T01:00:00",
            "open": 1,
            "high": 2,
            "low": 1,
            "close": 1.5,
            "volume": 5,
        }
        await engine.say("candle", candle=candle, indicators={"rsi": 40})
        await engine.say("ai_thinking", text="hm", is_complete=False)
        await engine.say("session_completed", result_id="r", final_stats={"win_rate": 0.5})
        async with world.connect(engine.path) as client:
            frames = await hear_until(client, "session_completed")
    hook = BacktestHook()
    for frame in frames:
        hook.take(frame)

    assert (hook.total, list(hook.candles.values()), hook.status) == (3, [1.5], "completed")
    assert frames[2]["data"]["status"] == "analyzing"
    assert frames[3]["data"]["win_rate"] == 0.5


async def test_every_kind_of_event_arrives(world: World):
    """The twelve of the documents, the later ones, and what an engine may yet invent."""
    kinds = {
        "session_initialized": {"total_candles": 5},
        "candle": {"candle_index": 0, "timestamp": "2026-04-20T01:00:00Z", "close": 1.0},
        "ai_thinking": {"status": "analyzing"},
        "ai_decision": {"action": "HOLD", "reasoning": "r"},
        "position_opened": {"action": "LONG", "entry_price": 2.0},
        "position_updated": {"current_price": 2.5, "unrealized_pnl": 0.5},
        "position_closed": {"exit_price": 3.0, "pnl": 1.0},
        "stats_update": {"total_trades": 1, "win_rate": 100.0},
        "countdown_update": {"seconds_remaining": 30, "next_candle_time": "2026-04-20T02:00:00Z"},
        "auto_stop_triggered": {"reason": "loss_threshold", "stats": {}},
        "indicator_readiness": {
            "ready_count": 1,
            "total_count": 2,
            "ready_percentage": 50.0,
            "is_ready": False,
        },
        "price_update": {"price": 2.0, "timestamp": "2026-04-20T01:00:01Z"},
        "session_paused": {},
        "session_resumed": {},
        "error": {"message": "no candles"},
        "invented_later": {"anything": [1, {"a": None}]},
        "session_completed": {"result_id": "r"},
    }
    async with world.engine() as engine, world.connect(engine.path) as client:
        for kind, data in kinds.items():
            await engine.say(kind, **data)
        frames = await hear_until(client, "session_completed")

    assert [frame["type"] for frame in frames] == list(kinds)
    for frame in frames:
        sent = kinds[frame["type"]]
        plain = {name: value for name, value in sent.items() if "time" not in name}
        assert plain.items() <= frame["data"].items() or frame["type"] == "invented_later"
    error = next(frame["data"] for frame in frames if frame["type"] == "error")
    assert {"error_code", "code", "message", "details"} <= error.keys()


async def test_a_forward_test_shows_history_decisions_and_the_countdown(world: World):
    """Decisions that name no candle are all shown, the newest on top, also to who comes late."""
    async with world.engine("forward") as engine:
        await engine.say(
            "session_initialized", asset="ETH/USDT", test_type="forward", email_notifications=False
        )
        for number in range(-3, 3):
            stamp = f"2026-04-20T0{number + 3}:00:00"
            await engine.say("candle", candle_number=number, timestamp=stamp, close=number + 10.0)
            if number >= 0:
                await engine.say("ai_thinking", status="analyzing")
                await engine.say("ai_decision", action="HOLD", reasoning=f"because {number}")
        await engine.say("position_opened", action="SHORT", entry_price=3.0, entry_time="2026-04-20T05:00:00")
        await engine.say("countdown_update", seconds_remaining=61)
        async with world.connect(engine.path) as client:
            view = ForwardView()
            for frame in await hear_until(client, "countdown_update"):
                view.take(frame)

    assert [words for _, words in view.thoughts] == ["because 2", "because 1", "because 0"]
    assert (len(view.candles), view.positions, view.minutes) == (6, ["short"], 2)
    assert view.analyzing == "Analyzing market structure..."


async def test_events_of_the_same_moment_are_all_shown(world: World):
    """The hook drops what has the type, the candle and the time of another."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        hook = BacktestHook()
        for n in range(20):
            await engine.say("stats_update", at=AT, total_trades=n)
        await engine.say("session_completed", result_id="r")
        for frame in await hear_until(client, "session_completed"):
            hook.take(frame)

    assert len(hook.passed_on) == 21
    assert hook.trades == 19


async def test_what_is_no_number_never_reaches_a_browser(world: World):
    """An engine in another language writes NaN into its JSON; the frame is whole and says null."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        await engine.say("session_initialized")
        await hear(client)
        subject = SessionEvent(session_id=engine.id, event="candle", occurred_at=AT).subject
        body = (
            f'{{"session_id": "{engine.id}", "event": "candle", "occurred_at": "2026-04-27T14:00:00Z",'
            ' "data": {"close": NaN, "indicators": {"rsi": -Infinity}}}'
        )
        async with open_bus(url=world.nats.url, name="raw", connect_within=10) as bus:
            await bus.nc.publish(f"ingress.{subject}", body.encode(), headers={"Nats-Msg-Id": str(uuid4())})
            frame = await hear(client)

    assert frame["data"]["close"] is None
    assert frame["data"]["indicators"] == {"rsi": None}


@pytest.mark.parametrize("kind", ["backtest", "forward"])
async def test_a_reconnect_shows_the_whole_session_without_a_hole_or_a_duplicate(world: World, kind: str):
    """While the engine speaks on, again and again: each time exactly what the stream has, oldest first."""
    async with world.engine(kind) as engine:
        await engine.say("session_initialized", total_candles=1_000)
        stop = asyncio.Event()

        async def speak() -> None:
            while not stop.is_set():
                number = len(engine.said)
                await engine.say(
                    "candle", candle_index=number, timestamp=f"2026-04-20T00:00:00.{number:06}", close=1.0
                )

        speaking = asyncio.create_task(speak())
        records = []
        hook = BacktestHook()
        for _ in range(12):
            async with world.connect(engine.path) as client:
                records.append([await hear(client) for _ in range(len(engine.said) + 30)])
        stop.set()
        await speaking
        for frame in [frame for record in records for frame in record]:
            hook.take(frame)

    for record in records:
        assert [frame["data"].get("candle_index", 0) for frame in record] == list(range(len(record)))
        assert record == records[-1][: len(record)]
    assert len(hook.passed_on) == len(records[-1])


async def test_all_tabs_of_a_session_see_the_same(world: World):
    """Whenever each was opened; and no tab of another session sees any of it."""
    async with world.engine() as engine, world.engine() as other:
        tabs = [await world.connect(engine.path) for _ in range(3)]
        stranger = await world.connect(other.path)
        await run_backtest(engine)
        tabs.append(await world.connect(engine.path))
        await engine.say("session_completed", result_id="r")
        await other.say("session_completed", result_id="other")
        heard = [await hear_until(tab, "session_completed") for tab in tabs]
        (alone,) = await hear_until(stranger, "session_completed")
        for tab in (*tabs, stranger):
            await tab.close()

    assert [frame["type"] for frame in heard[0]] == engine.said
    assert all(record == heard[0] for record in heard)
    assert alone["data"]["result_id"] == "other"


async def test_a_hundred_tabs_hear_an_event_though_one_of_them_is_dead(world: World):
    """Who vanishes without a word costs the others nothing."""
    async with world.engine() as engine:
        tabs = [await world.connect(engine.path) for _ in range(120)]
        tabs[7].transport.abort()
        await engine.say("session_completed", result_id="r")
        alive = [tab for tab in tabs if tab is not tabs[7]]
        heard = await asyncio.gather(*(hear(tab) for tab in alive))
        await asyncio.gather(*(tab.close() for tab in alive))

    assert {frame["type"] for frame in heard} == {"session_completed"}


async def test_an_operator_sees_who_watches_and_who_left_leaves_nothing(world: World):
    """Since when, under the session's type; afterwards no client and no lane."""
    async with httpx.AsyncClient(base_url=world.gateway.http, timeout=WITHIN) as http:
        async with world.engine("forward") as engine:
            tabs = [await world.connect(engine.path) for _ in range(2)]
            for tab in tabs:
                await ask(tab, action="ping")
            found = (await http.get("/v1/clients", params={"label": "forward"})).json()
            assert [row["dialect"] for row in found["clients"]] == ["alphalab"] * 2
            assert 'baleen_gateway_clients{dialect="alphalab"} 2.0' in (await http.get("/metrics")).text
            assert all(ZULU.fullmatch(row["connected_at"]) for row in found["clients"])
            await tabs[0].close()
            tabs[1].transport.abort()

        async def figures() -> dict[str, float]:
            lines = (await http.get("/metrics")).text.splitlines()
            return {
                line.split()[0]: float(line.split()[1])
                for line in lines
                if line.startswith("baleen_gateway_")
            }

        async with asyncio.timeout(WITHIN):
            left = await figures()
            while left["baleen_gateway_connections"] or left["baleen_gateway_lanes"]:
                await asyncio.sleep(0.05)
                left = await figures()


async def test_a_ping_is_answered_with_a_heartbeat(world: World):
    """Of the asking tab alone, with empty data."""
    async with world.engine() as engine, world.connect(engine.path) as one, world.connect(engine.path) as two:
        assert (await ask(one, action="ping"))["data"] == {}
        await engine.say("session_completed", result_id="r")
        assert (await hear(two))["type"] == "session_completed"


@pytest.mark.slow
async def test_a_heartbeat_comes_every_thirty_seconds(world: World):
    """From when the tab was opened, give or take a second."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        async with asyncio.timeout(70):
            for _ in range(2):
                frame = parse(await client.recv())
                assert (frame["type"], frame["data"]) == ("heartbeat", {})
                times.append(loop.time())

    assert all(28.5 <= later - sooner <= 31.5 for sooner, later in itertools.pairwise(times))


async def test_a_backtest_is_paused_resumed_and_stopped(world: World):
    """The engine gets each order, and its answer comes back as an acknowledgement."""
    results = {"stop": {"result_id": "r-9"}}
    async with world.engine() as engine:
        await engine.obey(lambda order: {"ok": True, "data": results.get(order["action"], {})})
        async with world.connect(engine.path) as client:
            for action in ("pause", "resume"):
                frame = await ask(client, action=action)
                assert (frame["type"], frame["data"]) == ("command_ack", {"action": action})
                assert "close_position" not in await engine.orders.get()
            frame = await ask(client, action="stop")
            assert (frame["type"], frame["data"]) == ("command_ack", {"action": "stop", "result_id": "r-9"})
            assert (await engine.orders.get())["close_position"] is True


async def test_a_forward_test_is_stopped_with_its_position_left_open(world: World):
    """`close_position` stands beside the action."""
    async with world.engine("forward") as engine:
        await engine.obey(lambda _order: {"ok": True, "data": {"result_id": "r", "position_closed": False}})
        async with world.connect(engine.path) as client:
            frame = await ask(client, action="stop", close_position=False)
            assert frame["data"] == {"action": "stop", "result_id": "r", "position_closed": False}
            assert (await engine.orders.get())["close_position"] is False
            assert (await ask(client, action="pause"))["data"]["code"] == "UNKNOWN_COMMAND"
            assert engine.orders.empty()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pause", "INVALID_MESSAGE"),
        ("[]", "INVALID_MESSAGE"),
        ("{}", "INVALID_COMMAND"),
        ('{"action": "explode"}', "UNKNOWN_COMMAND"),
    ],
)
async def test_what_cannot_be_obeyed_is_answered_by_code(world: World, text: str, code: str):
    """And the connection goes on."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        await client.send(text)
        frame = await hear(client)
        assert (frame["type"], frame["data"]["error_code"], frame["data"]["code"]) == ("error", code, code)
        assert frame["data"]["message"]
        assert isinstance(frame["data"]["details"], dict)
        assert (await ask(client, action="ping"))["type"] == "heartbeat"


async def test_a_binary_frame_is_an_invalid_message(world: World):
    """Only text is read."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        await client.send(b'{"action": "ping"}')
        assert (await hear(client))["data"]["code"] == "INVALID_MESSAGE"


async def test_an_order_that_the_engine_refuses_has_failed(world: World):
    """With the engine's own words."""
    async with world.engine() as engine:
        await engine.obey(lambda _order: {"ok": False, "code": "already_paused", "message": "it is paused"})
        async with world.connect(engine.path) as client:
            frame = await ask(client, action="pause")

    assert (frame["data"]["code"], frame["data"]["message"]) == ("COMMAND_FAILED", "it is paused")
    assert frame["data"]["details"] == {"action": "pause", "reason": "already_paused"}


async def test_an_order_that_nobody_hears_has_failed_at_once(world: World):
    """A session whose engine is gone."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        frame = await ask(client, action="stop")

    assert frame["data"]["code"] == "COMMAND_FAILED"
    assert frame["data"]["details"]["reason"] == "no_engine"


@pytest.mark.slow
async def test_an_order_without_an_answer_has_failed_after_five_seconds(world: World):
    """Meanwhile the tab hears and is heard; more orders than a few do not wait."""
    async with world.engine() as engine:
        await engine.obey(lambda _order: None)
        async with world.connect(engine.path) as client:
            began = asyncio.get_running_loop().time()
            for _ in range(4):
                await client.send('{"action": "pause"}')
            fifth = await ask(client, action="pause")
            assert fifth["data"]["details"]["reason"] == "too_many"
            assert (await ask(client, action="ping"))["type"] == "heartbeat"
            failed = [await hear(client) for _ in range(4)]

    assert 4.5 <= asyncio.get_running_loop().time() - began <= 8
    assert {frame["data"]["details"]["reason"] for frame in failed} == {"no_answer"}


async def test_who_orders_without_end_is_told_to_wait(world: World):
    """Ten at once, then ten a second."""
    async with world.engine() as engine:
        await engine.obey(lambda _order: {"ok": True})
        async with world.connect(engine.path) as client:
            frames = [await ask(client, action="pause") for _ in range(30)]

    assert {frame["type"] for frame in frames[:10]} == {"command_ack"}
    refused = [frame["data"]["details"]["reason"] for frame in frames if frame["type"] == "error"]
    assert refused
    assert set(refused) == {"too_many"}
    assert engine.orders.qsize() == 30 - len(refused)


async def test_a_session_that_does_not_exist_is_nobodys(world: World):
    """The browser sees why, and the code."""
    async with world.connect("/ws/backtest/no-such-session") as client:
        frame, code, reason = await goodbye(client)

    assert frame["type"] == "error"
    assert (code, reason, frame["data"]["message"]) == (1008, *["Unauthorized session access"] * 2)


async def test_a_session_is_watched_as_what_it_is(world: World):
    """A forward test is no backtest; what the client says first is not obeyed either."""
    async with world.engine("forward") as engine:
        await engine.obey(lambda _order: {"ok": True})
        async with world.connect(engine.path.replace("forward", "backtest", 1)) as client:
            with suppress(ConnectionClosed):  # it may be too late to say anything
                await client.send('{"action": "stop"}')
            _, code, reason = await goodbye(client)

    assert (code, reason) == (1008, "Unauthorized session access")
    assert engine.orders.empty()


async def test_a_session_that_is_known_before_it_says_anything_is_watched(world: World):
    """The tab is there before the engine's first event."""
    async with world.engine() as engine, world.connect(engine.path) as client:
        assert (await ask(client, action="ping"))["type"] == "heartbeat"
        await engine.say("session_initialized", total_candles=5)
        assert (await hear(client))["data"]["total_candles"] == 5


# A tab that reads slowly.


def narrow() -> socket.socket:
    """Return a socket that holds little of what its reader has not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    return sock


@asynccontextmanager
async def slow_tab(world: World, path: str) -> AsyncIterator[ClientConnection]:
    """Open a tab that takes nothing from its socket but what is asked for."""
    sock = narrow()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.gateway.port))
    async with world.connect(path, sock=sock, max_queue=1) as client:
        yield client


async def test_orders_are_obeyed_while_the_session_is_still_being_shown(world: World):
    """Who has not read the replay can stop what it shows; the acknowledgement comes in its turn."""
    async with world.engine() as engine:
        await engine.obey(lambda _order: {"ok": True})
        await engine.say("session_initialized")
        for _ in range(300):
            await engine.say("ai_decision", reasoning="x" * 10_000)
        async with slow_tab(world, engine.path) as client:
            assert (await hear(client))["type"] == "session_initialized"
            await client.send('{"action": "stop"}')
            async with asyncio.timeout(WITHIN):
                assert (await engine.orders.get())["action"] == "stop"
            shown = await hear_until(client, "command_ack")

    assert len(shown) == 301


async def test_a_tab_that_falls_behind_catches_up_without_a_hole(world: World):
    """It is given what it missed once it has read what waited; nothing is said twice."""
    async with world.engine() as engine:
        await engine.say("session_initialized")
        async with slow_tab(world, engine.path) as client:
            frames = [await hear(client)]
            await engine.say("auto_stop_triggered", at=AT)
            for number in range(600):
                await engine.say(
                    "candle",
                    candle_index=number,
                    timestamp="2026-04-20T01:00:00Z",
                    indicators={"x": "y" * 9_000},
                )
                if number % 30 == 0:
                    await engine.say("ai_decision", action="HOLD")
            await engine.say("auto_stop_triggered", at=AT)
            await engine.say("session_completed", result_id="r")
            frames += await hear_until(client, "session_completed")
            await engine.say("error", message="still here")
            assert (await hear(client))["data"]["message"] == "still here"
        async with world.connect(engine.path) as fresh:
            assert await hear_until(fresh, "session_completed") == frames

    assert [frame["data"]["candle_index"] for frame in frames if frame["type"] == "candle"] == list(
        range(600)
    )
    decided = [frame["data"]["candle_index"] for frame in frames if frame["type"] == "ai_decision"]
    assert decided == list(range(0, 600, 30))


# With tokens, where the operator asks for them.

KEY: Final = "a-key-that-both-sides-know-for-this-test"


def token(subject: str, *, seconds: float = 3600, **rights: list[str]) -> str:
    """Make a token; without rights it only says who its bearer is."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    claims = {"sub": subject, "aud": "baleen", "exp": until}
    return jwt.encode(claims | ({"baleen": rights} if rights else {}), KEY, "HS256")


@pytest.fixture(scope="module")
def guarded(world: World) -> Iterator[World]:
    """The same bus, and a gateway that asks for tokens."""
    with GatewayProcess(world.nats.url, WS_GATEWAY_AUTH="jwt", WS_GATEWAY_AUTH_KEY=KEY) as gateway:
        yield World(world.nats, gateway)


async def test_without_a_token_nobody_is_let_in(guarded: World):
    """Nor with a forged one; the browser sees the contract's words, and no log shows the token."""
    forged = jwt.encode({"sub": "ann", "aud": "baleen", "exp": 4_000_000_000}, KEY[::-1], "HS256")
    async with guarded.engine(owner="ann") as engine:
        for query in ("", "?token=", f"?token={forged}"):
            async with guarded.connect(engine.path + query) as client:
                frame, code, reason = await goodbye(client)
            assert (code, reason) == (1008, "Authentication required")
            assert frame["data"]["error_code"] == "AUTHENTICATION_REQUIRED"
            assert frame["data"]["message"] == reason

    assert forged not in guarded.gateway.log_text()


async def test_a_session_is_its_owners_alone(guarded: World):
    """Whoever else asks learns nothing, not even that it exists; nor does a token made for other things."""
    async with guarded.engine(owner="ann") as engine, guarded.engine() as nobodys:
        await engine.say("session_initialized")
        strangers = [
            (engine.path, token("bob", subscribe=[">"], publish=[">"])),
            (engine.path, token("ann", subscribe=["uw.v1.>"])),
            (nobodys.path, token("ann")),
            ("/ws/backtest/none", token("ann")),
        ]
        told = []
        for path, bearer in strangers:
            async with guarded.connect(f"{path}?token={bearer}") as client:
                frame, code, reason = await goodbye(client)
                told.append((frame["data"], code, reason))
        async with guarded.connect(f"{engine.path}?token={token('ann')}") as client:
            assert (await hear(client))["type"] == "session_initialized"

    assert all(one == told[0] for one in told)
    assert told[0][1:] == (1008, "Unauthorized session access")


async def test_orders_need_the_right_to_give_them(guarded: World):
    """A token that may only watch is told so, and the engine hears nothing of it."""
    orders = {"subscribe": ["session.v1.>"], "publish": ["command.v1.session.>"]}
    async with guarded.engine(owner="ann") as engine:
        await engine.obey(lambda _order: {"ok": True})
        async with guarded.connect(f"{engine.path}?token={token('ann')}") as client:
            refused = await ask(client, action="pause")
            assert (await ask(client, action="ping"))["type"] == "heartbeat"
        assert (refused["data"]["code"], refused["data"]["details"]["reason"]) == (
            "COMMAND_FAILED",
            "forbidden",
        )
        assert engine.orders.empty()
        async with guarded.connect(f"{engine.path}?token={token('ann', **orders)}") as client:
            assert (await ask(client, action="pause"))["type"] == "command_ack"
        assert (await engine.orders.get())["client"] == "ann"


async def test_a_token_that_ends_ends_the_connection(guarded: World):
    """With the words for one that is missing: the client comes back with a new one."""
    async with (
        guarded.engine(owner="ann") as engine,
        guarded.connect(f"{engine.path}?token={token('ann', seconds=2)}") as client,
    ):
        assert (await ask(client, action="ping"))["type"] == "heartbeat"
        frame, code, reason = await goodbye(client)

    assert (code, reason) == (1008, "Authentication required")
    assert frame["data"]["details"]["reason"] == "token_expired"


async def test_a_gateway_that_leaves_says_come_back(world: World):
    """With 1012 and an error frame."""
    with GatewayProcess(world.nats.url) as gateway:
        leaving = World(world.nats, gateway)
        async with leaving.engine() as engine, leaving.connect(engine.path) as client:
            assert (await ask(client, action="ping"))["type"] == "heartbeat"
            stopping = asyncio.to_thread(gateway.leave)
            (frame, code, _), _ = await asyncio.gather(goodbye(client), stopping)

    assert (frame["type"], frame["data"]["code"], code) == ("error", "WEBSOCKET_ERROR", 1012)


@pytest.mark.slow
async def test_neither_a_bus_nor_a_gateway_that_dies_costs_an_event():
    """The tab stays while the bus is away, comes back to another gateway, and has seen what there is."""
    hook = BacktestHook()
    with NatsServer() as nats:
        await bootstrap(url=nats.url)
        with GatewayProcess(nats.url) as first:
            async with World(nats, first).engine() as engine:
                await engine.say("session_initialized", total_candles=200)

                async def speak(count: int) -> None:
                    for _ in range(count):
                        number = len(engine.said) - 1
                        stamp = f"2026-04-20T00:00:00.{number:06}"
                        await engine.say("candle", candle_index=number, timestamp=stamp, close=1.0)

                async with World(nats, first).connect(engine.path) as client:
                    await speak(50)
                    speaking = asyncio.create_task(speak(50))
                    nats.kill()
                    nats.restart()
                    await speaking
                    for _ in range(101):
                        hook.take(await hear(client))
                    first.kill()
                    with pytest.raises(ConnectionClosed):
                        await hear(client)
                await speak(50)
                with GatewayProcess(nats.url) as second:
                    async with World(nats, second).connect(engine.path) as client:
                        await engine.say("session_completed", result_id="r")
                        for frame in await hear_until(client, "session_completed"):
                            hook.take(frame)

    candles = [frame["data"]["candle_index"] for frame in hook.passed_on if frame["type"] == "candle"]
    assert candles == list(range(150))
    assert (len(hook.passed_on), hook.status) == (152, "completed")


async def test_while_the_bus_is_away_a_tab_is_told_to_come_later():
    """With 1013 and a reason, in bounded time; once the bus is back it is served."""
    with NatsServer() as nats:
        await bootstrap(url=nats.url)
        with GatewayProcess(nats.url) as gateway:
            world = World(nats, gateway)
            async with world.engine() as engine:
                await engine.say("session_completed", result_id="r")
                path = engine.path
            nats.kill()
            async with world.connect(path) as client:
                frame, code, _ = await goodbye(client)
            assert (frame["data"]["code"], code) == ("WEBSOCKET_ERROR", 1013)
            nats.restart()
            async with asyncio.timeout(20):
                while True:
                    async with world.connect(path) as client:
                        frame = await hear(client)
                    if frame["type"] == "session_completed":
                        break
                    await asyncio.sleep(0.2)
