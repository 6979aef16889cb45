"""FlowMind's front end, written anew from what its documents and its code say, against a real gateway.

The widgets below render a frame as the application's do: they read the same fields at the same depth and fail
where JavaScript fails, on a method of what is no number. Nothing of the gateway's own code judges here.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from baleen_bus import Publisher, open_bus
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.equity_print import DarkPool, LitTrade
from baleen_contracts.feed import FeedStatus
from baleen_contracts.flow_alert import FlowAlert
from baleen_contracts.gex import Gex, GexStrikeExpiry
from baleen_contracts.market_mover import MarketMover
from baleen_contracts.option_trade import OptionTrade
from ws_gateway.testing import GatewayProcess

WITHIN: Final = 10.0
AT: Final = datetime(2026, 4, 27, 14, 0, 0, 250_000, tzinfo=UTC)
ZULU: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
Frame = dict[str, Any]


# JavaScript, as far as the widgets need it.


def to_fixed(value: object, digits: int) -> str:
    """`value.toFixed(digits)`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r}.toFixed is not a function")
    return f"{value:.{digits}f}"


def new_date(text: object) -> datetime:
    """`new Date(text)`, which reads a time without a zone as local and is therefore refused."""
    if not isinstance(text, str):
        raise TypeError("Invalid Date")
    read = datetime.fromisoformat(text)
    return read if len(text) > 10 else read.replace(tzinfo=UTC)


def money(value: object) -> str:
    """`formatPremium` and `formatValue` of the feeds."""
    if isinstance(value, int | float) and value >= 1_000_000:
        return f"${to_fixed(value / 1_000_000, 2)}M"
    if isinstance(value, int | float) and value >= 1_000:
        return f"${to_fixed(value / 1_000, 1)}K"
    return f"${to_fixed(value, 0)}"


def clock(text: object) -> str:
    """`formatTime`, here in UTC."""
    read = new_date(text)
    assert read.tzinfo is not None, "a browser elsewhere would show another time"
    return read.astimezone(UTC).strftime("%H:%M:%S")


def gex_text(value: object) -> str:
    """`formatGex`."""
    if not value:
        return "N/A"
    assert isinstance(value, int | float)
    return f"{to_fixed(value / 1e6, 2)}M" if abs(value) >= 1e6 else to_fixed(value, 0)


# The widgets: a frame in, the row as text out.


def live_flow_feed(frame: Frame) -> str:
    """LiveFlowFeed reads the root."""
    buys, call = frame["side"] == "BUY", frame["kind"] == "CALL"
    badge = "BULL" if buys is call else "BEAR"
    link = f"?symbol={frame['symbol']}&strike={frame['strike']}&expiry={frame['expiry']}"
    row = f"{clock(frame['timestamp'])} {badge} {frame['kind']} {frame['side']} x{frame['quantity']}"
    sweep = " SWEEP" if frame["is_sweep"] else ""
    price = f"{money(frame['premium'])} @{to_fixed(frame['price'], 2)}"
    return f"{row} {price}{sweep} {link}&type={frame['kind'].lower()}"


def live_market_movers(frame: Frame) -> str:
    """LiveMarketMovers reads the root."""
    percent = frame["changePercent"]
    sign, width = "+" if percent >= 0 else "", min(abs(percent) * 2, 100)
    row = f"{frame['symbol']} ${to_fixed(frame['price'], 2)} {sign}{to_fixed(percent, 2)}%"
    volume = frame["volume"]
    return f"{row} {to_fixed(volume / 1e6, 1)}M {to_fixed(frame['change'], 2)} bar {to_fixed(width, 0)}"


def live_dark_pool(frame: Frame) -> str:
    """LiveDarkPool reads the root."""
    whale = " WHALE" if frame["value"] >= 1_000_000 else ""
    row = (
        f"{clock(frame['timestamp'])} {frame['symbol']} {frame['quantity']:,} @${to_fixed(frame['price'], 2)}"
    )
    return f"{row} {money(frame['value'])} {frame.get('exchange') or '-'}{whale}"


def live_congress_feed(frame: Frame) -> str:
    """LiveCongressFeed reads the root; badge and filter look for different words."""
    kind = frame["transaction_type"].lower()
    badge = "BUY" if "purchase" in kind else "SELL"
    filters = "".join(word for word in ("buy", "sell") if word in kind)
    traded, told = new_date(frame["transaction_date"]), new_date(frame["disclosure_date"])
    late = f" LATE ({(told - traded).days}d)" if (told - traded).days > 45 else ""
    amounts = f"{money(frame['amount_min'])} - {money(frame['amount_max'])}"
    party = frame["party"] or "-"
    return f"{frame['representative']} {party} {frame['symbol']} {badge}/{filters} {amounts}{late}"


def gamma_exposure_feed(frame: Frame) -> str:
    """GammaExposureFeed reads `data`."""
    data = frame["data"]
    total = f"{'+' if data['total_gex'] >= 0 else '-'} {gex_text(data['total_gex'])}"
    parts = f"call {gex_text(data.get('call_gex'))} put {gex_text(data.get('put_gex'))}"
    zero = f"${to_fixed(data['zero_gamma_level'], 2)}" if data.get("zero_gamma_level") else "N/A"
    return f"{data['ticker']} {total} {parts} zero {zero}"


def option_trades_feed(frame: Frame) -> str:
    """OptionTradesFeed reads `data`; its filters compare words and a number."""
    data = frame["data"]
    assert data["premium"] >= 0
    row = f"${data['strike']} {data['expiry']} {data['type']} {data['side']} ${to_fixed(data['price'], 2)}"
    return f"{row} {data['quantity']} {money(data['premium'])}"


def gex_matrix(frames: list[Frame]) -> dict[tuple[str, float], tuple[float, float, float]]:
    """LiveGexStrikeExpiryFeed reads `data`, keeps a matrix, and averages what comes twice."""
    kept: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for frame in frames:
        data = frame["data"]
        new_date(data["expiry"])
        cell = (data["net_gex"], data["call_gex"], data["put_gex"])
        assert all(to_fixed(value, 0) for value in cell)
        kept.setdefault((data["expiry"], float(data["strike"])), []).append(cell)
    return {
        place: (sum(c[0] for c in cells) / len(cells), cells[-1][1], cells[-1][2])
        for place, cells in kept.items()
    }


def lit_trades_feed(frame: Frame) -> str:
    """LiveLitTradesFeed reads `data`; `conditions` is joined, `exchange` and `tape` may be missing."""
    data = frame["data"]
    value = to_fixed(data["price"] * data["size"], 0)
    conditions = ", ".join(data["conditions"]) if data.get("conditions") is not None else "-"
    row = f"{clock(data['timestamp'])} ${to_fixed(data['price'], 2)} {to_fixed(data['size'], 0)} ${value}"
    return f"{row} {data.get('exchange') or 'N/A'} {data.get('tape') or '-'} {conditions}"


def off_lit_trades_feed(frame: Frame) -> str:
    """LiveOffLitTradesFeed reads `data`; the venue is cut to 15 characters, so it is a text or missing."""
    data = frame["data"]
    sizes = ((100_000, "MEGA"), (50_000, "HUGE"), (10_000, "BLOCK"), (5_000, "LARGE"))
    label = next((name for least, name in sizes if data["size"] >= least), "NORMAL")
    block = " block" if data.get("is_block") or data["size"] >= 10_000 else ""
    venue = (data.get("venue_name") or data.get("venue") or "DARK")[:15]
    conditions = ", ".join(data["conditions"]) if data.get("conditions") is not None else "D"
    row = f"{clock(data['timestamp'])} ${to_fixed(data['price'], 2)} {label}{block}"
    return f"{row} ${to_fixed(data['notional'], 0)} {venue} {conditions}"


# The application.


class Stream:
    """`useWebSocket(endpoint)`: every text frame is JSON and a row to somebody."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def next(self) -> Frame:
        """Return the next frame."""

        def refuse(word: str) -> None:
            raise AssertionError(f"JSON.parse rejects {word}")

        text = await asyncio.wait_for(self.connection.recv(), WITHIN)
        assert isinstance(text, str), "a browser's JSON.parse is given text frames"
        frame = json.loads(text, parse_constant=refuse)
        assert isinstance(frame, dict)
        assert set(frame) >= {"channel", "timestamp", "data"}, "the documented envelope"
        assert ZULU.fullmatch(frame["timestamp"])
        return frame

    async def closed(self) -> tuple[list[str | bytes], int, str]:
        """Return what was still said, and the close code and reason as a browser tells them."""
        said: list[str | bytes] = []
        with suppress(ConnectionClosed):
            while True:
                said.append(await asyncio.wait_for(self.connection.recv(), WITHIN))
        assert self.connection.close_code is not None
        return said, self.connection.close_code, self.connection.close_reason or ""


class FlowMind:
    """The application: its streams and its status page."""

    def __init__(self, gateway: GatewayProcess, closing: AsyncExitStack) -> None:
        self._gateway = gateway
        self._closing = closing
        self.http = httpx.AsyncClient(base_url=f"{gateway.http}/api/stream", timeout=WITHIN)
        closing.push_async_callback(self.http.aclose)

    async def open(self, path: str, **options: Any) -> Stream:
        """Connect to a stream."""
        url = f"{self._gateway.ws}/api/stream/ws/{path}"
        return Stream(await self._closing.enter_async_context(connect(url, **{"max_queue": None, **options})))

    async def get(self, path: str) -> Frame:
        """Return the body of an endpoint that answers 200."""
        answer = await self.http.get(path)
        assert answer.status_code == 200
        body: Frame = answer.json()
        return body

    async def when(self, path: str, condition: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Ask until *condition* holds."""
        async with asyncio.timeout(WITHIN):
            while not condition(answer := await self.http.get(path)):
                pass
        return answer


@pytest.fixture
async def publisher(bus_url: str) -> AsyncIterator[Publisher]:
    """What uw-ingest says is said with this."""
    async with open_bus(url=bus_url, name="test") as bus, Publisher(bus, source="uw-ingest") as publishing:
        yield publishing


@pytest.fixture
async def app(gateway: GatewayProcess) -> AsyncIterator[FlowMind]:
    """The application against the gateway with its defaults."""
    async with AsyncExitStack() as closing:
        yield FlowMind(gateway, closing)


# What the upstream tells.


def times(number: int) -> dict[str, datetime]:
    """The two times of the message of that number."""
    at = AT + timedelta(seconds=number)
    return {"occurred_at": at, "received_at": at}


def flow(number: int, **more: Any) -> FlowAlert:
    """Make a flow alert."""
    told = {"symbol": "SPY", "option_type": "put", "ask_side_premium": 10, "bid_side_premium": 900, **more}
    contract = {"option_symbol": "SPY260516P00592500", "expiry": "2026-05-16", "strike": 592.5}
    return FlowAlert(
        id=f"{told['symbol']}-{number}",
        **{"premium": 1_000 + number, "size": 7, "price": 1.5, "has_sweep": True, **contract, **told},
        **times(number),
    )


def mover(number: int, **more: Any) -> MarketMover:
    """Make a stock's place among the movers."""
    told = {"symbol": "CRWV", "lists": ("top_gainers",), "price": 100.0 + number, "change": 2.5, **more}
    return MarketMover(**{"change_percent": 2.5, "volume": 1_500_000, **told}, **times(number))


def dark_pool(number: int, **more: Any) -> DarkPool:
    """Make a print off the exchanges."""
    told = {"symbol": "SPY", "price": 512.25, "size": 4_000, **more}
    return DarkPool(premium=told["price"] * told["size"], **told, **times(number))


def lit(number: int, **more: Any) -> LitTrade:
    """Make a print on an exchange."""
    told = {"symbol": "SPY", "price": 512.25, "size": 100, **more}
    return LitTrade(premium=told["price"] * told["size"], **told, **times(number))


def congress(number: int, **more: Any) -> CongressTrade:
    """Make a disclosed trade."""
    told = {"politician": f"Member {number}", "symbol": "AAPL", "transaction_type": "Buy", **more}
    dates = {"traded_on": date(2026, 1, 5), "filed_on": date(2026, 4, 24)}
    amounts = {"amount": "$1,001 - $15,000", "amount_low": 1001, "amount_high": 15000}
    return CongressTrade(**amounts, **dates, **told, **times(number))


def gex(number: int, **more: Any) -> Gex:
    """Make a ticker's exposure."""
    return Gex(**{"symbol": "SPY", "price": 590.5, "gamma_oi": 2.5e9, **more}, **times(number))


def gex_cell(number: int, **more: Any) -> GexStrikeExpiry:
    """Make the exposure at a strike of an expiry."""
    told = {"symbol": "SPY", "strike": 590, "expiry": "2026-05-16", "call_gamma_oi": 300.0, **more}
    return GexStrikeExpiry(**{"put_gamma_oi": -100.0, **told}, **times(number))


def option_trade(number: int, **more: Any) -> OptionTrade:
    """Make an option print."""
    told = {"symbol": "SPY", "side": "ask", "option_type": "call", "price": 5.25, "size": 40, **more}
    contract = {"option_symbol": "SPY260516C00590000", "expiry": "2026-05-16", "strike": 590}
    return OptionTrade(
        id=f"{told['symbol']}-{number}",
        premium=21_000,
        sentiment="bullish",
        **contract,
        **told,
        **times(number),
    )


def feed_status(state: str) -> FeedStatus:
    """Make what uw-ingest says of its flow alerts now."""
    now = datetime.now(UTC)
    return FeedStatus(
        feed="flow_alert", state=state, last_message_at=now, simulated=True, occurred_at=now, received_at=now
    )


# The widgets show what comes.


class Shown(NamedTuple):
    """What a widget must make of a message."""

    path: str
    channel: str
    message: Any
    widget: Callable[[Frame], str]
    row: str


SHOWN: Final = [
    Shown(
        "flow",
        "flow-alerts",
        flow(101, symbol="QQQ", premium=1_250_000),
        live_flow_feed,
        "14:01:41 BULL PUT SELL x7 $1.25M @1.50 SWEEP ?symbol=QQQ&strike=592.5&expiry=2026-05-16&type=put",
    ),
    Shown(
        "market-movers",
        "market-movers",
        mover(1, symbol="DOWN", price=9.5, change=-0.5, change_percent=-5.0),
        live_market_movers,
        "DOWN $9.50 -5.00% 1.5M -0.50 bar 10",
    ),
    Shown(
        "dark-pool",
        "dark-pool",
        dark_pool(1, symbol="BRK.B", market_center="L"),
        live_dark_pool,
        "14:00:01 BRK.B 4,000 @$512.25 $2.05M L WHALE",
    ),
    Shown(
        "congress",
        "congress-trades",
        congress(1, transaction_type="Buy"),
        live_congress_feed,
        "Member 1 - AAPL BUY/buy $1.0K - $15.0K LATE (109d)",
    ),
    Shown(
        "congress",
        "congress-trades",
        congress(2, transaction_type="Sell (partial)"),
        live_congress_feed,
        "Member 2 - AAPL SELL/sell $1.0K - $15.0K LATE (109d)",
    ),
    Shown(
        "gex/row",
        "gex:ROW",
        gex(1, symbol="ROW"),
        gamma_exposure_feed,
        "ROW + 2500.00M call N/A put N/A zero N/A",
    ),
    Shown(
        "option-trades/row",
        "option_trades:ROW",
        option_trade(1, symbol="ROW"),
        option_trades_feed,
        "$590.0 2026-05-16 CALL BUY $5.25 40 $21.0K",
    ),
    Shown(
        "lit-trades/row",
        "lit_trades:ROW",
        lit(1, symbol="ROW", sale_condition="cross_trade"),
        lit_trades_feed,
        "14:00:01 $512.25 100 $51225 N/A - cross_trade",
    ),
    Shown(
        "off-lit-trades/row",
        "off_lit_trades:ROW",
        dark_pool(1, symbol="ROW", size=60_000),
        off_lit_trades_feed,
        "14:00:01 $512.25 HUGE block $30735000 DARK D",
    ),
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.path)
async def test_the_unchanged_widget_shows_the_row(app: FlowMind, publisher: Publisher, shown: Shown):
    """Whether it reads the root or `data`; the envelope is there, the contract's own words too."""
    stream = await app.open(shown.path)
    await publisher.publish(shown.message)
    rows = []
    while shown.row not in rows:
        frame = await stream.next()
        rows.append(shown.widget(frame))

    assert frame["channel"] == shown.channel
    assert frame.get("ticker") == (shown.channel.split(":")[1] if ":" in shown.channel else None)
    assert frame["data"]["received_at"]
    flat = frame.keys() - {"channel", "data"}
    assert {key: frame["data"][key] for key in flat} == {key: frame[key] for key in flat}


async def test_the_matrix_begins_with_the_last_of_every_cell_and_goes_on(app: FlowMind, publisher: Publisher):
    """A page that opens sees the whole matrix, not a cell twice, and what changes afterwards."""
    early = await app.open("gex-strike-expiry/MTX")
    for number, strike in enumerate((580, 590, 580)):
        await publisher.publish(
            gex_cell(number, symbol="MTX", strike=strike, call_gamma_oi=100.0 * (number + 1))
        )
    assert [(await early.next())["strike"] for _ in range(3)] == [580, 590, 580]

    late = await app.open("gex-strike-expiry/mtx")
    begun = [await late.next(), await late.next()]
    await publisher.publish(gex_cell(9, symbol="MTX", strike=600, put_gamma_oi=-500.0))
    await publisher.publish(gex_cell(9, symbol="OTHER"))
    begun.append(await late.next())

    expiry = "2026-05-16"
    assert gex_matrix(begun) == {
        (expiry, 590.0): (100.0, 200.0, -100.0),
        (expiry, 580.0): (200.0, 300.0, -100.0),
        (expiry, 600.0): (-200.0, 300.0, -500.0),
    }
    assert {frame["channel"] for frame in begun} == {"gex_strike_expiry:MTX"}


async def test_a_wide_matrix_begins_with_as_many_cells_as_the_page_keeps(app: FlowMind, publisher: Publisher):
    """It keeps a thousand points; the newest are shown, in order, and then what comes."""
    early = await app.open("gex-strike-expiry/WIDE")
    for number in range(1_050):
        publisher.offer(gex_cell(number, symbol="WIDE", strike=100 + number))
    while (await early.next())["strike"] != 100 + 1_049:
        pass
    late = await app.open("gex-strike-expiry/WIDE")
    await publisher.publish(gex_cell(1_050, symbol="WIDE", strike=100 + 1_050))

    assert [(await late.next())["strike"] - 100 for _ in range(1_001)] == list(range(50, 1_051))


@pytest.mark.parametrize(
    ("side", "option_type", "seen"),
    [
        ("ask", "put", "PUT BUY"),
        ("bid", "call", "CALL SELL"),
        ("mid", "call", "CALL MID"),
        ("none", "put", "PUT NONE"),
    ],
)
async def test_the_filters_of_option_trades_find_their_words(
    app: FlowMind, publisher: Publisher, side: str, option_type: str, seen: str
):
    """Type and side are compared with CALL, PUT, BUY and SELL; what was neither is not shown as a sale."""
    stream = await app.open(f"option-trades/{side}F")
    await publisher.publish(option_trade(1, symbol=f"{side}f".upper(), side=side, option_type=option_type))
    data = (await stream.next())["data"]

    assert f"{data['type']} {data['side']}" == seen


async def test_a_message_that_a_widget_would_fail_on_is_not_sent(app: FlowMind, publisher: Publisher):
    """An unknown price, change or exposure is no row: `undefined.toFixed` would end the whole page."""
    movers, gamma, cells = [
        await app.open(path) for path in ("market-movers", "gex/HOLE", "gex-strike-expiry/HOLE")
    ]
    for number, more in enumerate(({"price": None}, {"change_percent": None}, {"lists": ()}, {})):
        await publisher.publish(mover(number, **{"symbol": f"HOLE{number}", **more}))
    await publisher.publish(gex(1, symbol="HOLE", gamma_oi=None))
    await publisher.publish(gex(2, symbol="HOLE"))
    await publisher.publish(gex_cell(1, symbol="HOLE", put_gamma_oi=None))
    await publisher.publish(gex_cell(2, symbol="HOLE"))

    symbols = []
    while "HOLE3" not in symbols:
        symbols.append((await movers.next())["symbol"])
    assert not {"HOLE0", "HOLE1", "HOLE2"} & set(symbols)
    for stream in (gamma, cells):
        assert (await stream.next())["timestamp"] == "2026-04-27T14:00:02.250000Z"


# On connect.


@pytest.mark.parametrize(
    ("path", "make", "number_of"),
    [
        ("flow", lambda n: flow(n, symbol="NEW"), lambda frame: frame["premium"] - 1_000),
        ("dark-pool", lambda n: dark_pool(n, symbol="NEW", size=n + 1), lambda frame: frame["quantity"] - 1),
        (
            "congress",
            lambda n: congress(n, symbol="NEW"),
            lambda frame: int(frame["representative"].split()[1]),
        ),
        (
            "option-trades/NEW",
            lambda n: option_trade(n, symbol="NEW", size=n),
            lambda frame: frame["quantity"],
        ),
        ("lit-trades/NEW", lambda n: lit(n, symbol="NEW", size=n), lambda frame: frame["size"]),
        ("off-lit-trades/new", lambda n: dark_pool(n, symbol="NEW", size=n), lambda frame: frame["size"]),
    ],
    ids=["flow", "dark-pool", "congress", "option-trades", "lit", "off-lit"],
)
async def test_a_feed_begins_with_the_newest_fifty_oldest_first_and_misses_nothing_after(
    app: FlowMind,
    publisher: Publisher,
    path: str,
    make: Callable[[int], Any],
    number_of: Callable[[Frame], float],
):
    """The widget puts each on top, so the newest must come last; what follows joins on without a hole."""
    early = await app.open(path)
    for number in range(1_001, 1_061):
        await publisher.publish(make(number))
    while number_of(await early.next()) != 1_060:
        pass
    late = await app.open(path)
    await publisher.publish(make(1_061))

    assert [number_of(await late.next()) for _ in range(51)] == list(range(1_011, 1_062))


async def test_a_quiet_tickers_prints_are_shown_however_much_the_others_trade(
    app: FlowMind, publisher: Publisher
):
    """A page of one ticker begins with that ticker's rows, not with what is left of them among all prints."""
    early = await app.open("lit-trades/LOUD")
    for number in range(20):
        publisher.offer(lit(number, symbol="CALM", size=number + 1))
    for number in range(400):
        publisher.offer(lit(number, symbol="LOUD", size=number + 1))
    while (await early.next())["size"] != 400:
        pass
    late = await app.open("lit-trades/CALM")
    await publisher.publish(lit(20, symbol="CALM", size=21))

    assert [(await late.next())["size"] for _ in range(21)] == list(range(1, 22))


@pytest.mark.parametrize(
    ("path", "make", "value"),
    [
        ("market-movers", lambda n: mover(n, symbol="LAST"), "price"),
        ("gex/last", lambda n: gex(n, symbol="LAST", gamma_oi=100.0 + n), "net_gex"),
    ],
    ids=["movers", "gex"],
)
async def test_a_feed_of_last_values_begins_with_the_last(
    app: FlowMind, publisher: Publisher, path: str, make: Callable[[int], Any], value: str
):
    """One row a ticker at once, and each change afterwards."""
    early = await app.open(path)
    for number in range(3):
        await publisher.publish(make(number))
    while (frame := await early.next())["symbol"] != "LAST" or frame[value] != 102.0:
        pass
    late = await app.open(path)
    await publisher.publish(make(3))
    mine = [frame for frame in [await late.next()] if frame["symbol"] == "LAST"]
    while not mine or mine[-1][value] != 103.0:
        frame = await late.next()
        mine += [frame] if frame["symbol"] == "LAST" else []

    assert [frame[value] for frame in mine] == [102.0, 103.0]


# Tickers.


@pytest.mark.parametrize(("number", "asked"), [*enumerate(("BRK.B", "brk.b", "Brk.b", "BRK%2EB"))])
async def test_a_ticker_is_the_same_however_a_page_spells_it(
    app: FlowMind, publisher: Publisher, number: int, asked: str
):
    """In upper case in the frame, and no other ticker's prints come with it."""
    stream = await app.open(f"gex/{asked}")
    await publisher.publish(gex(number, symbol="BRK"))
    await publisher.publish(gex(number, symbol="BRK.B", gamma_oi=1.5 + number))
    frame = await stream.next()
    while frame["net_gex"] != 1.5 + number:
        frame = await stream.next()

    assert (frame["ticker"], frame["channel"]) == ("BRK.B", "gex:BRK.B")


@pytest.mark.parametrize(
    "kind", ["gex", "gex-strike-expiry", "option-trades", "lit-trades", "off-lit-trades"]
)
@pytest.mark.parametrize("asked", ["%20", "x" * 65, "A%00B", "A%0AB"])
async def test_what_is_no_ticker_is_closed_with_a_reason_and_without_a_frame(
    app: FlowMind, kind: str, asked: str
):
    """Accepted, so that a browser sees 1008; a frame would be taken for a row."""
    said, code, reason = await (await app.open(f"{kind}/{asked}")).closed()

    assert (said, code) == ([], 1008)
    assert reason


@pytest.mark.parametrize("asked", ["*", "%3E", "SPY.%3E", "%25", "_"])
async def test_no_ticker_widens_what_a_page_hears(app: FlowMind, publisher: Publisher, asked: str):
    """Wildcards of the bus are characters like others to a page."""
    stream, fence = await app.open(f"gex/{asked}"), await app.open("gex/FENCE")
    await publisher.publish(gex(int(asyncio.get_running_loop().time() * 1e3), symbol="FENCE"))
    await fence.next()
    await publisher.publish(gex(5, symbol="FENCE2"))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream.connection.recv(), 0.2)


# Manners.


async def test_nothing_but_rows_is_ever_said_and_client_text_means_nothing(
    app: FlowMind, publisher: Publisher
):
    """No welcome, no answers, no heartbeat frames: every frame is a row; every page gets the same ones."""
    one, two = await app.open("option-trades/QUIET"), await app.open("option-trades/quiet")
    for text in ("ping", "", '{"type":"ping"}', '{"action":"subscribe"}', "[1", "\x00", "x" * 10_000):
        await one.connection.send(text)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.connection.recv(), 1.5)
    await publisher.publish(option_trade(1, symbol="QUIET"))

    assert await one.next() == await two.next()
    await one.connection.close(1000)
    assert one.connection.close_code == 1000


async def test_a_hundred_pages_of_a_channel_all_get_every_row_in_order(app: FlowMind, publisher: Publisher):
    """Broadcasting was lost for the rest when one joined or left; here all of them see all."""
    pages = await asyncio.gather(*(app.open("lit-trades/MANY") for _ in range(100)))
    for number in range(30):
        await publisher.publish(lit(number, symbol="MANY", size=number + 1))
        if number < 10:
            await pages.pop().connection.close()
    for page in pages:
        assert [(await page.next())["size"] for _ in range(30)] == list(range(1, 31))


async def test_a_page_that_lost_its_socket_comes_back_to_the_newest_rows(app: FlowMind, publisher: Publisher):
    """The hook connects anew; it is shown what happened meanwhile, as far as fifty rows reach."""
    page = await app.open("lit-trades/BACK")
    await publisher.publish(lit(1, symbol="BACK", size=1))
    assert (await page.next())["size"] == 1
    page.connection.transport.abort()
    for number in (2, 3):
        await publisher.publish(lit(number, symbol="BACK", size=number))
    back = await app.open("lit-trades/BACK")

    assert [(await back.next())["size"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("path", ["ws/nothing", "ws/gex", "ws/flow/SPY"])
async def test_an_unknown_path_is_refused_at_the_handshake(gateway: GatewayProcess, path: str):
    """As before: 403, since there is no channel to be accepted to."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{gateway.ws}/api/stream/{path}")

    assert refused.value.response.status_code == 403


async def test_a_page_from_elsewhere_is_closed_with_1008_and_a_reason(app: FlowMind):
    """Without a frame, which would be a row."""
    said, code, reason = await (await app.open("flow", origin="https://elsewhere.example")).closed()

    assert (said, code) == ([], 1008)
    assert "origin" in reason


async def test_a_full_gateway_says_1013_and_a_leaving_one_1012(bus_url: str):
    """Both are codes after which the hook comes back; neither sends a frame."""
    with GatewayProcess(bus_url, WS_GATEWAY_MAX_CONNECTIONS="1") as gateway:
        async with AsyncExitStack() as closing:
            app = FlowMind(gateway, closing)
            first, second = await app.open("gex/LEAVE"), await app.open("flow")
            said, code, reason = await second.closed()
            assert (said, code, bool(reason)) == ([], 1013, True)

            leaving = asyncio.create_task(asyncio.to_thread(gateway.leave))
            said, code, reason = await first.closed()
            assert (said, code, bool(reason)) == ([], 1012, True)
            assert await leaving == 0


# With tokens, where the operator asks for them.


KEY: Final = "a-key-that-both-sides-know-for-this-test"


def token(*subscribe: str, admin: bool = False) -> str:
    """Make a token that lets its bearer hear *subscribe*."""
    rights = {"subscribe": list(subscribe), "publish": [], "admin": admin}
    until = datetime.now(UTC) + timedelta(hours=1)
    claims = {"sub": "somebody", "aud": "baleen", "exp": until, "baleen": rights}
    return jwt.encode(claims, KEY, "HS256")


async def test_a_token_in_the_address_opens_what_it_names(bus_url: str, publisher: Publisher):
    """Without one, or for another ticker, the stream ends with 1008 and no frame; endpoints say 401."""
    spy = token("uw.v1.gex.SPY")
    with GatewayProcess(bus_url, WS_GATEWAY_AUTH="jwt", WS_GATEWAY_AUTH_KEY=KEY) as gateway:
        async with AsyncExitStack() as closing:
            app = FlowMind(gateway, closing)
            stream = await app.open(f"gex/spy?token={spy}")
            await publisher.publish(gex(1_000, gamma_oi=123.0))
            while (await stream.next())["net_gex"] != 123.0:
                pass
            for path in ("gex/SPY", f"gex/QQQ?token={spy}", f"flow?token={spy}", "gex/SPY?token=forged"):
                said, code, reason = await (await app.open(path)).closed()
                assert (said, code, bool(reason)) == ([], 1008, True)

            bearers = [{}, *({"Authorization": f"Bearer {one}"} for one in (spy, token(admin=True)))]
            codes = [
                [(await app.http.get("/channels", headers=one)).status_code for one in bearers],
                [(await app.http.post("/reconnect", headers=one)).status_code for one in bearers],
            ]

    assert codes == [[401, 200, 200], [401, 403, 503]]
    assert spy not in gateway.log_text()


# The four endpoints.


async def test_the_endpoints_tell_how_streaming_stands(publisher: Publisher, app: FlowMind):
    """Disabled, connected and disconnected, with the documented bodies, as uw-ingest tells it."""
    await publisher.publish(feed_status("disabled"))
    down = await app.when("/health", lambda answer: "not available" in answer.text)
    assert (down.status_code, down.json()) == (503, {"detail": "WebSocket streaming service not available"})
    disabled = await app.get("/status")
    assert (set(disabled), disabled["status"], disabled["enabled"]) == (
        {"status", "message", "enabled"},
        "disabled",
        False,
    )
    assert disabled["message"]
    assert (await app.get("/channels"))["enabled"] is False

    await publisher.publish(feed_status("live"))
    healthy = (await app.when("/health", lambda answer: answer.status_code == 200)).json()
    assert healthy.pop("uptime_seconds") > 0
    assert healthy == {"status": "healthy", "connected": True}

    before = (await app.get("/status"))["client_connections"]
    await publisher.publish(gex(77, symbol="STAT"))
    for path in ("flow", "gex/stat", "gex/QQQ", "option-trades/STAT"):
        await app.open(path, close_timeout=0)
    status = await app.get("/status")
    assert set(status) >= {"status", "enabled", "uw_connection", "client_connections", "total_clients"}
    assert (status["status"], status["enabled"]) == ("connected", True)
    upstream, clients = status["uw_connection"], status["client_connections"]
    assert upstream.pop("last_message_seconds_ago") < 60
    assert upstream == {
        "connected": True,
        "running": True,
        "reconnect_attempts": 0,
        "subscribed_channels": ["flow-alerts"],
        "channel_count": 1,
        "connection_uri": "uw-simulator",
    }
    assert set(clients) == {
        "total_connections",
        "total_connects",
        "total_disconnects",
        "total_messages_sent",
        "active_channels",
        "channels",
        "uptime_seconds",
        "messages_per_second",
    }
    named = {"flow-alerts": 1, "gex:STAT": 1, "gex:QQQ": 1, "option_trades:STAT": 1}
    assert clients["channels"].items() >= named.items()
    assert clients["total_connects"] == before["total_connects"] + 4
    assert status["total_clients"] == clients["total_connections"] == sum(clients["channels"].values())
    assert clients["active_channels"] == len(clients["channels"])

    listed = await app.get("/channels")
    rows = {row["id"]: row for row in listed["channels"]}
    assert set(rows) == {
        *("flow-alerts", "market-movers", "dark-pool", "congress"),
        *("gex", "gex-strike-expiry", "option-trades", "lit-trades", "off-lit-trades"),
    }
    assert (listed["total_channels"], listed["enabled"]) == (9, True)
    keys = {"id", "name", "endpoint", "description", "active_subscribers", "verified"}
    assert all(set(row) == keys for row in rows.values())
    assert [rows[name]["active_subscribers"] for name in ("flow-alerts", "gex", "option-trades")] == [1, 2, 1]
    assert rows["flow-alerts"]["verified"] is True
    assert rows["congress"]["verified"] is False

    await publisher.publish(feed_status("reconnecting"))
    away = await app.when("/health", lambda answer: answer.status_code == 503)
    assert away.json() == {"detail": "Not connected to Unusual Whales WebSocket"}
    assert (await app.get("/status"))["status"] == "disconnected"


async def test_every_listed_endpoint_can_be_connected_to(app: FlowMind):
    """What `/channels` names is served under that very path."""
    for row in (await app.get("/channels"))["channels"]:
        path = row["endpoint"].removeprefix("/api/stream/ws/").replace("{ticker}", "SPY")
        await app.open(path, close_timeout=0)


@pytest.mark.parametrize(
    ("reply", "code", "body"),
    [
        (b'{"ok":true}', 200, {"status": "success", "message": "Reconnected to Unusual Whales WebSocket"}),
        (b'{"ok":false,"code":"failed","message":"there is no token"}', 500, {"detail": "there is no token"}),
    ],
)
async def test_a_reconnect_is_done_by_whoever_has_the_upstream(
    bus_url: str, reply: bytes, code: int, body: Frame
):
    """503 while nobody answers; then 200 or 500 by what happened; a second one is 429 with a time."""
    asked: list[Frame] = []
    with GatewayProcess(bus_url) as gateway:
        async with AsyncExitStack() as closing:
            app = FlowMind(gateway, closing)
            nobody = await app.http.post("/reconnect")
            assert nobody.status_code == 503
            assert nobody.json()["detail"]

            bus = await closing.enter_async_context(open_bus(url=bus_url, name="ingest"))

            async def answer(message: Any) -> None:
                asked.append(json.loads(message.data))
                await message.respond(reply)

            await bus.nc.subscribe("command.v1.ingest.reconnect", cb=answer)
            await bus.nc.flush()
            done, again = await app.http.post("/reconnect"), await app.http.post("/reconnect")

    assert (done.status_code, done.json()) == (code, body)
    assert again.status_code == 429
    assert 0 < int(again.headers["Retry-After"]) <= 60
    assert [one["action"] for one in asked] == ["reconnect"]
