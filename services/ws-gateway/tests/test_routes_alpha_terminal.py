"""Alpha Terminal's routes as its clients meet them: plain clients, a gateway process, a real nats-server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from baleen_bus import Publisher
from baleen_contracts.alert import Alert
from baleen_contracts.signals import AgentInsight, MarketData, Narrative, Signal
from ws_gateway.testing import GatewayProcess

WITHIN = 10.0
AT = datetime(2026, 4, 27, 14, 0, tzinfo=UTC)
FENCE = "fence"


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the HTTP endpoints."""
    async with httpx.AsyncClient(base_url=gateway.http, timeout=WITHIN) as client:
        yield client


async def read(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    said = await asyncio.wait_for(socket.recv(), WITHIN)
    assert isinstance(said, str)
    message: dict[str, Any] = json.loads(said)
    return message


def is_utc(timestamp: str) -> bool:
    """Whether a browser reads *timestamp* the same in every zone."""
    return timestamp.endswith("Z") and datetime.fromisoformat(timestamp).tzinfo is not None


@pytest.mark.parametrize(
    ("path", "welcome"),
    [
        ("unified", {"channel": "unified", "message": "Connected to Alpha Terminal unified stream"}),
        (
            "market/spy",
            {"channel": "market_SPY", "symbol": "SPY", "message": "Connected to SPY market stream"},
        ),
        ("signals", {"channel": "signals", "message": "Connected to signals stream"}),
        (
            "agents/MarketAgent",
            {
                "channel": "agent_marketagent",
                "agent": "MarketAgent",
                "message": "Connected to MarketAgent agent stream",
            },
        ),
        ("narrative", {"channel": "narrative", "message": "Connected to Narrative Brain stream"}),
    ],
)
async def test_every_channel_welcomes_and_answers_a_ping(
    gateway: GatewayProcess, path: str, welcome: dict[str, str]
):
    """The first message is the welcome with the documented words; a ping gets a pong on every channel."""
    async with connect(f"{gateway.ws}/api/v1/ws/{path}") as socket:
        first = await read(socket)
        await socket.send('{"type":"ping"}')
        pong = await read(socket)

    assert is_utc(first.pop("timestamp"))
    assert first == {"type": "welcome", **welcome}
    assert is_utc(pong.pop("timestamp"))
    assert pong == {"type": "pong"}


def alert(alert_type: str, symbol: str | None = None, content: str = "said") -> Alert:
    """Make an alert with an embed."""
    embed = {"title": "T", "color": 1, "fields": [{"name": "n", "value": "v", "inline": True}]}
    return Alert(
        alert_type=alert_type,
        source="checker",
        symbol=symbol,
        content=content,
        embed=embed,
        occurred_at=datetime.now(UTC),
    )


def others(symbol: str, agent: str, word: str) -> list[Any]:
    """Make one message of each kind that is no alert, all holding *word*."""
    now = datetime.now(UTC)
    return [
        Signal(symbol=symbol, signal={"symbol": symbol, "word": word}, occurred_at=now),
        MarketData(symbol=symbol, data={"word": word}, occurred_at=now),
        AgentInsight(agent=agent, insight={"word": word}, occurred_at=now),
        Narrative(narrative={"word": word}, occurred_at=now),
    ]


def gist(message: dict[str, Any]) -> tuple[str, str]:
    """Say in short what a message is: its type and, for alerts, theirs."""
    return message["type"], message.get("alert_type", "")


def is_fence(message: dict[str, Any]) -> bool:
    """Whether a message is the last of its kind."""
    held = (
        message.get("signal")
        or message.get("data")
        or message.get("insight")
        or message.get("narrative")
        or {}
    )
    return message.get("content") == FENCE or held.get("word") == FENCE


async def until_fences(socket: ClientConnection, count: int) -> list[tuple[str, str]]:
    """Return what came before the last of *count* fences; within one kind nothing overtakes a fence."""
    found = []
    while count:
        message = await read(socket)
        if is_fence(message):
            count -= 1
        else:
            found.append(gist(message))
    return sorted(found)


async def test_every_message_reaches_its_channels_and_no_others(
    gateway: GatewayProcess, publisher: Publisher
):
    """Tickers and agents meet however they are spelt; `signals` is all signals and some alerts."""
    fences = {"unified": 5, "market/Spy": 3, "market/QQQ": 0, "signals": 2, "agents/ALPHA": 1, "narrative": 1}
    async with AsyncExitStack() as closing:
        sockets = {
            path: await closing.enter_async_context(connect(f"{gateway.ws}/api/v1/ws/{path}"))
            for path in fences
        }
        for socket in sockets.values():
            assert (await read(socket))["type"] == "welcome"
        for message in (
            alert("squeeze_signal", "spy"),
            alert("fed_watch", "SPY"),
            alert("gamma_flip_signal"),
            alert("daily_recap"),
            *others("sPY", "Alpha", "real"),
            AgentInsight(agent="Beta", insight={"word": "other"}, occurred_at=datetime.now(UTC)),
            alert("rally", "SPY", FENCE),
            *others("SPY", "alpha", FENCE),
        ):
            await publisher.publish(message)
        heard = {path: await until_fences(socket, fences[path]) for path, socket in sockets.items()}
        await sockets["market/QQQ"].send('{"type":"ping"}')
        assert (await read(sockets["market/QQQ"]))["type"] == "pong"

    signals = [("alert", "gamma_flip_signal"), ("alert", "squeeze_signal"), ("signal", "")]
    rest = [("agent_insight", ""), ("market_data", ""), ("narrative", "")]
    news = [("alert", "daily_recap"), ("alert", "fed_watch")]
    assert heard == {
        "unified": sorted([*signals, *rest, *news, ("agent_insight", "")]),
        "market/Spy": [
            ("alert", "fed_watch"),
            ("alert", "squeeze_signal"),
            ("market_data", ""),
            ("signal", ""),
        ],
        "market/QQQ": [],
        "signals": signals,
        "agents/ALPHA": [("agent_insight", "")],
        "narrative": [("narrative", "")],
    }


async def test_the_messages_have_exactly_the_documented_fields(gateway: GatewayProcess, publisher: Publisher):
    """Each kind is flat, with its own fields, the publisher's spelling and a time in UTC."""
    async with connect(f"{gateway.ws}/api/v1/ws/unified") as socket:
        await read(socket)
        sent = [
            Alert(
                alert_type="dp_alert",
                source="dp_checker",
                symbol="SPY",
                content="hello",
                embed={"title": "DP", "fields": [{"name": "a", "value": "b", "inline": False}]},
                occurred_at=AT,
            ),
            Signal(symbol="GME", signal={"symbol": "GME", "action": "BUY"}, occurred_at=AT),
            MarketData(symbol="SPY", data={"price": 571.5, "volume": 10}, occurred_at=AT),
            AgentInsight(agent="MarketAgent", insight={"view": "up"}, occurred_at=AT),
            Narrative(narrative={"text": "calm"}, occurred_at=AT),
        ]
        told = []
        for message in sent:
            await publisher.publish(message)
            told.append(await read(socket))

    time = "2026-04-27T14:00:00.000000Z"
    assert told == [
        {
            "type": "alert",
            "alert_type": "dp_alert",
            "source": "dp_checker",
            "symbol": "SPY",
            "content": "hello",
            "embed": {"title": "DP", "fields": [{"name": "a", "value": "b", "inline": False}]},
            "timestamp": time,
        },
        {"type": "signal", "signal": {"symbol": "GME", "action": "BUY"}, "timestamp": time},
        {"type": "market_data", "symbol": "SPY", "data": {"price": 571.5, "volume": 10}, "timestamp": time},
        {"type": "agent_insight", "agent": "MarketAgent", "insight": {"view": "up"}, "timestamp": time},
        {"type": "narrative", "narrative": {"text": "calm"}, "timestamp": time},
    ]


async def test_a_replay_gives_the_newest_in_order_after_the_welcome(
    gateway: GatewayProcess, publisher: Publisher
):
    """`?replay=N` fills the screen with history; without it a client begins with what comes next."""
    path = f"{gateway.ws}/api/v1/ws/market/RPLY"
    async with connect(path) as early:
        for number in range(5):
            at = AT + timedelta(seconds=number)
            await publisher.publish(Signal(symbol="RPLY", signal={"number": number}, occurred_at=at))
        while (await read(early)).get("signal", {}).get("number") != 4:
            pass

        async with connect(f"{path}?replay=3") as late, connect(path) as live:
            await publisher.publish(Signal(symbol="RPLY", signal={"number": 5}, occurred_at=AT))
            replayed = [await read(late) for _ in range(5)]
            begun = [await read(live) for _ in range(2)]

    assert [message["type"] for message in replayed] == ["welcome"] + ["signal"] * 4
    assert [message["signal"]["number"] for message in replayed[1:]] == [2, 3, 4, 5]
    assert [message["type"] for message in begun] == ["welcome", "signal"]
    assert begun[1]["signal"]["number"] == 5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("unified?replay=many", "replay is a number"),
        ("unified?replay=-1", "replay is a number"),
        ("unified?replay=", "replay is a number"),
        (f"market/{'x' * 65}", "1 to 64 characters"),
        (f"agents/{'x' * 65}", "1 to 64 characters"),
    ],
)
async def test_what_cannot_be_served_is_said_before_the_close(gateway: GatewayProcess, path: str, words: str):
    """The client sees why and a code that it knows, not the refusal of a handshake."""
    async with connect(f"{gateway.ws}/api/v1/ws/{path}") as socket:
        error = await read(socket)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), WITHIN)

    assert error["type"] == "error"
    assert words in error["message"]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def unread(http: httpx.AsyncClient) -> float:
    """Return how many texts that are no JSON the gateway has counted."""
    metrics = (await http.get("/metrics")).text.splitlines()
    found = [line for line in metrics if line.startswith('baleen_gateway_refusals_total{reason="bad_json"}')]
    return float(found[0].split()[-1]) if found else 0.0


async def test_text_that_is_no_json_is_counted_and_ignored(gateway: GatewayProcess, http: httpx.AsyncClient):
    """Garbage and unknown objects are not answered, and the connection goes on."""
    before = await unread(http)
    async with connect(f"{gateway.ws}/api/v1/ws/signals") as socket:
        await read(socket)
        for text in ("garbage", "{", "", '{"type":"subscribe"}', "[]", '{"type":"ping"}'):
            await socket.send(text)
        answer = await read(socket)

    assert answer["type"] == "pong"
    assert await unread(http) == before + 3


async def stats_when(http: httpx.AsyncClient, channel: str, count: int) -> dict[str, Any]:
    """Ask for the statistics until *channel* has *count* clients."""
    async with asyncio.timeout(WITHIN):
        while True:
            told: dict[str, Any] = (await http.get("/api/v1/ws/stats")).json()
            if told["channels"].get(channel) == count:
                return told


async def test_the_statistics_count_connections_by_channel(
    gateway: GatewayProcess, publisher: Publisher, http: httpx.AsyncClient
):
    """Exactly the documented keys; a channel that everybody left stays, at 0; other routes are not told."""
    channel = "market_STAT"
    async with (
        connect(f"{gateway.ws}/api/v1/ws/market/stat") as one,
        connect(f"{gateway.ws}/api/v1/ws/market/STAT"),
        connect(f"{gateway.ws}/api/stream/ws/flow"),
    ):
        await read(one)
        await publisher.publish(MarketData(symbol="STAT", data={}, occurred_at=datetime.now(UTC)))
        await read(one)
        told = await stats_when(http, channel, 2)
    left = await stats_when(http, channel, 0)

    assert set(told) == {"total_connections", "channels", "connections"}
    assert told["total_connections"] == sum(told["channels"].values())
    mine = [one for one in told["connections"] if one["channel"] == channel]
    assert len(mine) == 2
    assert all(set(one) == {"channel", "connected_at", "message_count"} for one in mine)
    assert all(is_utc(one["connected_at"]) for one in mine)
    assert [one["message_count"] for one in mine] == [2, 2]
    assert "flow-alerts" not in told["channels"]
    assert all(one["channel"] != channel for one in left["connections"])
