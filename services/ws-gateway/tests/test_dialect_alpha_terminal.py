"""Alpha Terminal's messages, welcomes and routing, as its document and its clients want them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from baleen_contracts.catalogue import by_name, example
from ws_gateway.dialects import alpha_channels
from ws_gateway.dialects.alpha_terminal import NOT_SIGNALS, AlphaSignals, AlphaTerminal
from ws_gateway.event import Event
from ws_gateway.topics import matches

NOW = datetime(2026, 4, 27, 14, 31, 5, 250, tzinfo=UTC)
SAID = "2026-04-27T14:31:05.000250Z"


def nothing() -> None:
    """Count nothing."""


def event(entity: str, **changes: Any) -> Event:
    """Make the event of the catalogue's example of *entity*, with fields changed, or left out where None."""
    told = {**example(by_name(entity)), "occurred_at": NOW.isoformat(), **changes}
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


def told(dialect: AlphaTerminal, what: Event) -> dict[str, Any]:
    """Return the message a client reads."""
    text = dialect.encode(what)
    assert text is not None
    message: dict[str, Any] = json.loads(text)
    return message


UNIFIED = AlphaTerminal(nothing)
EMBED = {"title": "Squeeze", "color": 3447003, "fields": [{"name": "a", "value": "b", "inline": True}]}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            event(
                "alert",
                alert_type="dp_alert",
                source="dp_checker",
                symbol="SPY",
                content="hello",
                embed=EMBED,
            ),
            {
                "type": "alert",
                "alert_type": "dp_alert",
                "source": "dp_checker",
                "symbol": "SPY",
                "content": "hello",
                "embed": EMBED,
                "timestamp": SAID,
            },
        ),
        (
            event(
                "alert", alert_type="startup", source="m", symbol=None, content=None, title="Up", embed=None
            ),
            {
                "type": "alert",
                "alert_type": "startup",
                "source": "m",
                "symbol": None,
                "content": None,
                "embed": {"title": "Up"},
                "timestamp": SAID,
            },
        ),
        (
            event("signal", symbol="GME", signal={"symbol": "GME", "action": "BUY", "confidence": 78}),
            {
                "type": "signal",
                "signal": {"symbol": "GME", "action": "BUY", "confidence": 78},
                "timestamp": SAID,
            },
        ),
        (
            event("signal", symbol="GME", signal={"action": "BUY"}),
            {"type": "signal", "signal": {"symbol": "GME", "action": "BUY"}, "timestamp": SAID},
        ),
        (
            event("market_data", symbol="spy", data={"price": 571.5}),
            {"type": "market_data", "symbol": "spy", "data": {"price": 571.5}, "timestamp": SAID},
        ),
        (
            event("agent_insight", agent="MarketAgent", insight={"view": "up"}),
            {"type": "agent_insight", "agent": "MarketAgent", "insight": {"view": "up"}, "timestamp": SAID},
        ),
        (
            event("narrative", narrative={"text": "calm"}),
            {"type": "narrative", "narrative": {"text": "calm"}, "timestamp": SAID},
        ),
    ],
    ids=[
        "alert",
        "alert-without-embed",
        "signal",
        "signal-symbol",
        "market_data",
        "agent_insight",
        "narrative",
    ],
)
def test_each_kind_of_message_has_the_documented_fields(what: Event, message: dict[str, Any]):
    """Exactly the fields of the document, so that a client reads what it read before."""
    assert told(UNIFIED, what) == message


def test_an_embed_made_here_tells_title_and_content():
    """Clients read the title of an embed, so an alert without one gets the least that says the same."""
    message = told(UNIFIED, event("alert", embed=None, title=None, alert_type="x", content="words"))

    assert message["embed"] == {"title": "x", "description": "words"}


def test_the_upstreams_tape_is_not_this_protocols():
    """An option print has no message here."""
    assert UNIFIED.encode(event("option_trade")) is None


@pytest.mark.parametrize(
    ("channel", "welcome"),
    [
        (
            alpha_channels.unified(),
            {"channel": "unified", "message": "Connected to Alpha Terminal unified stream"},
        ),
        (
            alpha_channels.market("spy"),
            {"channel": "market_SPY", "symbol": "SPY", "message": "Connected to SPY market stream"},
        ),
        (alpha_channels.signals(), {"channel": "signals", "message": "Connected to signals stream"}),
        (
            alpha_channels.agent("MarketAgent"),
            {
                "channel": "agent_marketagent",
                "agent": "MarketAgent",
                "message": "Connected to MarketAgent agent stream",
            },
        ),
        (
            alpha_channels.narrative(),
            {"channel": "narrative", "message": "Connected to Narrative Brain stream"},
        ),
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_the_welcome_has_the_documented_words(channel: alpha_channels.AlphaChannel, welcome: dict[str, str]):
    """The first frame names the channel by its internal key, with the sentence clients show."""
    assert json.loads(channel.welcome(NOW)) == {"type": "welcome", "timestamp": SAID, **welcome}


def test_a_ping_is_answered_with_a_pong():
    """The one thing a client may say."""
    (pong,) = UNIFIED.hear('{"type":"ping"}', NOW)

    assert json.loads(pong) == {"type": "pong", "timestamp": SAID}


@pytest.mark.parametrize("text", ['{"type":"subscribe"}', "{}", "[]", "null", '"ping"', "1"])
def test_other_json_is_taken_in_silence(text: str):
    """A client that says more than it needs is not punished."""
    assert UNIFIED.hear(text, NOW) == ()


@pytest.mark.parametrize("text", ["", "ping", "{", "\ud800", "NaN"])
def test_text_that_is_no_json_is_counted_and_ignored(text: str):
    """Garbage costs its sender nothing but is seen in the metrics."""
    counted: list[str] = []
    dialect = AlphaTerminal(lambda: counted.append(text))

    assert dialect.hear(text, NOW) == ()
    assert counted == [text]


CHANNELS = {
    "unified": alpha_channels.unified(),
    "market_SPY": alpha_channels.market("sPy"),
    "market_QQQ": alpha_channels.market("QQQ"),
    "market_BRK.B": alpha_channels.market("brk.b"),
    "signals": alpha_channels.signals(),
    "agent_marketagent": alpha_channels.agent("MARKETAgent"),
    "narrative": alpha_channels.narrative(),
}


def reached(what: Event) -> set[str]:
    """Return the keys of the channels that show *what*."""
    return {
        key
        for key, channel in CHANNELS.items()
        if any(matches(topic, what.subject) for topic in channel.topics)
        and (AlphaSignals(nothing) if key == "signals" else UNIFIED).encode(what) is not None
    }


@pytest.mark.parametrize(
    ("what", "channels"),
    [
        (event("alert", alert_type="squeeze_signal", symbol="SPY"), {"unified", "signals", "market_SPY"}),
        (event("alert", alert_type="synthesis", symbol="spy"), {"unified", "signals", "market_SPY"}),
        (event("alert", alert_type="narrative_brain", symbol=None), {"unified", "signals"}),
        (
            event("alert", alert_type="LEVEL_WATCHER_SIGNAL", symbol="QQQ"),
            {"unified", "signals", "market_QQQ"},
        ),
        (event("alert", alert_type="fed_watch", symbol=None), {"unified"}),
        (event("alert", alert_type="Economic_Event", symbol="SPY"), {"unified", "market_SPY"}),
        (event("signal", symbol="spy", signal={}), {"unified", "signals", "market_SPY"}),
        (event("signal", symbol=None, signal={}), {"unified", "signals"}),
        (event("market_data", symbol="SPY", data={}), {"unified", "market_SPY"}),
        (event("market_data", symbol="BRK.B", data={}), {"unified", "market_BRK.B"}),
        (event("agent_insight", agent="MarketAgent", insight={}), {"unified", "agent_marketagent"}),
        (event("narrative", narrative={}), {"unified", "narrative"}),
    ],
    ids=lambda value: value.subject if isinstance(value, Event) else "",
)
def test_each_message_reaches_its_channels_and_no_others(what: Event, channels: set[str]):
    """Tickers meet however they are spelt, agents too; signals are told from news by their type."""
    assert reached(what) == channels


@pytest.mark.parametrize("alert_type", sorted(NOT_SIGNALS))
def test_alerts_that_only_inform_are_no_signals(alert_type: str):
    """The list of types that are kept off the signals channel."""
    assert AlphaSignals(nothing).encode(event("alert", alert_type=alert_type)) is None


def test_which_alerts_are_no_signals_can_be_set():
    """An operator whose fed_watch alerts are traded on takes them off the list."""
    dialect = AlphaSignals(nothing, frozenset({"chatter"}))

    assert dialect.encode(event("alert", alert_type="fed_watch")) is not None
    assert dialect.encode(event("alert", alert_type="Chatter")) is None


def test_the_signals_channel_does_not_share_frames_with_the_others():
    """A frame that is withheld from one channel must not be withheld from the rest."""
    assert AlphaSignals(nothing).name != UNIFIED.name


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_name_that_no_message_can_carry_is_refused(name: str):
    """Neither an empty nor an endless name becomes a topic."""
    with pytest.raises(ValueError, match="1 to 64 characters"):
        alpha_channels.market(name)
    with pytest.raises(ValueError, match="1 to 64 characters"):
        alpha_channels.agent(name)


def test_a_wildcard_in_a_name_is_only_a_character():
    """A client cannot widen its channel by asking for `*`."""
    assert not any(matches(topic, "market.v1.SPY") for topic in alpha_channels.market("*").topics)
    assert not any(matches(topic, "agent.v1.marketagent") for topic in alpha_channels.agent(">").topics)
