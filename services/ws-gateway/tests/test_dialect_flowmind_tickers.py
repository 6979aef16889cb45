"""FlowMind's frames for one ticker, as its later widgets read them: they look into `data`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.catalogue import by_name, example
from ws_gateway.dialects.flowmind import TICKER_CHANNELS, FlowMind
from ws_gateway.dialects.path_keys import MAX_KEY_LENGTH, ticker_of, topic_of_ticker
from ws_gateway.event import Event
from ws_gateway.topics import matches

DIALECT = FlowMind("flowmind.tickers", TICKER_CHANNELS)


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
    text = DIALECT.encode(event(entity, **changes))
    assert text is not None
    told: dict[str, Any] = json.loads(text)
    return told


@pytest.mark.parametrize(
    ("entity", "channel"),
    [
        ("gex", "gex:SPY"),
        ("gex_strike_expiry", "gex_strike_expiry:SPY"),
        ("option_trade", "option_trades:SPY"),
        ("lit_trade", "lit_trades:SPY"),
        ("dark_pool", "off_lit_trades:SPY"),
    ],
)
def test_every_frame_has_the_envelope_the_ticker_and_the_fields_twice(entity: str, channel: str):
    """Whoever reads the root and whoever reads `data` find the same, in upper case and with microseconds."""
    told = frame(entity, symbol="spy", occurred_at="2025-05-16T18:20:02Z")

    assert (told["channel"], told["ticker"], told["timestamp"]) == (
        channel,
        "SPY",
        "2025-05-16T18:20:02.000000Z",
    )
    flat = {key: value for key, value in told.items() if key not in ("channel", "data")}
    assert told["data"].items() >= flat.items()
    assert told["data"].keys() >= {"occurred_at", "received_at"}


def test_the_exposure_of_a_ticker_is_the_total_and_no_made_up_split():
    """The upstream tells the sum only; the widget shows null as N/A."""
    data = frame("gex", gamma_oi=-1.5e9)["data"]

    assert (data["total_gex"], data["net_gex"]) == (-1.5e9, -1.5e9)
    assert [data[key] for key in ("call_gex", "put_gex", "zero_gamma_level")] == [None, None, None]
    assert DIALECT.encode(event("gex", gamma_oi=None)) is None


def test_a_cell_of_the_matrix_has_calls_puts_and_their_sum():
    """The widget averages them, so an unknown one keeps the cell away instead of spoiling it."""
    data = frame("gex_strike_expiry", call_gamma_oi=300.5, put_gamma_oi=-100.25, strike=590)["data"]

    assert (data["call_gex"], data["put_gex"], data["net_gex"]) == (300.5, -100.25, 200.25)
    assert (data["strike"], data["expiry"]) == (590, "2025-01-24")
    for missing in ("call_gamma_oi", "put_gamma_oi"):
        assert DIALECT.encode(event("gex_strike_expiry", **{missing: None})) is None


@pytest.mark.parametrize(
    ("side", "word"), [("ask", "BUY"), ("bid", "SELL"), ("mid", "MID"), ("none", "NONE")]
)
@pytest.mark.parametrize("option_type", ["call", "put"])
def test_an_option_print_has_type_and_side_in_the_widgets_words(side: str, word: str, option_type: str):
    """Its filters ask for CALL or PUT and BUY or SELL; what is neither bought nor sold is called neither."""
    data = frame("option_trade", side=side, option_type=option_type, size=7, premium=21.5, price=0.03)["data"]

    assert (data["type"], data["side"]) == (option_type.upper(), word)
    assert (data["quantity"], data["premium"], data["price"]) == (7, 21.5, 0.03)
    assert data["option_type"] == option_type


def test_a_lit_print_has_numbers_and_a_list_of_conditions():
    """`conditions` is joined by the widget, so it is a list or not there; nobody tells the exchange."""
    told = frame("lit_trade", trade_code="opening_print", sale_condition="cross_trade")
    bare = frame("lit_trade", trade_code=None, sale_condition=None, market_center="Q")

    assert (told["price"], told["size"], told["conditions"]) == (
        150.25,
        100,
        ["opening_print", "cross_trade"],
    )
    assert isinstance(told["size"], int)
    assert "exchange" not in told
    assert "conditions" not in bare
    assert bare["exchange"] == "Q"


@pytest.mark.parametrize(("size", "block"), [(9_999, False), (10_000, True)])
def test_an_off_exchange_print_has_its_notional_and_whether_it_is_a_block(size: int, block: bool):
    """From 10,000 shares on the widget calls it a block; a venue is a text or not there."""
    told = frame("dark_pool", size=size, premium=size * 150.25, market_center=None)

    assert (told["size"], told["notional"], told["is_block"]) == (size, size * 150.25, block)
    assert "venue" not in told
    assert frame("dark_pool", market_center="L")["venue"] == "L"


def test_both_dialects_show_a_dark_pool_print_without_sharing_its_frame():
    """The dark-pool channel and the ticker's channel say the same print in different words."""
    print_ = event("dark_pool")
    plain = FlowMind()

    assert plain.name != DIALECT.name
    assert plain.encode(print_) != DIALECT.encode(print_)
    assert DIALECT.encode(event("flow_alert")) is None
    assert plain.encode(event("gex")) is None


@pytest.mark.parametrize("asked", ["spy", "SPY", "Spy", " spy "])
def test_a_ticker_is_the_same_however_it_is_spelt(asked: str):
    """Case and stray blanks make no other channel."""
    assert ticker_of(asked) == "SPY"
    assert topic_of_ticker("gex", ticker_of(asked)) == "uw.v1.gex.SPY"


@pytest.mark.parametrize("asked", ["", " ", "x" * 65, "ß" * 40, "A\nB", "A\x00"])
def test_what_can_be_no_ticker_is_refused(asked: str):
    """Neither nothing, nor the endless, nor what a log could stumble over."""
    with pytest.raises(ValueError, match="a name has"):
        ticker_of(asked)


@given(st.text(max_size=80))
def test_no_ticker_widens_a_topic(asked: str):
    """Whatever a client writes, its topic means one ticker's messages or is refused."""
    try:
        topic = topic_of_ticker("gex_strike_expiry", ticker_of(asked))
    except ValueError:
        return
    assert len(topic.split(".")) == 6
    assert matches(topic, "uw.v1.gex_strike_expiry.SPY.2025-01-24.590") is (asked.strip().upper() == "SPY")
    assert len(ticker_of(asked)) <= MAX_KEY_LENGTH
