"""Alpha Terminal's front end, written anew from what its documents and its code say, against a real gateway.

Nothing of the gateway's own code judges here: the screens below look at frames as the application's widgets
do, and the lists of types and fields are those of its documents.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

import httpx
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from baleen_bus import Publisher
from baleen_contracts.alert import Alert
from baleen_contracts.equity_print import DarkPool
from baleen_contracts.feed import FeedStatus
from baleen_contracts.flow_alert import FlowAlert
from baleen_contracts.gex import Gex
from baleen_contracts.signals import AgentInsight, MarketData, Narrative, Signal
from ws_gateway.testing import GatewayProcess

WITHIN: Final = 10.0
AT: Final = datetime(2026, 4, 27, 14, 0, 0, 250_000, tzinfo=UTC)
ZULU: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EMBED: Final = {"title": "T", "description": "D", "color": 255, "footer": {"text": "f"}, "fields": []}

WELCOMES: Final = {
    "unified": ("unified", "Connected to Alpha Terminal unified stream", {}),
    "market/spy": ("market_SPY", "Connected to SPY market stream", {"symbol": "SPY"}),
    "signals": ("signals", "Connected to signals stream", {}),
    "agents/MarketAgent": (
        "agent_marketagent",
        "Connected to MarketAgent agent stream",
        {"agent": "MarketAgent"},
    ),
    "narrative": ("narrative", "Connected to Narrative Brain stream", {}),
    "darkpool/spy": ("darkpool_SPY", "Connected to SPY dark pool stream", {"symbol": "SPY"}),
    "gamma/spy": ("gamma_SPY", "Connected to SPY gamma stream", {"symbol": "SPY"}),
    "options/spy": ("options_SPY", "Connected to SPY options flow stream", {"symbol": "SPY"}),
    "divergence": ("divergence", "Connected to divergence stream", {}),
    "health": ("health", "Connected to health stream", {}),
}

TRADED_ON: Final = [
    *("dp_alert", "dp_outcome", "dp_divergence", "dp_bearish_divergence", "trump_exploit", "synthesis"),
    *("narrative_brain", "selloff", "rally", "squeeze_signal", "squeeze_candidate", "gamma_signal"),
    *("gamma_flip_signal", "ftd_signal", "unusual_options", "bullish_options", "bearish_options"),
    *("options_sentiment", "opportunity_scan", "divergence", "tradytics", "LEVEL_WATCHER_SIGNAL"),
]
"""The alert types that the application's checkers really use and that a signals screen is for."""
INFORMING: Final = [
    *("fed_watch", "fed_official", "economic_event", "reddit_hot", "reddit_emerging", "earnings_intel"),
    *("breaking_news", "daily_recap", "startup"),
]


def strictly(text: str | bytes) -> dict[str, Any]:
    """Read a frame as a browser does: text, JSON without NaN, an object."""
    assert isinstance(text, str), "a browser's JSON.parse is given text frames"

    def refuse(word: str) -> None:
        raise AssertionError(f"JSON.parse rejects {word}")

    frame = json.loads(text, parse_constant=refuse)
    assert isinstance(frame, dict)
    return frame


class Hook:
    """`useWebSocket({channel})`: one socket, JSON in and out."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        return strictly(await asyncio.wait_for(self.connection.recv(), WITHIN))

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the messages up to the first *wanted* one."""
        found = [await self.next()]
        while not wanted(found[-1]):
            found.append(await self.next())
        return found

    async def send(self, message: Any) -> None:
        """Say *message* as JSON."""
        await self.connection.send(json.dumps(message))

    async def quiet(self) -> bool:
        """Whether nothing else has been said up to the answer of a ping."""
        await self.send({"type": "ping"})
        return (await self.next())["type"] == "pong"

    async def close_code(self) -> int:
        """Read on until the connection ends, and return the code as a browser would, 1006 for none."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.connection.recv(), WITHIN)
        assert self.connection.close_code is not None
        return self.connection.close_code


class Terminal:
    """The application: its host, its channels, its statistics."""

    def __init__(self, gateway: GatewayProcess, closing: AsyncExitStack) -> None:
        self._gateway = gateway
        self._closing = closing

    async def open(self, channel: str, prefix: str = "/api/v1/ws", **options: Any) -> Hook:
        """Connect to *channel*, past nothing: the welcome is the first message."""
        url = f"{self._gateway.ws}{prefix}/{channel}"
        return Hook(await self._closing.enter_async_context(connect(url, **options)))

    async def joined(self, channel: str, **options: Any) -> Hook:
        """Connect to *channel* and read its welcome."""
        hook = await self.open(channel, **options)
        assert (await hook.next())["type"] == "welcome"
        return hook

    async def stats(self) -> dict[str, Any]:
        """Return `GET /ws/stats`."""
        async with httpx.AsyncClient(timeout=WITHIN) as http:
            answer = await http.get(f"{self._gateway.http}/api/v1/ws/stats")
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    async def stats_when(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the statistics until *condition* holds."""
        async with asyncio.timeout(WITHIN):
            while not condition(told := await self.stats()):
                pass
        return told


@pytest.fixture
async def terminal(gateway: GatewayProcess) -> AsyncIterator[Terminal]:
    """The application against the gateway with its defaults."""
    async with AsyncExitStack() as closing:
        yield Terminal(gateway, closing)


def alert(alert_type: str, symbol: str | None = None, content: str | None = "said") -> Alert:
    """Make an alert as `send_discord` makes one."""
    return Alert(
        alert_type=alert_type,
        source="checker",
        symbol=symbol,
        content=content,
        embed=EMBED,
        occurred_at=datetime.now(UTC),
    )


def dark_pool(symbol: str, number: int, **more: Any) -> DarkPool:
    """Make a print."""
    at = AT + timedelta(seconds=number)
    told = {"price": 512.25, "size": 4000, "premium": 2_049_000, **more}
    return DarkPool(symbol=symbol, occurred_at=at, received_at=at, **told)


def gex(symbol: str, number: int, gamma: float | None = 1e9) -> Gex:
    """Make an exposure."""
    at = AT + timedelta(seconds=number)
    return Gex(symbol=symbol, price=590.5, gamma_oi=gamma, occurred_at=at, received_at=at)


def flow(symbol: str, number: int) -> FlowAlert:
    """Make a flow alert."""
    at = AT + timedelta(seconds=number)
    return FlowAlert(
        id=f"{symbol}-{number}",
        symbol=symbol,
        option_symbol=f"{symbol}260516C00590000",
        expiry="2026-05-16",
        option_type="call",
        strike=590,
        premium=50_000,
        size=10,
        price=5.0,
        volume=300,
        open_interest=100,
        has_sweep=True,
        rule="RepeatedHits",
        occurred_at=at,
        received_at=at,
    )


# Connecting.


@pytest.mark.parametrize("prefix", ["/api/v1/ws", "/ws"])
@pytest.mark.parametrize("channel", WELCOMES)
async def test_the_first_frame_is_the_welcome(terminal: Terminal, channel: str, prefix: str):
    """With the documented words and keys; the path with the prefix of the code and without, as documented."""
    hook = await terminal.open(channel, prefix)
    welcome = await hook.next()

    key, words, about = WELCOMES[channel]
    assert ZULU.fullmatch(welcome.pop("timestamp"))
    assert welcome == {"type": "welcome", "channel": key, "message": words, **about}
    assert await hook.quiet()


async def test_a_page_is_connected_within_two_seconds(terminal: Terminal):
    """As its standards want; the best of three, since others may keep the machine busy."""
    took = []
    for _ in range(3):
        begun = monotonic()
        await terminal.joined("unified")
        took.append(monotonic() - begun)

    assert min(took) < 2


async def test_a_page_that_closes_is_let_go_with_its_own_code(terminal: Terminal):
    """A widget that unmounts closes with 1000 and hears it back."""
    hook = await terminal.joined("narrative")
    await hook.connection.close(1000)

    assert hook.connection.close_code == 1000


@pytest.mark.parametrize("path", ["/api/v1/ws/nothing", "/api/v1/ws/market", "/ws/nothing"])
async def test_an_unknown_path_is_refused_at_the_handshake(gateway: GatewayProcess, path: str):
    """As before: 403, since there is no channel to be accepted to."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{gateway.ws}{path}")

    assert refused.value.response.status_code == 403


# What a client says.


async def test_ping_is_answered_and_all_else_is_taken_in_silence(terminal: Terminal):
    """Objects without a meaning, and text that is no JSON, neither answer nor close."""
    hook = await terminal.joined("unified")
    for text in ('{"type":"subscribe"}', "[]", '"ping"', "no json", "", "{", '{"type":"ping"}'):
        await hook.connection.send(text)
    pong = await hook.next()

    assert ZULU.fullmatch(pong.pop("timestamp"))
    assert pong == {"type": "pong"}
    assert await hook.quiet()


# What is published reaches its channels.


async def test_each_kind_of_message_has_exactly_the_documented_fields(
    terminal: Terminal, publisher: Publisher
):
    """What the publisher said comes back verbatim, in its spelling, with a time every browser reads alike."""
    hook = await terminal.joined("unified")
    for message in (
        Alert(
            alert_type="dp_alert",
            source="dp_checker",
            symbol="SPY",
            content=None,
            embed=EMBED,
            occurred_at=AT,
        ),
        Signal(symbol="GME", signal={"symbol": "GME", "action": "BUY", "confidence": 78.5}, occurred_at=AT),
        MarketData(symbol="SPY", data={"price": 571.5}, occurred_at=AT),
        AgentInsight(agent="MarketAgent", insight={"view": "up"}, occurred_at=AT),
        Narrative(narrative={"text": "calm"}, occurred_at=AT),
    ):
        await publisher.publish(message)
    told = [await hook.next() for _ in range(5)]

    time = {"timestamp": "2026-04-27T14:00:00.250000Z"}
    alert_ = {
        "alert_type": "dp_alert",
        "source": "dp_checker",
        "symbol": "SPY",
        "content": None,
        "embed": EMBED,
    }
    expected = [
        {"type": "alert", **alert_, **time},
        {"type": "signal", "signal": {"symbol": "GME", "action": "BUY", "confidence": 78.5}, **time},
        {"type": "market_data", "symbol": "SPY", "data": {"price": 571.5}, **time},
        {"type": "agent_insight", "agent": "MarketAgent", "insight": {"view": "up"}, **time},
        {"type": "narrative", "narrative": {"text": "calm"}, **time},
    ]
    assert sorted(told, key=lambda message: message["type"]) == sorted(
        expected, key=lambda one: str(one["type"])
    )


async def test_the_signals_screen_gets_every_type_that_is_traded_on(terminal: Terminal, publisher: Publisher):
    """The old filter knew three names that no checker used; now all come but those that only inform."""
    hook = await terminal.joined("signals")
    for kind in (*INFORMING, *TRADED_ON, "end"):
        await publisher.publish(alert(kind))
    told = await hook.until(lambda message: message.get("alert_type") == "end")

    assert [message["alert_type"] for message in told[:-1]] == TRADED_ON


async def test_an_alert_reaches_unified_always_and_the_market_of_its_symbol(
    terminal: Terminal, publisher: Publisher
):
    """However publisher and page spell the ticker; another ticker's page hears nothing."""
    unified, mine, other = [await terminal.joined(name) for name in ("unified", "market/Iwm", "market/DIA")]
    await publisher.publish(alert("rally", "iwm", "first"))
    await publisher.publish(alert("fed_watch", None, "second"))

    assert [(await unified.next())["content"] for _ in range(2)] == ["first", "second"]
    assert (await mine.next())["content"] == "first"
    assert await mine.quiet()
    assert await other.quiet()


async def test_agents_and_narratives_arrive(terminal: Terminal, publisher: Publisher):
    """These channels were silent and lost a name in another case; one agent's page hears that agent only."""
    agent, other = await terminal.joined("agents/MarketAgent"), await terminal.joined("agents/Beta")
    story = await terminal.joined("narrative")
    await publisher.publish(AgentInsight(agent="MARKETAGENT", insight={"n": 1}, occurred_at=AT))
    await publisher.publish(Narrative(narrative={"text": "story"}, occurred_at=AT))

    assert (await agent.next())["insight"] == {"n": 1}
    assert (await story.next())["narrative"] == {"text": "story"}
    assert await agent.quiet()
    assert await other.quiet()
    assert await story.quiet()


# The later widgets: each asks its REST service again when it is told so.


class Refetching:
    """DarkPoolFlow, GammaTracker, OptionsFlow: `if (data.type === ...) fetchData()`."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self.fetched = 0

    def on_message(self, message: dict[str, Any]) -> None:
        """Do what the widget does."""
        if message["type"] == self._wanted:
            self.fetched += 1


class SqueezeScanner:
    """`if (msg.type === 'SQUEEZE_ALERT' || msg.channel === 'squeeze') fetchCandidates()`."""

    def __init__(self) -> None:
        self.fetched = 0

    def on_message(self, message: dict[str, Any]) -> None:
        """Do what the widget does."""
        if message["type"] == "SQUEEZE_ALERT" or message.get("channel") == "squeeze":
            self.fetched += 1


@pytest.mark.parametrize(
    ("channel", "kind", "make"),
    [
        ("darkpool", "DP_UPDATE", dark_pool),
        ("gamma", "GAMMA_UPDATE", gex),
        ("options", "OPTIONS_FLOW_UPDATE", flow),
    ],
)
async def test_the_widgets_of_a_ticker_are_told_to_fetch(
    terminal: Terminal, publisher: Publisher, channel: str, kind: str, make: Callable[[str, int], Any]
):
    """At the address that they hold, which lacks the prefix; once per message of their ticker alone."""
    hook, widget = await terminal.open(f"{channel}/XLF", "/ws"), Refetching(kind)
    widget.on_message(await hook.next())
    for symbol, number in (("XLE", 1), ("xlf", 2), ("XLF", 3)):
        await publisher.publish(make(symbol, number))
    updates = [await hook.next(), await hook.next()]
    for update in updates:
        widget.on_message(update)

    assert widget.fetched == 2
    assert await hook.quiet()
    assert all(set(update) == {"type", "symbol", "data", "timestamp"} for update in updates)
    assert [update["symbol"] for update in updates] == ["xlf", "XLF"]
    assert all(ZULU.fullmatch(update["timestamp"]) for update in updates)


async def test_the_updates_hold_what_the_widgets_call_their_rows(terminal: Terminal, publisher: Publisher):
    """A print, an exposure and a row of unusual activity in the widgets' own words, numbers as numbers."""
    prints, gamma, options = [
        await terminal.joined(f"{kind}/ROW") for kind in ("darkpool", "gamma", "options")
    ]
    await publisher.publish(dark_pool("ROW", 1, nbbo_bid=512.2, nbbo_ask=512.25))
    await publisher.publish(gex("ROW", 1, -5e8))
    await publisher.publish(flow("ROW", 1))

    (row,) = (await prints.next())["data"]["prints"]
    assert (row["price"], row["volume"], row["side"]) == (512.25, 4000, "BUY")
    assert datetime.fromisoformat(row["timestamp"]) == AT + timedelta(seconds=1)
    exposure = (await gamma.next())["data"]
    assert (exposure["total_gex"], exposure["current_regime"], exposure["current_price"]) == (
        -5e8,
        "NEGATIVE",
        590.5,
    )
    (unusual,) = (await options.next())["data"]["unusual_activity"]
    assert unusual == {
        "symbol": "ROW",
        "strike": 590,
        "expiration": "2026-05-16",
        "option_type": "CALL",
        "volume": 300,
        "open_interest": 100,
        "volume_oi_ratio": 3.0,
        "last_price": 5.0,
        "reason": "RepeatedHits",
    }


async def test_the_squeeze_scanner_is_told_to_fetch_and_nobody_else_is_disturbed(
    terminal: Terminal, publisher: Publisher
):
    """Alerts of a squeeze carry the channel it waits for and stay alerts to everybody else."""
    hook, scanner = await terminal.joined("signals"), SqueezeScanner()
    for kind in ("rally", "squeeze_signal", "gamma_signal", "squeeze_candidate", "end"):
        await publisher.publish(alert(kind, "GME"))
    told = await hook.until(lambda message: message.get("alert_type") == "end")
    for message in told:
        scanner.on_message(message)

    assert scanner.fetched == 2
    assert {message["type"] for message in told} == {"alert"}


async def test_divergences_and_nothing_else_on_their_channel(terminal: Terminal, publisher: Publisher):
    """Every type of that kind which a checker uses, with the alert in `data`."""
    hook = await terminal.joined("divergence")
    for kind in ("dp_alert", "dp_divergence", "rally", "dp_bearish_divergence", "divergence"):
        await publisher.publish(alert(kind, "SPY"))
    told = [await hook.next() for _ in range(3)]

    assert [message["data"]["alert_type"] for message in told] == [
        "dp_divergence",
        "dp_bearish_divergence",
        "divergence",
    ]
    assert {(message["type"], message["symbol"]) for message in told} == {("DIVERGENCE_ALERT", "SPY")}
    assert told[0]["data"]["embed"] == EMBED
    assert await hook.quiet()


async def test_health_tells_how_each_feed_stands(terminal: Terminal, publisher: Publisher):
    """A change of a feed is told as it happens."""
    hook = await terminal.joined("health")
    now = datetime.now(UTC)
    for state in ("live", "stale"):
        now += timedelta(seconds=1)
        await publisher.publish(FeedStatus(feed="gex", state=state, occurred_at=now, received_at=now))
    told = [await hook.next(), await hook.next()]

    assert [(one["type"], one["symbol"], one["data"]["feed"]) for one in told] == [
        ("HEALTH_UPDATE", None, "gex"),
    ] * 2
    assert [one["data"]["state"] for one in told] == ["live", "stale"]


# Statistics.


async def test_the_statistics_have_the_documented_keys_and_count_every_frame(
    terminal: Terminal, publisher: Publisher
):
    """`message_count` counts welcome, messages and pongs; a channel that all have left stays, at 0."""
    one, two = await terminal.joined("market/cnt"), await terminal.joined("market/CNT")
    await terminal.joined("gamma/cnt")
    for number in range(3):
        await publisher.publish(MarketData(symbol="CNT", data={"n": number}, occurred_at=AT))
    for hook in (one, two):
        assert [(await hook.next())["data"]["n"] for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        assert await two.quiet()
    told = await terminal.stats_when(lambda told: told["channels"].get("market_CNT") == 2)

    assert set(told) == {"total_connections", "channels", "connections"}
    assert told["total_connections"] == sum(told["channels"].values()) == len(told["connections"])
    assert told["channels"]["gamma_CNT"] == 1
    mine = [one for one in told["connections"] if one["channel"] == "market_CNT"]
    assert all(set(one) == {"channel", "connected_at", "message_count"} for one in mine)
    assert all(ZULU.fullmatch(one["connected_at"]) for one in mine)
    assert sorted(one["message_count"] for one in mine) == [4, 6]

    await one.connection.close()
    await two.connection.close()
    left = await terminal.stats_when(lambda told: told["channels"].get("market_CNT") == 0)
    assert all(one["channel"] != "market_CNT" for one in left["connections"])


# Many, in a hurry, and gone.


@pytest.mark.slow
async def test_a_hundred_pages_all_get_what_is_said_while_others_come_and_go(
    terminal: Terminal, publisher: Publisher, gateway: GatewayProcess
):
    """A join or a leave during a broadcast once broke it off; now everybody gets all, in order."""
    pages = await asyncio.gather(*(terminal.joined("agents/Crowd") for _ in range(100)))
    stop = asyncio.Event()

    async def come_and_go() -> None:
        while not stop.is_set():
            async with connect(f"{gateway.ws}/api/v1/ws/agents/crowd") as passing:
                await asyncio.wait_for(passing.recv(), WITHIN)

    restless = [asyncio.create_task(come_and_go()) for _ in range(4)]
    for number in range(50):
        await publisher.publish(AgentInsight(agent="Crowd", insight={"n": number}, occurred_at=AT))
    for page in pages:
        assert [(await page.next())["insight"]["n"] for _ in range(50)] == list(range(50))
    stop.set()
    await asyncio.gather(*restless)


async def test_a_page_that_was_cut_off_comes_back_and_may_ask_for_what_it_missed(
    terminal: Terminal, publisher: Publisher
):
    """Its socket broken without a goodbye, it is welcomed again; `?replay=N` shows the newest N first."""
    page = await terminal.joined("agents/Lost")
    page.connection.transport.abort()
    for number in range(4):
        await publisher.publish(AgentInsight(agent="Lost", insight={"n": number}, occurred_at=AT))
    witness = await terminal.joined("agents/Lost?replay=4")
    await witness.until(lambda message: message["insight"]["n"] == 3)
    back = await terminal.joined("agents/Lost?replay=3")

    assert [(await back.next())["insight"]["n"] for _ in range(3)] == [1, 2, 3]
    assert await back.quiet()
    assert await (await terminal.joined("agents/Lost")).quiet()


async def test_a_page_that_reads_nothing_is_cut_off_and_the_others_do_not_notice(
    bus_url: str, publisher: Publisher
):
    """The stuck one is told to try later (1013); a page beside it gets every message in order."""
    few_bytes = {"WS_GATEWAY_CLIENT_BUFFER_BYTES": "262144"}
    with GatewayProcess(bus_url, **few_bytes) as gateway:
        async with AsyncExitStack() as closing:
            terminal = Terminal(gateway, closing)
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            small.connect(("127.0.0.1", gateway.port))
            small.setblocking(False)
            stuck = await terminal.joined("narrative", sock=small, compression=None)
            stuck.connection.transport.pause_reading()
            quick = await terminal.joined("narrative", max_queue=None)
            for number in range(300):
                story = {"n": number, "text": "x" * 4_000}
                await publisher.publish(Narrative(narrative=story, occurred_at=AT))
            numbers = [(await quick.next())["narrative"]["n"] for _ in range(300)]
            stuck.connection.transport.resume_reading()
            code = await stuck.close_code()

    assert numbers == list(range(300))
    assert code == 1013


# Being turned away.


@pytest.mark.parametrize(
    "path", ["market/" + "x" * 65, "darkpool/%20", "agents/" + "y" * 65, "unified?replay=no"]
)
async def test_what_cannot_be_served_is_told_in_an_error_frame_and_closed_with_1008(
    terminal: Terminal, path: str
):
    """Accepted first, so that a browser sees the code; the frame says what was wrong."""
    hook = await terminal.open(path)
    error = await hook.next()

    assert error["type"] == "error"
    assert error["message"]
    assert await hook.close_code() == 1008


async def test_a_page_from_elsewhere_is_told_and_closed_with_1008(gateway: GatewayProcess):
    """A browser sends its origin; one that is not allowed sees why."""
    async with connect(f"{gateway.ws}/api/v1/ws/unified", origin="https://elsewhere.example") as connection:
        hook = Hook(connection)
        assert (await hook.next())["type"] == "error"
        assert await hook.close_code() == 1008


async def test_a_full_gateway_says_try_later_and_a_leaving_one_says_come_back(bus_url: str):
    """1013 for the one too many; 1012 for everybody when it restarts; an error frame before either."""
    with GatewayProcess(bus_url, WS_GATEWAY_MAX_CONNECTIONS="1") as gateway:
        async with AsyncExitStack() as closing:
            terminal = Terminal(gateway, closing)
            first, second = await terminal.joined("health"), await terminal.open("unified")
            assert (await second.next())["type"] == "error"
            assert await second.close_code() == 1013

            leaving = asyncio.create_task(asyncio.to_thread(gateway.leave))
            told = await first.until(lambda message: message["type"] == "error")
            assert told[-1]["message"]
            assert await first.close_code() == 1012
            assert await leaving == 0


# With tokens, where the operator asks for them.


KEY: Final = "a-key-that-both-sides-know-for-this-test"


def token(*subscribe: str, admin: bool = False) -> str:
    """Make a token that lets its bearer hear *subscribe*."""
    rights = {"subscribe": list(subscribe), "publish": [], "admin": admin}
    until = datetime.now(UTC) + timedelta(hours=1)
    claims = {"sub": "somebody", "aud": "baleen", "exp": until, "baleen": rights}
    return jwt.encode(claims, KEY, "HS256")


async def test_a_token_in_the_address_opens_what_it_names(bus_url: str):
    """Else an error frame and 1008, and no trace in the statistics, which are for admins alone."""
    gamma = token("uw.v1.gex.>")
    with GatewayProcess(bus_url, WS_GATEWAY_AUTH="jwt", WS_GATEWAY_AUTH_KEY=KEY) as gateway:
        async with AsyncExitStack() as closing:
            terminal = Terminal(gateway, closing)
            assert await (await terminal.joined(f"gamma/spy?token={gamma}")).quiet()
            for path in ("gamma/SPY", f"unified?token={gamma}", f"darkpool/SPY?token={gamma}"):
                hook = await terminal.open(path)
                assert (await hook.next())["type"] == "error"
                assert await hook.close_code() == 1008

        bearers = [{}, *({"Authorization": f"Bearer {one}"} for one in (gamma, token(admin=True)))]
        async with httpx.AsyncClient(base_url=gateway.http, timeout=WITHIN) as http:
            codes = [
                (await http.get(f"{prefix}/ws/stats", headers=one)).status_code
                for prefix in ("/api/v1", "")
                for one in bearers
            ]

            told = (await http.get("/ws/stats", headers=bearers[-1])).json()

    assert codes == [401, 403, 200] * 2
    assert set(told["channels"]) == {"gamma_SPY"}
