"""The updates of Alpha Terminal's later channels: what its widgets wait for, and nothing made up."""

import json
from typing import Any

import pytest

from baleen_contracts.catalogue import by_name, example
from ws_gateway.dialects import alpha_channels
from ws_gateway.dialects.alpha_terminal import AlphaDivergence, AlphaSignals, AlphaTerminal
from ws_gateway.event import Event
from ws_gateway.topics import matches


def nothing() -> None:
    """Count nothing."""


PLAIN = AlphaTerminal(nothing)
DIVERGENCE = AlphaDivergence(nothing)


def event(entity: str, **changes: Any) -> Event:
    """Make the event of the catalogue's example of *entity*, with fields changed, or left out where None."""
    told = {**example(by_name(entity)), "occurred_at": "2026-04-27T14:31:05.25Z", **changes}
    message = by_name(entity).model.model_validate({k: v for k, v in told.items() if v is not None})
    return Event(
        subject=message.subject,  # type: ignore[attr-defined]
        entity=entity,
        stream="S",
        seq=1,
        at="S.x.1",
        time=None,
        body=message.to_json(),
    )


def told(what: Event, dialect: AlphaTerminal = PLAIN) -> dict[str, Any]:
    """Return the message a client reads."""
    text = dialect.encode(what)
    assert text is not None
    message: dict[str, Any] = json.loads(text)
    return message


@pytest.mark.parametrize(
    ("what", "kind", "symbol"),
    [
        (event("dark_pool", symbol="SPY"), "DP_UPDATE", "SPY"),
        (event("gex", symbol="SPY"), "GAMMA_UPDATE", "SPY"),
        (event("flow_alert", symbol="SPY"), "OPTIONS_FLOW_UPDATE", "SPY"),
        (event("feed_status"), "HEALTH_UPDATE", None),
    ],
    ids=["darkpool", "gamma", "options", "health"],
)
def test_an_update_has_type_symbol_data_and_timestamp(what: Event, kind: str, symbol: str | None):
    """Nothing else stands at the root, and `data` holds the whole contract message."""
    message = told(what)

    assert (message["type"], message["symbol"]) == (kind, symbol)
    assert message["timestamp"] == "2026-04-27T14:31:05.250000Z"
    assert set(message) == {"type", "symbol", "data", "timestamp"}
    assert message["data"].items() >= json.loads(what.body).items()


@pytest.mark.parametrize(
    ("price", "bid", "ask", "side"),
    [
        (10.2, 10.1, 10.2, "BUY"),
        (10.3, 10.1, 10.2, "BUY"),
        (10.1, 10.1, 10.2, "SELL"),
        (10.15, 10.1, 10.2, None),
        (10.1, 10.1, 10.1, None),
        (10.1, None, None, None),
    ],
)
def test_a_print_has_a_side_only_where_it_stood_at_one(
    price: float, bid: float | None, ask: float | None, side: str | None
):
    """Between the quotes, or without any, nobody knows who was in a hurry."""
    (row,) = told(event("dark_pool", price=price, nbbo_bid=bid, nbbo_ask=ask, size=300))["data"]["prints"]

    assert (row["price"], row["volume"], row.get("side")) == (price, 300, side)


@pytest.mark.parametrize(("gamma", "regime"), [(5e9, "POSITIVE"), (-1.0, "NEGATIVE"), (None, None)])
def test_the_regime_is_the_sign_of_the_exposure(gamma: float | None, regime: str | None):
    """An unknown exposure has neither."""
    data = told(event("gex", gamma_oi=gamma, price=593.06))["data"]

    assert (data.get("total_gex"), data.get("current_regime")) == (gamma, regime)
    assert data["current_price"] == 593.06


def test_unusual_activity_is_a_row_with_every_number_or_none():
    """The widget calls methods of these numbers, so a row that lacks one is left out; sweeps are rows too."""
    known = {
        "volume": 400,
        "open_interest": 100,
        "volume_oi_ratio": None,
        "price": 2.5,
        "rule": "RepeatedHits",
    }
    full = told(event("flow_alert", option_type="put", has_sweep=True, **known))["data"]
    lacking = told(event("flow_alert", **{**known, "open_interest": 0}))["data"]

    (row,) = full["unusual_activity"]
    assert full["sweeps"] == [row]
    assert (row["option_type"], row["volume_oi_ratio"], row["last_price"]) == ("PUT", 4.0, 2.5)
    assert row["reason"] == "RepeatedHits"
    assert lacking["unusual_activity"] == []
    assert told(event("flow_alert", has_sweep=False, **known))["data"]["sweeps"] == []


@pytest.mark.parametrize(
    "alert_type", ["dp_divergence", "dp_bearish_divergence", "divergence", "DP_Divergence"]
)
def test_the_divergence_channel_shows_alerts_of_that_kind(alert_type: str):
    """Their words and the embed that tells them are in `data`."""
    message = told(event("alert", alert_type=alert_type, symbol="SPY", embed={"title": "D"}), DIVERGENCE)

    assert (message["type"], message["symbol"]) == ("DIVERGENCE_ALERT", "SPY")
    assert message["data"]["alert_type"] == alert_type
    assert message["data"]["embed"] == {"title": "D"}


@pytest.mark.parametrize("what", [event("alert", alert_type="dp_alert"), event("signal"), event("gex")])
def test_the_divergence_channel_shows_nothing_else(what: Event):
    """An alert of another kind is passed over, and the frame is not shared with channels that show it."""
    assert DIVERGENCE.encode(what) is None
    assert DIVERGENCE.name not in (PLAIN.name, AlphaSignals(nothing).name)


@pytest.mark.parametrize(
    ("alert_type", "channel"),
    [
        ("squeeze_signal", "squeeze"),
        ("squeeze_candidate", "squeeze"),
        ("SQUEEZE_ALERT", "squeeze"),
        ("rally", None),
    ],
)
def test_an_alert_of_a_squeeze_names_the_channel_that_its_scanner_waits_for(
    alert_type: str, channel: str | None
):
    """It stays an `alert` for all others; the scanner looks for the channel."""
    message = told(event("alert", alert_type=alert_type), AlphaSignals(nothing))

    assert (message["type"], message.get("channel")) == ("alert", channel)


@pytest.mark.parametrize(
    ("channel", "key", "words", "subject"),
    [
        (
            alpha_channels.dark_pool("spy"),
            "darkpool_SPY",
            "Connected to SPY dark pool stream",
            "uw.v1.dark_pool.SPY",
        ),
        (alpha_channels.gamma("spy"), "gamma_SPY", "Connected to SPY gamma stream", "uw.v1.gex.SPY"),
        (
            alpha_channels.options("spy"),
            "options_SPY",
            "Connected to SPY options flow stream",
            "uw.v1.flow_alert.SPY",
        ),
        (
            alpha_channels.divergence(),
            "divergence",
            "Connected to divergence stream",
            "alert.v1.dp_divergence.SPY",
        ),
        (alpha_channels.health(), "health", "Connected to health stream", "feed.v1.status.gex"),
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_the_later_channels_welcome_as_the_others_do(
    channel: alpha_channels.AlphaChannel, key: str, words: str, subject: str
):
    """Each has its key, its sentence, the symbol where it is of one, and hears its source."""
    assert (channel.key, channel.words) == (key, words)
    assert channel.about == ((("symbol", "SPY"),) if key.endswith("_SPY") else ())
    assert any(matches(topic, subject) for topic in channel.topics)
    assert alpha_channels.is_alpha(key)


def test_the_unified_channel_keeps_the_upstreams_tape_out():
    """Everything that trading code says, but not thousands of prints a second."""
    topics = alpha_channels.unified().topics

    assert not any(
        matches(topic, subject)
        for topic in topics
        for subject in ("uw.v1.dark_pool.SPY", "feed.v1.status.gex")
    )
