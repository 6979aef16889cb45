"""FlowMind's routes as its front end meets them: plain clients, a gateway process, a real nats-server."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus import Publisher, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.equity_print import DarkPool
from baleen_contracts.feed import FeedStatus
from baleen_contracts.flow_alert import FlowAlert
from baleen_contracts.market_mover import MarketMover
from ws_gateway.testing import GatewayProcess

WITHIN = 10.0
START = datetime(2026, 4, 27, 14, 0, tzinfo=UTC)


@pytest.fixture
async def publisher(bus_url: str) -> AsyncIterator[Publisher]:
    """A publisher, as uw-ingest has one."""
    async with open_bus(url=bus_url, name="test") as bus, Publisher(bus, source="uw-ingest") as publishing:
        yield publishing


def flow(number: int, symbol: str = "SPY") -> FlowAlert:
    """Make the flow alert of that number."""
    at = START + timedelta(seconds=number)
    return FlowAlert(
        id=f"{symbol}-{number}",
        symbol=symbol,
        option_symbol="SPY260516P00590000",
        expiry="2026-05-16",
        option_type="put",
        strike=590,
        premium=1000 + number,
        ask_side_premium=10,
        bid_side_premium=990 + number,
        size=7,
        price=1.5,
        has_sweep=True,
        occurred_at=at,
        received_at=at,
    )


def mover(symbol: str, price: float, second: int) -> MarketMover:
    """Make a stock's place among the movers."""
    at = START + timedelta(seconds=second)
    return MarketMover(
        symbol=symbol,
        lists=("top_gainers",),
        price=price,
        change=1.25,
        change_percent=2.5,
        volume=1_000_000,
        occurred_at=at,
        received_at=at,
    )


async def read(socket: ClientConnection) -> dict[str, Any]:
    """Return the next frame."""
    said = await asyncio.wait_for(socket.recv(), WITHIN)
    assert isinstance(said, str)
    frame: dict[str, Any] = json.loads(said)
    return frame


async def read_until(socket: ClientConnection, key: str, value: object) -> list[dict[str, Any]]:
    """Return the frames up to the one whose *key* is *value*."""
    frames = [await read(socket)]
    while frames[-1][key] != value:
        frames.append(await read(socket))
    return frames


async def test_a_client_gets_the_newest_fifty_flow_alerts_in_order_and_then_what_comes(
    gateway: GatewayProcess, publisher: Publisher
):
    """An empty screen is filled at once, oldest first, and goes on without a hole or a repeat."""
    async with connect(f"{gateway.ws}/api/stream/ws/flow") as early:
        for number in range(60):
            await publisher.publish(flow(number))
        await read_until(early, "premium", 1059.0)

        async with connect(f"{gateway.ws}/api/stream/ws/flow") as late:
            await publisher.publish(flow(60))
            premiums = [(await read(late))["premium"] for _ in range(51)]

    assert premiums == [1000.0 + number for number in range(10, 61)]


async def test_the_flow_widget_finds_its_fields_at_the_root(gateway: GatewayProcess, publisher: Publisher):
    """Names and types are those that LiveFlowFeed reads."""
    async with connect(f"{gateway.ws}/api/stream/ws/flow") as socket:
        await publisher.publish(flow(5000))
        frame = (await read_until(socket, "premium", 6000.0))[-1]

    assert frame["channel"] == "flow-alerts"
    expected = {
        "symbol": "SPY",
        "strike": 590,
        "expiry": "2026-05-16",
        "kind": "PUT",
        "side": "SELL",
        "quantity": 7,
        "price": 1.5,
        "premium": 6000,
        "timestamp": "2026-04-27T15:23:20.000000Z",
        "is_sweep": True,
    }
    assert frame.items() >= expected.items()
    assert frame["data"].items() >= expected.items()


async def test_the_movers_begin_with_the_last_of_every_ticker(gateway: GatewayProcess, publisher: Publisher):
    """One row a ticker, not one a change."""
    async with connect(f"{gateway.ws}/api/stream/ws/market-movers") as early:
        for second in range(3):
            await publisher.publish(mover("CRWV", 100.0 + second, second))
            await publisher.publish(mover("NVDA", 900.0 + second, second))
        await read_until(early, "price", 902.0)

        async with connect(f"{gateway.ws}/api/stream/ws/market-movers") as late:
            first, second = await read(late), await read(late)
            await publisher.publish(mover("CRWV", 150.0, 10))
            live = await read(late)

    assert {(row["symbol"], row["price"]) for row in (first, second)} == {("CRWV", 102.0), ("NVDA", 902.0)}
    assert (
        live.items()
        >= {
            "channel": "market-movers",
            "symbol": "CRWV",
            "price": 150.0,
            "change": 1.25,
            "changePercent": 2.5,
            "volume": 1_000_000,
            "timestamp": "2026-04-27T14:00:10.000000Z",
        }.items()
    )


async def test_the_dark_pool_widget_finds_its_fields_at_the_root(
    gateway: GatewayProcess, publisher: Publisher
):
    """Names and types are those that LiveDarkPool reads."""
    trade = DarkPool(
        symbol="BRK.B",
        price=512.25,
        size=4000,
        premium=2_049_000,
        market_center="L",
        occurred_at=START,
        received_at=START,
    )
    async with connect(f"{gateway.ws}/api/stream/ws/dark-pool") as socket:
        await publisher.publish(trade)
        frame = await read(socket)

    assert (
        frame.items()
        >= {
            "channel": "dark-pool",
            "symbol": "BRK.B",
            "quantity": 4000,
            "price": 512.25,
            "value": 2_049_000,
            "exchange": "L",
            "timestamp": "2026-04-27T14:00:00.000000Z",
        }.items()
    )


async def test_the_congress_widget_finds_its_fields_at_the_root(
    gateway: GatewayProcess, publisher: Publisher
):
    """Names and types are those that LiveCongressFeed reads, with both words for badge and filter."""
    filed = START - timedelta(days=3)
    trade = CongressTrade(
        politician="Jane Doe",
        symbol="AAPL",
        transaction_type="Sell (partial)",
        amount="$1,001 - $15,000",
        amount_low=1001,
        amount_high=15000,
        traded_on=(filed - timedelta(days=60)).date(),
        filed_on=filed.date(),
        occurred_at=filed,
        received_at=START,
    )
    async with connect(f"{gateway.ws}/api/stream/ws/congress") as socket:
        await publisher.publish(trade)
        frame = await read(socket)

    assert (
        frame.items()
        >= {
            "channel": "congress-trades",
            "representative": "Jane Doe",
            "symbol": "AAPL",
            "transaction_type": "sale (sell)",
            "amount_min": 1001,
            "amount_max": 15000,
            "transaction_date": "2026-02-23",
            "disclosure_date": "2026-04-24",
        }.items()
    )
    assert "party" in frame


async def test_client_text_is_ignored_and_everybody_gets_the_same(
    gateway: GatewayProcess, publisher: Publisher
):
    """Whatever a client says, it stays connected, and each client of a channel gets every frame."""
    address = f"{gateway.ws}/api/stream/ws/flow"
    async with connect(address) as one, connect(address) as other:
        for text in ("ping", "", '{"type":"ping"}', "[1", "\x00"):
            await one.send(text)
        await publisher.publish(flow(7000, "QQQ"))
        mine, theirs = [await read_until(socket, "premium", 8000.0) for socket in (one, other)]

    assert mine[-1] == theirs[-1]
    assert {frame["channel"] for frame in mine} == {"flow-alerts"}


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the HTTP endpoints."""
    async with httpx.AsyncClient(base_url=f"{gateway.http}/api/stream", timeout=WITHIN) as client:
        yield client


def feed_status(state: str) -> FeedStatus:
    """Make what uw-ingest says of its flow alerts now."""
    now = datetime.now(UTC)
    return FeedStatus(
        feed="flow_alert", state=state, last_message_at=now, simulated=True, occurred_at=now, received_at=now
    )


async def get_when(http: httpx.AsyncClient, path: str, code: int) -> httpx.Response:
    """Ask until the answer has that code."""
    async with asyncio.timeout(WITHIN):
        while (answer := await http.get(path)).status_code != code:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    return answer


async def test_status_channels_and_health_follow_the_feeds(
    gateway: GatewayProcess, publisher: Publisher, http: httpx.AsyncClient
):
    """The endpoints have their documented keys, and say what uw-ingest says."""
    await publisher.publish(feed_status("disabled"))
    down = await get_when(http, "/health", 503)
    assert down.json() == {"detail": "WebSocket streaming service not available"}
    disabled = (await http.get("/status")).json()
    assert (disabled["status"], disabled["enabled"]) == ("disabled", False)
    assert set(disabled) == {"status", "message", "enabled"}

    await publisher.publish(feed_status("live"))
    healthy = await get_when(http, "/health", 200)
    assert healthy.json()["status"] == "healthy"
    assert healthy.json()["connected"] is True
    assert set(healthy.json()) == {"status", "connected", "uptime_seconds"}

    # A client that does not read its snapshot sees no close either, so it must not wait for one.
    async with (
        connect(f"{gateway.ws}/api/stream/ws/flow", close_timeout=0),
        connect(f"{gateway.ws}/api/stream/ws/congress", close_timeout=0),
    ):
        status = (await http.get("/status")).json()
        listed = (await http.get("/channels")).json()

    assert (status["status"], status["enabled"], status["simulated"]) == ("connected", True, True)
    assert set(status["uw_connection"]) == {
        "connected",
        "running",
        "reconnect_attempts",
        "subscribed_channels",
        "channel_count",
        "last_message_seconds_ago",
        "connection_uri",
    }
    assert status["uw_connection"]["subscribed_channels"] == ["flow-alerts"]
    assert status["client_connections"]["channels"] == {"flow-alerts": 1, "congress": 1}
    assert set(status["client_connections"]) == {
        "total_connections",
        "total_connects",
        "total_disconnects",
        "total_messages_sent",
        "active_channels",
        "channels",
        "uptime_seconds",
        "messages_per_second",
    }
    assert status["total_clients"] == 2
    assert [(one["id"], one["active_subscribers"], one["verified"]) for one in listed["channels"]] == [
        ("flow-alerts", 1, True),
        ("market-movers", 0, False),
        ("dark-pool", 0, False),
        ("congress", 1, False),
        ("gex", 0, True),
        ("gex-strike-expiry", 0, True),
        ("option-trades", 0, True),
        ("lit-trades", 0, True),
        ("off-lit-trades", 0, True),
    ]
    assert (listed["total_channels"], listed["enabled"]) == (9, True)

    await publisher.publish(feed_status("reconnecting"))
    away = await get_when(http, "/health", 503)
    assert away.json() == {"detail": "Not connected to Unusual Whales WebSocket"}
    assert (await http.get("/status")).json()["status"] == "disconnected"


async def test_a_reconnect_goes_over_the_bus_at_most_once_a_minute(nats_server_with_users: NatsServer):
    """Nobody there is 503; an answer is passed on; a second wish within the minute is told when to return."""
    server = nats_server_with_users
    asked: list[dict[str, Any]] = []
    rights = {
        "WS_GATEWAY_NATS_USER": "ws-gateway",
        "WS_GATEWAY_NATS_PASSWORD": server.passwords["ws-gateway"],
    }
    with GatewayProcess(server.url, **rights) as gateway:
        async with httpx.AsyncClient(base_url=gateway.http, timeout=WITHIN) as client:
            nobody = await client.post("/api/stream/reconnect")
            async with open_bus(url=server.url, name="ingest", **server.credentials("uw-ingest")) as bus:

                async def answer(message: Any) -> None:
                    asked.append(json.loads(message.data))
                    await message.respond(b'{"ok":true}')

                await bus.nc.subscribe("command.v1.ingest.reconnect", cb=answer)
                await bus.nc.flush()
                done = await client.post("/api/stream/reconnect")
                again = await client.post("/api/stream/reconnect")

    assert (nobody.status_code, nobody.json()) == (503, {"detail": "WebSocket client not initialized"})
    assert (done.status_code, done.json()) == (
        200,
        {"status": "success", "message": "Reconnected to Unusual Whales WebSocket"},
    )
    assert again.status_code == 429
    assert 0 < int(again.headers["Retry-After"]) <= 60
    assert [one["action"] for one in asked] == ["reconnect"]


async def test_a_reconnect_that_another_worker_asked_for_is_told_when_to_return(nats_server: NatsServer):
    """uw-ingest knows of all who ask; its refusal is no failure."""
    async with open_bus(url=nats_server.url, name="ingest") as bus:

        async def answer(message: Any) -> None:
            await message.respond(b'{"ok":false,"code":"TOO_SOON","message":"reconnected lately"}')

        await bus.nc.subscribe("command.v1.ingest.reconnect", cb=answer)
        await bus.nc.flush()
        with GatewayProcess(nats_server.url) as gateway:
            async with httpx.AsyncClient(base_url=gateway.http, timeout=WITHIN) as client:
                told = await client.post("/api/stream/reconnect")

    assert (told.status_code, told.json()) == (429, {"detail": "reconnected lately"})
    assert told.headers["Retry-After"] == "60"


async def test_a_reconnect_that_fails_says_why(nats_server: NatsServer):
    """What uw-ingest could not do is a 500 with its own words."""
    with GatewayProcess(nats_server.url) as gateway:
        async with open_bus(url=nats_server.url, name="ingest") as bus:

            async def answer(message: Any) -> None:
                await message.respond(b'{"ok":false,"code":"no_token","message":"there is no token"}')

            await bus.nc.subscribe("command.v1.ingest.reconnect", cb=answer)
            await bus.nc.flush()
            async with httpx.AsyncClient(base_url=gateway.http, timeout=WITHIN) as client:
                failed = await client.post("/api/stream/reconnect")

    assert (failed.status_code, failed.json()) == (500, {"detail": "there is no token"})


BAD_ROWS = (
    b"{",
    b"[1]",
    b"{}",
    b'{"received_at":5}',
    b'{"received_at":"soon"}',
    b'{"received_at":"2026-01-01T00:00:00"}',
    b'{"occurred_at":"soon","state":"live","feed":"x"}',
)


@pytest.mark.parametrize("body", BAD_ROWS)
async def test_a_row_that_cannot_be_read_hides_no_other(live: Any, body: bytes):
    """Whatever a stored message or a feed's status holds, the endpoints answer with what the others say."""
    good = feed_status("live")
    live.gateway.take(replace(live.say(good.subject), body=good.to_json()))
    for subject in ("uw.v1.flow_alert.BAD", "uw.v1.price.BAD", "feed.v1.status.bad"):
        live.gateway.take(replace(live.say(subject), body=body))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.port}/api/stream") as client:
        answers = {path: await client.get(path) for path in ("/status", "/channels", "/health")}

    assert [answer.status_code for answer in answers.values()] == [200, 200, 200]
    assert answers["/status"].json()["uw_connection"]["subscribed_channels"] == ["flow-alerts"]
