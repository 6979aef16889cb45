"""FlowMind's superset frame and the bodies of its HTTP endpoints, as its documents and widgets want them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.catalogue import by_name, example
from baleen_contracts.feed import FeedState
from ws_gateway.dialects.flowmind import CHANNELS, FlowMind
from ws_gateway.dialects.flowmind_status import TRUSTED_FOR, Clients, Feeds, channels, health, status
from ws_gateway.event import Event

NOW = datetime(2026, 4, 27, 14, 31, 5, tzinfo=UTC)
CLIENTS = Clients({"flow-alerts": 2, "congress": 1}, connects=5, disconnects=2, messages=600, uptime=60.04)


def event(entity: str, **changes: Any) -> Event:
    """Make the event of the catalogue's example of *entity*, with fields changed, or left out where None."""
    told = {**example(by_name(entity)), **changes}
    message = by_name(entity).model.model_validate({k: v for k, v in told.items() if v is not None})
    return Event(
        subject=message.subject,  # type: ignore[attr-defined]
        entity=entity,
        stream="TAPE",
        seq=1,
        at="TAPE.x.1",
        time=None,
        body=message.to_json(),
    )


def frame(entity: str, **changes: Any) -> dict[str, Any]:
    """Return the frame of such an event, as a client reads it."""
    text = FlowMind().encode(event(entity, **changes))
    assert text is not None
    told: dict[str, Any] = json.loads(text)
    return told


def number(value: object) -> bool:
    """Whether JavaScript reads *value* as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_a_flow_alert_carries_the_envelope_and_the_flat_fields_of_the_widget():
    """One frame serves those who read the documented envelope and those who read the root."""
    told = frame(
        "flow_alert",
        symbol="SPY",
        option_symbol="SPY250516C00590000",
        option_type="call",
        expiry="2025-05-16",
        strike=590,
        size=40,
        price=5.25,
        premium=21000,
        ask_side_premium=20000,
        bid_side_premium=1000,
        has_sweep=True,
        occurred_at="2025-05-12T13:30:00.123Z",
    )

    assert told["channel"] == "flow-alerts"
    assert told["timestamp"] == "2025-05-12T13:30:00.123000Z"
    flat = {key: value for key, value in told.items() if key not in ("channel", "data")}
    assert flat == {
        "symbol": "SPY",
        "strike": 590.0,
        "expiry": "2025-05-16",
        "kind": "CALL",
        "side": "BUY",
        "quantity": 40,
        "price": 5.25,
        "premium": 21000.0,
        "is_sweep": True,
        "timestamp": "2025-05-12T13:30:00.123000Z",
    }
    assert told["data"].items() >= flat.items()
    assert told["data"]["option_symbol"] == "SPY250516C00590000"


@pytest.mark.parametrize(
    ("option_type", "ask", "bid", "kind", "side"),
    [
        ("call", 900, 100, "CALL", "BUY"),
        ("call", 100, 900, "CALL", "SELL"),
        ("put", 900, 100, "PUT", "BUY"),
        ("put", 100, 900, "PUT", "SELL"),
        ("put", None, 900, "PUT", "SELL"),
        ("call", 500, 500, "CALL", "BUY"),
        ("call", None, None, "CALL", "BUY"),
    ],
)
def test_the_side_is_where_more_premium_traded(
    option_type: str, ask: float | None, bid: float | None, kind: str, side: str
):
    """The widget derives its sentiment from kind and side, so the larger side decides; a tie is a buy."""
    told = frame("flow_alert", option_type=option_type, ask_side_premium=ask, bid_side_premium=bid)

    assert (told["kind"], told["side"]) == (kind, side)


def test_numbers_that_the_upstream_left_out_are_numbers_all_the_same():
    """The widget calls toFixed on what it gets, so nothing it reads may be absent."""
    told = frame("flow_alert", price=None, premium=21000, size=40, has_sweep=None)
    bare = frame("flow_alert", price=None, premium=21000, size=None)

    assert told["price"] == 5.25
    assert told["is_sweep"] is False
    assert (bare["price"], bare["quantity"]) == (0.0, 0)


def test_a_dark_pool_print_has_quantity_price_and_value():
    """The widget marks a whale by `value`, which is the print's premium in dollars."""
    told = frame("dark_pool", symbol="SPY", size=10_000, price=562.82, premium=5_628_200, market_center=None)

    assert told["channel"] == "dark-pool"
    assert {key: told[key] for key in ("symbol", "quantity", "price", "value")} == {
        "symbol": "SPY",
        "quantity": 10_000,
        "price": 562.82,
        "value": 5_628_200.0,
    }
    assert "exchange" not in told
    assert frame("dark_pool", market_center="L")["exchange"] == "L"


def test_a_mover_has_its_change_in_percent_under_the_widgets_name():
    """`changePercent` is camel case, because that is what the widget sorts by."""
    told = frame("market_mover", price=128.41, change=9.87, change_percent=8.33, volume=41_230_988)

    assert told["channel"] == "market-movers"
    assert {key: told[key] for key in ("price", "change", "changePercent", "volume")} == {
        "price": 128.41,
        "change": 9.87,
        "changePercent": 8.33,
        "volume": 41_230_988,
    }


def test_a_movers_change_follows_from_its_percentage():
    """A list that tells only the percentage still gives the widget its change in dollars."""
    told = frame("market_mover", price=110.0, change=None, change_percent=10.0, volume=None)

    assert told["change"] == pytest.approx(10.0)
    assert told["volume"] == 0


@pytest.mark.parametrize("unknown", [{"price": None}, {"change_percent": None}, {"lists": []}])
def test_a_mover_without_a_price_or_that_moves_no_more_is_not_shown(unknown: dict[str, Any]):
    """A made-up price of zero would be a lie, and a stock that left the lists is no mover."""
    assert FlowMind().encode(event("market_mover", **unknown)) is None


@pytest.mark.parametrize(
    ("filed", "told"),
    [
        ("Buy", "purchase (buy)"),
        ("Purchase", "purchase (buy)"),
        ("Sell", "sale (sell)"),
        ("Sell (partial)", "sale (sell)"),
        ("Sell (PARTIAL)", "sale (sell)"),
        ("Sale (Full)", "sale (sell)"),
        ("Exchange", "exchange"),
        ("Receive", "receive"),
    ],
)
def test_a_congress_trade_is_a_purchase_for_the_badge_and_a_buy_for_the_filter(filed: str, told: str):
    """Badge and filter look for different words, so both are there; what was filed is kept beside them."""
    row = frame("congress_trade", transaction_type=filed)

    assert row["transaction_type"] == told
    assert row["transaction_type_filed"] == filed


def test_a_congress_trade_has_its_range_in_dollars_and_both_dates():
    """The widget formats the ends of the range and counts the days between trade and disclosure."""
    told = frame("congress_trade")

    assert told["channel"] == "congress-trades"
    assert told["representative"] == "Marjorie Taylor Greene"
    assert (told["amount_min"], told["amount_max"]) == (1001.0, 15000.0)
    assert (told["transaction_date"], told["disclosure_date"]) == ("2025-10-15", "2025-10-20")
    assert told["party"] is None


def test_a_congress_trade_with_an_open_range_or_no_ticker_is_shown_too():
    """An open range ends where it starts; what is no ticker has a name that is none."""
    told = frame("congress_trade", symbol=None, amount_high=None, amount_low=50_000_001)

    assert (told["amount_min"], told["amount_max"]) == (50_000_001.0, 50_000_001.0)
    assert told["symbol"] == "N/A"


NUMBERS = {
    "flow_alert": ("strike", "quantity", "price", "premium"),
    "market_mover": ("price", "change", "changePercent", "volume"),
    "dark_pool": ("quantity", "price", "value"),
    "congress_trade": ("amount_min", "amount_max"),
}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.id)
def test_every_number_a_widget_shows_is_a_json_number(channel: Any):
    """Neither a text nor null: the widgets call methods of numbers without asking."""
    told = frame(channel.entity)

    assert all(number(told[key]) for key in NUMBERS[channel.entity])
    assert all(told["data"][key] == told[key] for key in told if key not in ("channel", "data"))


@given(
    price=st.floats(0, 1e9),
    percent=st.floats(-100, 1e6),
    change=st.none() | st.floats(-1e9, 1e9),
)
def test_no_mover_makes_a_frame_that_a_browser_cannot_read(
    price: float, percent: float, change: float | None
):
    """Whatever the numbers, the frame holds neither NaN nor Infinity."""
    told = frame("market_mover", price=price, change_percent=percent, change=change)

    assert number(told["change"])


def test_a_time_of_another_zone_is_told_in_utc():
    """A widget parses the timestamp with `new Date`, which needs the zone."""
    told = frame("dark_pool", occurred_at="2025-05-12T09:30:00-04:00")

    assert told["timestamp"] == "2025-05-12T13:30:00.000000Z"


def test_what_no_widget_shows_has_no_frame():
    """Other entities are not this front end's."""
    assert FlowMind().encode(event("price")) is None


@pytest.mark.parametrize("text", ["", "ping", '{"type":"ping"}', "[]", "null", "\x00", "{"])
def test_client_text_is_ignored(text: str):
    """The protocol has no client commands."""
    assert FlowMind().hear(text, NOW) == ()


def test_a_widget_is_never_given_an_error_as_a_row():
    """Every frame is a row to a widget, so mistakes are told by close codes alone."""
    assert FlowMind().error("too_slow", "you read too slowly", NOW) == b""


def feed(name: str, state: FeedState, **fields: Any) -> dict[str, Any]:
    """Return the body of a feed's status, said just now."""
    return {"feed": name, "state": state.value, "occurred_at": NOW.isoformat(), **fields}


def test_the_status_is_disabled_while_no_feed_is_meant_to_run():
    """Without a token uw-ingest runs and says why nothing is to be expected."""
    feeds = Feeds([feed("flow_alert", FeedState.DISABLED, detail="no upstream is configured")], NOW)

    assert status(feeds, CLIENTS) == {
        "status": "disabled",
        "message": "WebSocket streaming not initialized (no upstream is configured)",
        "enabled": False,
    }
    assert channels(feeds, CLIENTS)["enabled"] is False
    assert health(feeds, CLIENTS) == (503, {"detail": "WebSocket streaming service not available"})
    assert status(Feeds([], NOW), CLIENTS)["status"] == "disabled"


def test_the_status_counts_feeds_and_clients_while_connected():
    """All keys of the documented status, with numbers that are true."""
    heard = (NOW - timedelta(seconds=1.5)).isoformat()
    feeds = Feeds(
        [
            feed("flow_alert", FeedState.LIVE, last_message_at=heard, simulated=True),
            feed("price", FeedState.STALE),
            feed("news", FeedState.DISABLED),
        ],
        NOW,
    )

    assert status(feeds, CLIENTS) == {
        "status": "connected",
        "enabled": True,
        "uw_connection": {
            "connected": True,
            "running": True,
            "reconnect_attempts": 0,
            "subscribed_channels": ["flow-alerts", "price"],
            "channel_count": 2,
            "last_message_seconds_ago": 1.5,
            "connection_uri": "uw-simulator",
        },
        "client_connections": {
            "total_connections": 3,
            "total_connects": 5,
            "total_disconnects": 2,
            "total_messages_sent": 600,
            "active_channels": 2,
            "channels": {"flow-alerts": 2, "congress": 1},
            "uptime_seconds": 60.0,
            "messages_per_second": 9.99,
        },
        "total_clients": 3,
        "simulated": True,
    }
    assert health(feeds, CLIENTS) == (
        200,
        {"status": "healthy", "connected": True, "uptime_seconds": 60.0},
    )


def test_the_last_message_is_the_last_that_anybody_heard():
    """A status is told every half minute; what arrived since counts too."""
    feeds = Feeds(
        [feed("price", FeedState.LIVE, last_message_at=(NOW - timedelta(seconds=20)).isoformat())],
        NOW,
        heard=[NOW - timedelta(seconds=2), NOW - timedelta(seconds=9)],
    )

    assert status(feeds, CLIENTS)["uw_connection"]["last_message_seconds_ago"] == 2.0


@pytest.mark.parametrize(
    ("name", "state", "connected"),
    [
        ("flow_alert", FeedState.LIVE, True),
        ("flow_alert", FeedState.QUIET, True),
        ("flow_alert", FeedState.BACKFILLING, True),
        ("flow_alert", FeedState.STALE, False),
        ("flow_alert", FeedState.RECONNECTING, False),
        ("flow_alert", FeedState.NOT_ENTITLED, False),
        ("congress_trade", FeedState.LIVE, False),
    ],
)
def test_connected_means_that_data_can_arrive_over_the_socket(name: str, state: FeedState, connected: bool):
    """Neither a stale socket nor a polled feed makes the stream connected."""
    feeds = Feeds([feed(name, state)], NOW)
    told = status(feeds, CLIENTS)

    assert told["status"] == ("connected" if connected else "disconnected")
    assert health(feeds, CLIENTS)[0] == (200 if connected else 503)


def test_a_status_that_nobody_repeats_is_not_believed():
    """After uw-ingest died its last words say live; they hold only for a while."""
    old = (NOW - TRUSTED_FOR - timedelta(seconds=1)).isoformat()
    feeds = Feeds([feed("flow_alert", FeedState.LIVE) | {"occurred_at": old}], NOW)

    assert status(feeds, CLIENTS)["status"] == "disconnected"
    assert status(feeds, CLIENTS)["uw_connection"]["running"] is False
    assert health(feeds, CLIENTS)[1] == {"detail": "Not connected to Unusual Whales WebSocket"}


def test_the_channels_are_listed_with_their_subscribers():
    """Ids and endpoints are what the front end looks for; a channel of one ticker counts all tickers'."""
    by_label = {**CLIENTS.by_label, "gex:SPY": 2, "gex:QQQ": 1, "gex_strike_expiry:SPY": 4, "gamma_SPY": 9}
    told = channels(Feeds([feed("flow_alert", FeedState.LIVE)], NOW), replace(CLIENTS, by_label=by_label))

    assert [(c["id"], c["endpoint"], c["active_subscribers"], c["verified"]) for c in told["channels"]] == [
        ("flow-alerts", "/api/stream/ws/flow", 2, True),
        ("market-movers", "/api/stream/ws/market-movers", 0, False),
        ("dark-pool", "/api/stream/ws/dark-pool", 0, False),
        ("congress", "/api/stream/ws/congress", 1, False),
        ("gex", "/api/stream/ws/gex/{ticker}", 3, True),
        ("gex-strike-expiry", "/api/stream/ws/gex-strike-expiry/{ticker}", 4, True),
        ("option-trades", "/api/stream/ws/option-trades/{ticker}", 0, True),
        ("lit-trades", "/api/stream/ws/lit-trades/{ticker}", 0, True),
        ("off-lit-trades", "/api/stream/ws/off-lit-trades/{ticker}", 0, True),
    ]
    assert all(
        set(c) == {"id", "name", "endpoint", "description", "active_subscribers", "verified"}
        for c in told["channels"]
    )
    assert (told["total_channels"], told["enabled"]) == (9, True)


def test_the_subscribed_channels_have_the_names_of_their_frames():
    """A feed with a channel of its own and one of a ticker besides goes by the former."""
    feeds = [
        feed(name, FeedState.LIVE) for name in ("dark_pool", "option_trade", "gex", "congress_trade", "news")
    ]
    told = status(Feeds(feeds, NOW), CLIENTS)["uw_connection"]

    assert told["subscribed_channels"] == ["congress-trades", "dark-pool", "gex", "news", "option_trades"]
    assert told["channel_count"] == 5


def test_a_wish_that_is_refused_makes_no_feed():
    """Somebody's wish for what cannot be served does not make the streaming look enabled."""
    told = status(Feeds([feed("uw.v1.gex.NOPE", FeedState.REFUSED)], NOW), CLIENTS)

    assert (told["status"], told["enabled"]) == ("disabled", False)
